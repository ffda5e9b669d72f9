"""Which of the dicts in a checkpoint is the net's."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vision_jax.errors import UserError
from vision_jax.interop.readers.pickled import Members
from vision_jax.interop.readers.source import Source
from vision_jax.interop.readers.torch_names import Strided

_AVERAGE = re.compile(r"(^|[/_.])(ema|swa|avg|averaged?)([/_.]|$)", re.I)
_OPTIMIZER = "param_groups"  # what every optimizer's state has
_DEEPEST = 8
_DEEPEST_MODULE = 32
_MODULES = 100_000  # shared ones as often as they are named
_SHOWN = 8  # dicts that an error names


@dataclasses.dataclass(frozen=True)
class Part:
  """The dict of a file that was taken.

  Attributes:
    path: keys to it, joined by "/"; "" is the file's own.
    others: paths of those that were not.
  """

  path: str
  others: tuple[str, ...] = ()


def state_of(
  content: Any, part: str, source: Source
) -> tuple[dict[str, Strided], Part]:
  """Returns the tensors of a checkpoint's net by name, and where they were.

  Beside it a checkpoint may have an optimizer's state, counters and scores,
  which are left out, and averages of the same net: of a net and its averages
  the net is taken, unless `part` names another.

  Args:
    content: what the pickle describes.
    part: path of the dict; "" for the only one.
    source: the file, for its errors.

  Raises:
    UserError: if there is none, several, or not the one named.
  """
  with source.read_by("tensors in dicts"):
    found = dict(_dicts(content, (), set()))
  chosen = [part] if part in found and part else []
  if not part:
    found = _nets(found)
    plain = [path for path in found if not _AVERAGE.search(path)]
    chosen = plain if len(plain) == 1 else list(found)
  if len(chosen) != 1:
    raise _ambiguous(source, part, found)
  others = tuple(path for path in found if path != chosen[0])
  return found[chosen[0]], Part(chosen[0], others)


def _dicts(
  content: Any, path: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[str, dict[str, Strided]]]:
  """Yields all dicts that hold tensors, but an optimizer's, by their paths.

  A TorchScript program is one dict: its modules' names are joined by dots.
  """
  items = dict(enumerate(content)) if isinstance(content, list) else content
  if isinstance(content, Members):
    items = dict(_attributes(content, "", iter(range(_MODULES))))
  known = id(content) in seen or len(path) > _DEEPEST
  if known or not isinstance(items, Mapping) or _OPTIMIZER in items:
    return
  seen.add(id(content))
  tensors = {
    str(name): x for name, x in items.items() if isinstance(x, Strided)
  }
  if tensors:
    yield "/".join(path), tensors
  for name, value in items.items():
    yield from _dicts(value, (*path, str(name)), seen)


def _attributes(
  content: Any, prefix: str, left: Iterator[int]
) -> Iterator[tuple[str, Any]]:
  """Yields what the objects in a TorchScript program hold, by its name."""
  if prefix.count(".") > _DEEPEST_MODULE or next(left, None) is None:
    raise ValueError("modules in themselves, or too many")
  for name, value in content.items():
    if isinstance(value, Members):
      yield from _attributes(value, f"{prefix}{name}.", left)
    else:
      yield f"{prefix}{name}", value


def _nets(
  found: Mapping[str, dict[str, Strided]],
) -> Mapping[str, dict[str, Strided]]:
  """Leaves out what holds other dicts, and what has numbers only (scores)."""
  inner = {
    path: tensors
    for path, tensors in found.items()
    if not any(
      x.startswith(f"{path}/" if path else "") for x in found if x != path
    )
  }
  large = {
    path: tensors
    for path, tensors in inner.items()
    if any(x.shape for x in tensors.values())
  }
  return large or inner


def _ambiguous(
  source: Source, part: str, found: Mapping[str, dict[str, Strided]]
) -> UserError:
  listed = ", ".join(
    f"{path or 'its own'} ({len(tensors)} tensors)"
    for path, tensors in list(found.items())[:_SHOWN]
  )
  if not found:
    return source.bad(
      "it holds no dict of tensors",
      "a state dict, such as torch.save(model.state_dict(), path) writes",
      "Save that.",
    )
  got = f"it has no {part!r}" if part else "it holds several dicts of tensors"
  first = next(iter(found))
  return source.bad(
    got,
    f"one of {listed}",
    f"Name it behind the file: {source.path}::{first}.",
  )
