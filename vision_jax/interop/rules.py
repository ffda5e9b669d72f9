"""Rules by which names of others become ours, declared a layer at a time.

A rule is a regex of their name, and a template of the path of our leaf, in
which {1} is the regex's first group and {1+1} that number and one. What a rule
does to the axes is part of it. `conv`, `dense`, `norm` and `leaf` make the
rules of a layer as torch has it:

  conv(r"layer(\\d)\\.(\\d+)\\.conv(\\d)", "conv{1+1}_{2+1}/conv{3}")
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Change = Callable[[np.ndarray], np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]  # path of our leaf -> its shape
Rules = Sequence["Rule"]

OIHW = (2, 3, 1, 0)  # torch's kernels to ours: (k, k, c, d)
IOHW = (2, 3, 0, 1)  # torch's transposed convolutions
OI = (1, 0)
PARTS = ("query", "key", "value")  # of attention, in torch's order
_PLACE = re.compile(r"\{(\d+)([+-]\d+)?\}")


@dataclasses.dataclass(frozen=True)
class Rule:
  """What becomes of the tensors whose whole name a regex matches.

  Attributes:
    theirs: the regex.
    ours: templates of our leaves' paths, such as "params/conv{1}/kernel" or
      "batch_stats/bn{1}/mean". Several divide the tensor equally along its
      first axis, before its axes move (fused query, key and value); none leaves
      it out.
    axes: order of their axes in ours; None keeps it. Axes of size 1 that only
      one side has are dropped or added.
    change: anything else, of the tensor as the file has it; the shape stays, or
      becomes `shape`.
    shape: of ours, where it joins axes of theirs that follow one another (a
      convolution's to those of a linear layer of its flat map); None for none.
    rows: how many of the first along their first axis are ours; None for all.
    again: whether a leaf may be there by another name too, of which the first
      one counts.
  """

  theirs: str
  ours: tuple[str, ...] = ()
  axes: tuple[int, ...] | None = None
  change: Change | None = None
  shape: tuple[int, ...] | None = None
  rows: int | None = None
  again: bool = False

  def paths(self, name: str) -> tuple[str, ...] | None:
    """Returns the paths that a name becomes; None if it does not match."""
    match = _compiled(self.theirs).fullmatch(name)
    return match and tuple(_filled(x, match) for x in self.ours)


# re keeps 512 at most, and the rules of a large net are more.
_compiled = functools.cache(re.compile)


def _filled(template: str, match: re.Match) -> str:
  def value(place: re.Match) -> str:
    text = match[int(place[1])]
    return str(int(text) + int(place[2])) if place[2] else text

  return _PLACE.sub(value, template)


def leaf(
  theirs: str,
  *ours: str,
  axes: tuple[int, ...] | None = None,
  change: Change | None = None,
) -> list[Rule]:
  """A parameter that is no layer's: paths without "params/"."""
  return [Rule(theirs, tuple(f"params/{x}" for x in ours), axes, change)]


def unused(theirs: str) -> list[Rule]:
  """Tensors that the net does not need."""
  return [Rule(theirs)]


def conv(theirs: str, *ours: str, axes: tuple[int, ...] = OIHW) -> list[Rule]:
  """A convolution's weight and bias, grouped ones likewise."""
  return _weighted(theirs, ours, axes)


def dense(theirs: str, *ours: str) -> list[Rule]:
  """A linear layer's weight and bias; several of ours divide theirs."""
  return _weighted(theirs, ours, OI)


def in_proj(theirs: str, ours: str) -> list[Rule]:
  """torch's MultiheadAttention: its three projections are one tensor."""
  parts = lambda name: [f"{ours}/{part}/{name}" for part in PARTS]
  return [
    *leaf(rf"{theirs}\.in_proj_weight", *parts("kernel"), axes=OI),
    *leaf(rf"{theirs}\.in_proj_bias", *parts("bias")),
    *dense(rf"{theirs}\.out_proj", f"{ours}/out"),
  ]


def flattened(
  theirs: str, ours: str, sides: tuple[int, int], shapes: Shapes
) -> list[Rule]:
  """A linear layer of a flat map, or a convolution as large as the map.

  torch flattens channels, rows and columns, and here channels come last.

  Args:
    theirs: as for `dense`.
    ours: likewise.
    sides: (height, width) of the map.
    shapes: of our leaves.
  """
  path = f"params/{ours}/kernel"

  def channels_last(x: np.ndarray) -> np.ndarray:
    maps = x.reshape(len(x), -1, *sides).transpose(2, 3, 1, 0)
    return maps.reshape(-1, len(x))

  return [
    Rule(
      *(rf"{theirs}\.weight", (path,)),
      change=channels_last,
      shape=shapes.get(path),
    ),
    Rule(rf"{theirs}\.bias", (f"params/{ours}/bias",)),
  ]


def norm(theirs: str, ours: str) -> list[Rule]:
  """A normalisation's weight and bias, and a BatchNorm's moments."""
  stats = lambda name: (f"batch_stats/{ours}/{name}",)
  theirs = f"(?:{theirs})"
  return [
    Rule(rf"{theirs}\.weight", (f"params/{ours}/scale",)),
    Rule(rf"{theirs}\.bias", (f"params/{ours}/bias",)),
    Rule(rf"{theirs}\.running_mean", stats("mean")),
    Rule(rf"{theirs}\.running_var", stats("var")),
    Rule(rf"{theirs}\.num_batches_tracked"),
  ]


def conv_norm(theirs: str, theirs_norm: str, ours: str) -> list[Rule]:
  """A `ConvNorm`: a convolution of theirs, and its BatchNorm."""
  return [*conv(theirs, f"{ours}/conv"), *norm(theirs_norm, f"{ours}/bn")]


def within(theirs: str, ours: str, rules: Rules) -> list[Rule]:
  """The same rules of a module that lies in another: theirs. and ours/.

  Args:
    theirs: a regex without groups, such as r"backbone\\.body".
    ours: a path, such as "backbone".
    rules: of the module by itself.
  """

  def inner(path: str) -> str:
    collection, rest = path.split("/", 1)
    return f"{collection}/{ours}/{rest}"

  return [
    dataclasses.replace(
      rule,
      theirs=rf"(?:{theirs})\.(?:{rule.theirs})",
      ours=tuple(map(inner, rule.ours)),
    )
    for rule in rules
  ]


def _weighted(
  theirs: str, ours: tuple[str, ...], axes: tuple[int, ...]
) -> list[Rule]:
  paths = lambda name: tuple(f"params/{x}/{name}" for x in ours)
  theirs = f"(?:{theirs})"  # which may be one of several
  return [
    Rule(rf"{theirs}\.weight", paths("kernel"), axes),
    Rule(rf"{theirs}\.bias", paths("bias")),
  ]
