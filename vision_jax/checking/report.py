"""A survey of data as lines of text."""

import collections
from collections.abc import Iterator, Sequence

from vision_jax.checking.survey import Survey
from vision_jax.data.found import BOXES, MASKS
from vision_jax.data.own import Own

_FEW = 5  # faults of a kind, and sizes, that are listed
_MANY = 40  # classes that are listed
_BAR = 30  # characters of the longest one


def report(found: Survey, own: Own) -> Iterator[str]:
  """Yields lines that tell what was found; none where nothing was opened."""
  if not found.images:
    return
  splits = ", ".join(f"{s} {n}" for s, n in found.images.items())
  held = "; val is held out of train by file names" if own.holds_out else ""
  yield f"Images: {splits}{held}"
  yield from _classes(found, own.has)
  yield from _sizes(found.sizes)
  depths = found.depths.most_common()
  if depths:
    each = (f"{c} of {bits} bits ({n})" for (c, bits), n in depths)
    yield f"Channels: {', '.join(each)}"
  if own.has == BOXES:
    total = sum(found.boxes.values())
    parts = [f"{k} {found.boxes[k]}" for k in ("small", "medium", "large")]
    yield f"Boxes: {total}; {', '.join(parts)} (sides below 32, 96 pixels)"
  if not found.faults and not found.stops:
    yield "Faults: none"
  for kind, places in found.faults.items():
    yield f"Faults: {len(places)} {kind}"
    yield from (f"  {place}" for place in places[:_FEW])
    if len(places) > _FEW:
      yield f"  ... ({len(places)} in all)"


def _classes(found: Survey, has: str) -> Iterator[str]:
  """A line a class, with a bar and its number in each split."""
  total: collections.Counter = collections.Counter()
  for counts in found.classes.values():
    total.update(counts)
  what = {BOXES: "boxes", MASKS: "images that have the value"}
  keys = _keys(found.names, total, has)
  yield f"Classes: {len(keys)}, by {what.get(has, 'images')}"
  width = max((len(_name(found.names, k, has)) for k in keys), default=0)
  most = max(total.values(), default=0) or 1
  for key in keys[:_MANY]:
    bar = "#" * -(-_BAR * total[key] // most)
    parts = ", ".join(f"{s} {c[key]}" for s, c in found.classes.items())
    name = _name(found.names, key, has)
    yield f"  {name:<{width}} {total[key]:>7} {bar:<{_BAR}} {parts}".rstrip()
  if len(keys) > _MANY:
    yield f"  ... ({len(keys)} in all)"


def _keys(
  names: Sequence[str], total: collections.Counter, has: str
) -> list[int]:
  return sorted(total) if has == MASKS else list(range(len(names)))


def _name(names: Sequence[str], key: int, has: str) -> str:
  return str(key) if has == MASKS else names[key]


def _sizes(sizes: collections.Counter) -> Iterator[str]:
  if not sizes:
    return
  common = [f"{h}x{w} ({n})" for (h, w), n in sizes.most_common(_FEW)]
  more = f", ... ({len(sizes)} in all)" if len(sizes) > _FEW else ""
  yield f"Sizes (height x width): {', '.join(common)}{more}"
  if len(sizes) > 1:
    low, high = (
      "x".join(str(pick(size[i] for size in sizes)) for i in (0, 1))
      for pick in (min, max)
    )
    yield f"  from {low} to {high}"
