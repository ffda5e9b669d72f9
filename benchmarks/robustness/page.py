"""The page and the curves of what nets withstand."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks import environment
from benchmarks.report import markdown as md
from benchmarks.robustness import errors
from benchmarks.suites.robustness import NETS, PLAIN
from vision_jax.viz.curves import Line, curves, legend
from vision_jax.viz.grid import grid
from vision_jax.viz.palette import palette

COLUMNS = 3
UNITS = {
  "shift": "of the sides",
  "rotation": "degrees",
  "scale": "times",
  "contrast": "left",
  "noise": "standard deviation",
  "occlusion": "of the sides",
}


def markdown(found: Mapping[str, Any]) -> str:
  """Returns the page of what `command.summary` found."""
  first = found["rows"][0]
  versions = ", ".join(
    f"{name} {first['versions'][name]}" for name in ("python", "jax", "flax")
  )
  return f"""# What nets withstand on MNIST

10,000 test images, shifted, rotated, scaled, of less contrast, noisy and
occluded, each at five strengths; an example meets the same draws at every
strength. Augmented nets were trained on images that are shifted, turned and
scaled, and never on the other three. In percent, means over
{len(first["seeds"])} seeds. The corruption error of a kind is the net's errors,
summed over the strengths, over those of `{found["normalised_by"]}`, the plain
MLP, and mCE is the mean over the kinds: that normalisation is ours, by no
published net, so that mCE compares these rows only.

{md.code(found["command"])}; {environment.describe(first["hardware"])};
{versions}; commit {first["git_commit"][:12]}; {first["date"][:10]}.

![curves of accuracy by strength](robustness.png)

{md.table(*_rows(found))}
{"".join(_gains(found))}
Accuracy:

{md.table(*_accuracies(found))}"""


def _rows(found):
  kinds = list(found["strengths"])
  lines = [
    [
      row["row"],
      str(len(row["seeds"])),
      _percent(1 - row["test_error"]),
      *(f"{100 * x:.1f}" for x in (row["mce"], *_in_order(row, kinds))),
      f"{row['seconds']:.0f}",
    ]
    for row in found["rows"]
  ]
  columns = ("row", "seeds", "test accuracy", "mCE", *kinds, "s a seed")
  return columns, lines


def _in_order(row, kinds):
  return [row["corruption_error"][kind] for kind in kinds]


def _gains(found) -> Iterator[str]:
  """Says for each net what augmentation gives and takes."""
  known = {row["row"]: row["errors"] for row in found["rows"]}
  for net in NETS:
    least = errors.least_gain(known, net)
    gained = errors.gains(known, net)
    by_kind = "; ".join(
      f"{kind} {', '.join(f'{100 * x:+.1f}' for x in each)}"
      for kind, each in gained.items()
    )
    above = "above" if least > 0 else "not above"
    yield (
      f"- {net.upper() if net != 'vit' else 'ViT'}: augmented it is {above} "
      f"the plain one on {', '.join(errors.AUGMENTED_BY)} at every strength "
      f"from {errors.FROM} on, by {100 * least:+.1f} points at least. By "
      f"strength: {by_kind}.\n"
    )


def _accuracies(found):
  rows = found["rows"]
  lines = [
    [kind, f"{strength:g} {UNITS[kind]}"]
    + [_percent(1 - row["errors"][kind][number]) for row in rows]
    for kind, each in found["strengths"].items()
    for number, strength in enumerate(each)
  ]
  return ("kind", "strength", *(row["row"] for row in rows)), lines


def _percent(x: float) -> str:
  return f"{100 * x:.2f}"


def image(found: Mapping[str, Any]) -> np.ndarray:
  """Returns the curves (h w 3) uint8: accuracy by strength, a panel a kind."""
  colours = dict(zip(NETS, palette(len(NETS)), strict=True))
  panels = []
  for kind, each in found["strengths"].items():
    lines = [
      Line(
        row["row"],
        [1 - row["test_error"], *(1 - x for x in row["errors"][kind])],
        colours[_net(row)],
        dashed=row["row"] == PLAIN.format(_net(row)),
      )
      for row in found["rows"]
    ]
    ticks = ["none", *(f"{x:g}" for x in each)]
    title = f"{kind}, {UNITS[kind]}"
    panels.append(curves(lines, ticks=ticks, title=title))
  return grid([*panels, legend(lines)], COLUMNS)


def _net(row):
  return next(net for net in NETS if row["row"].startswith(PLAIN.format(net)))
