"""Tensors of others as our leaves: every one, once, of the right shape."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vision_jax.errors import UserError
from vision_jax.interop.rules import Rule, Rules, Shapes
from vision_jax.interop.tensors import Tensor, Tensors

SHOWN = 5  # leaves that a message names of each kind
PREFIXES = ("module.", "model.", "_orig_mod.")  # what wraps a whole net


class LayoutMismatch(UserError):
  """A file that does not hold the leaves of a net, all of them and no more."""


@dataclasses.dataclass(frozen=True)
class Found:
  """What rules make of the names of a file.

  Attributes:
    leaves: path of ours -> tensor, not read yet.
    unused: names that no rule matches.
    twice: paths that several names become.
  """

  leaves: Mapping[str, Tensor]
  unused: Sequence[str]
  twice: Sequence[str]

  def not_floats(self, shapes: Shapes) -> list[str]:
    """Returns the leaves of `shapes` that are whole or complex numbers."""
    leaves = self.leaves
    kind = lambda path: leaves[path].dtype.kind
    return [p for p in shapes if p in leaves and kind(p) in "biuc"]

  def mismatch(self, shapes: Shapes) -> list[str]:
    """Returns what is not as `shapes` has it: a line for each leaf."""
    missing = [path for path in shapes if path not in self.leaves]
    wrong = [
      f"{path} has shape {x.shape} there, expected {tuple(shapes[path])}"
      for path, x in self.leaves.items()
      if path in shapes and not fits(x.shape, shapes[path])
    ]
    whole = [
      f"{path} is of {self.leaves[path].dtype} there, expected floats"
      for path in self.not_floats(shapes)
    ]
    more = [path for path in self.leaves if path not in shapes]
    return [
      *_some("not there", missing, [*self.unused, *more]),
      *_some("not of this net", [*self.unused, *more], missing),
      *_some("there twice", self.twice, ()),
      *whole[:SHOWN],
      *wrong[:SHOWN],
      *([f"{len(wrong) - SHOWN} more shapes differ"] * (len(wrong) > SHOWN)),
    ]


def find(tensors: Tensors, rules: Rules) -> Found:
  """Applies rules to the names of a file; reads nothing."""
  leaves, unused, twice = {}, [], []
  for name, tensor in tensors.items():
    for rule in rules:
      paths = rule.paths(name)
      if paths is not None:
        break
    else:
      unused.append(name)
      continue
    for path, part in _parts(rule, paths, tensor):
      if path in leaves and not rule.again:
        twice.append(path)
      leaves.setdefault(path, part)
  return Found(leaves, unused, twice)


def convert(
  tensors: Tensors, rules: Rules, shapes: Shapes, *, where: str
) -> dict[str, Tensor]:
  """Returns the leaves of a net, by path, in the shapes of `shapes`.

  Args:
    tensors: of a file; a prefix that all names have in common (`PREFIXES`)
      does not count where the rules do not know it.
    rules: of the file's layout.
    shapes: path of each leaf -> its shape, "params/..." and "batch_stats/...".
    where: what an error calls the file.

  Raises:
    LayoutMismatch: naming what is missing, unused, there twice or of another
      shape.
  """
  found = find(without_prefix(tensors, rules), rules)
  if wrong := found.mismatch(shapes):
    raise LayoutMismatch(f"{where}: {'; '.join(wrong)}.")
  return {
    path: reshaped(found.leaves[path], tuple(shape))
    for path, shape in shapes.items()
  }


def without_prefix(tensors: Tensors, rules: Rules) -> Tensors:
  """Drops what wraps a whole net from all names, if no rule knows it."""
  known = lambda names: any(
    r.paths(n) is not None for n in names for r in rules
  )
  while not known(tensors):
    for prefix in PREFIXES:
      if tensors and all(name.startswith(prefix) for name in tensors):
        tensors = {name[len(prefix) :]: x for name, x in tensors.items()}
        break
    else:
      break
  return tensors


def _parts(
  rule: Rule, paths: Sequence[str], tensor: Tensor
) -> Iterator[tuple[str, Tensor]]:
  """Yields the leaves that a tensor becomes."""
  number = len(paths)
  for i, path in enumerate(paths):
    shape = tensor.shape
    if rule.rows and shape:
      shape = (min(rule.rows, shape[0]), *shape[1:])
    if number > 1:
      rows = shape[0] / number if shape else 0
      shape = (int(rows) if rows == int(rows) else -1, *shape[1:])
    if rule.axes and len(rule.axes) == len(shape):
      shape = tuple(shape[axis] for axis in rule.axes)
    if rule.shape and np.prod(rule.shape) == np.prod(shape):
      shape = tuple(rule.shape)
    load = lambda i=i, shape=shape: _load(rule, tensor, i, number, shape)
    yield path, Tensor(shape, tensor.dtype, load)


def _load(
  rule: Rule, tensor: Tensor, part: int, number: int, shape: tuple[int, ...]
) -> np.ndarray:
  x = tensor.load()[: rule.rows] if rule.rows else tensor.load()
  if rule.change:
    x = rule.change(x)
  if number > 1:
    x = np.split(x, number)[part]
  if rule.axes and len(rule.axes) == x.ndim:
    x = x.transpose(rule.axes)
  return x.reshape(shape) if rule.shape else x


def fits(theirs: Sequence[int], ours: Sequence[int]) -> bool:
  """Whether two shapes are the same but for axes of size 1."""
  squeezed = lambda shape: [n for n in shape if n != 1]
  return squeezed(theirs) == squeezed(ours)


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
  """Returns a tensor in a shape that it fits."""
  assert fits(tensor.shape, shape)
  return dataclasses.replace(
    tensor, shape=shape, load=lambda: tensor.load().reshape(shape)
  )


def _some(
  what: str, names: Sequence[str], others: Sequence[str]
) -> Iterator[str]:
  """Yields a line that names some, and what among others is most like one."""
  if not names:
    return
  more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
  near = difflib.get_close_matches(names[0], others, 1, 0.6)
  like = f" (like {near[0]})" if near else ""
  yield f"{what}: {', '.join(sorted(names)[:SHOWN])}{more}{like}"
