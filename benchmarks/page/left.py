"""What the runs of a row leave in their folders: courses and images."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import finished
from benchmarks.page import confusion, detection, events
from benchmarks.result import Result

# Beside a workdir or in it: sheets of samples, of predictions, of `shown`.
SHEETS = (
  "shown/*.png",
  "workdir/samples/grid.png",
  "samples/grid.png",
  "predictions/contact_sheet_001.png",
)
MOST = 6  # images of a row
# Names of images, the telling ones first.
FIRST = ("test", "largest", "most", "val")
# How what `shown` writes is called.
WORST = {"worst ": "largest loss: ", "wrong ": "most errors: "}


@dataclasses.dataclass(frozen=True)
class Left:
  """What there is to draw of a result.

  Attributes:
    courses: seed -> key -> [step, value] pairs.
    images: (name, bytes of its file).
    confusion: `names` and `counts` (k, k) of a confusion matrix; None without.
    detection: a detector's curves and errors; None without.
  """

  courses: Mapping[int, Mapping[str, Sequence]]
  images: Sequence[tuple[str, bytes]] = ()
  confusion: Mapping[str, Sequence] | None = None
  detection: Mapping[str, Any] | None = None


def of(result: Result, runs: pathlib.Path | None) -> Left:
  """Returns what there is of a result.

  Args:
    result: which one; its own lines have courses, too.
    runs: the folder that has ROW/seedN/workdir, the runner's --output; None
      where there is none.
  """
  courses = dict(
    zip(result.seeds, [result.curve, *result.later_curves], strict=False)
  )
  courses = {seed: found for seed, found in courses.items() if found}
  folders = {n: _folder(result, n, runs) for n in result.seeds if runs}
  for seed, folder in folders.items():
    if folder and (found := _courses(result, folder)):
      courses[seed] = found
  first = next((x for x in folders.values() if x), None)
  if first is None:
    return Left(courses)
  counted = _json(first / "shown" / "confusion.json")
  detected = _json(first / "shown" / "detection.json")
  return Left(
    courses,
    images_of(first),
    counted if confusion.readable(counted) else None,
    detected if detection.readable(detected) else None,
  )


def of_suite(name: str, folder: pathlib.Path) -> list[tuple[str, bytes]]:
  """Returns the images that lie beside results and are named as a suite."""
  files = [folder / f"{name}.{kind}" for kind in ("png", "jpg")]
  return [(x.name, x.read_bytes()) for x in files if x.is_file()]


def _folder(
  result: Result, seed: int, runs: pathlib.Path
) -> pathlib.Path | None:
  """The folder of a seed, if what it measured is what the result has."""
  folder = runs / result.row.name / f"seed{seed}"
  outcome = _json(folder / "outcome.json")
  values = dict(zip(result.seeds, result.values, strict=True))
  same = isinstance(outcome, dict) and outcome.get("value") == values[seed]
  return folder if same else None


def _courses(result: Result, folder: pathlib.Path) -> dict[str, list]:
  lines = [*_lines(folder / "workdir" / "metrics.jsonl")]
  return {k: x for k, x in finished.curves(result.row, lines).items() if x}


def _lines(file: pathlib.Path) -> Iterator[dict[str, Any]]:
  """A run's lines of metrics; a torn one is left out."""
  if file.is_file():
    for text in file.read_text("utf-8", "replace").splitlines():
      try:
        found = json.loads(text)
      except json.JSONDecodeError:
        continue
      if isinstance(found, dict) and "step" in found:
        yield found


def images_of(folder: pathlib.Path) -> list[tuple[str, bytes]]:
  """Returns the images of a seed's folder, the telling ones first."""
  files = dict.fromkeys(x for kind in SHEETS for x in folder.glob(kind))
  found = [(_named(x.stem), x.read_bytes()) for x in files]
  for name, (step, data) in events.last_images(folder / "workdir").items():
    found.append((f"{name}, step {step:,}", data))
  return sorted(found, key=lambda x: _rank(x[0]))[:MOST]


def _named(stem: str) -> str:
  start = next((x for x in WORST if stem.startswith(x)), "")
  return WORST.get(start, "") + stem.removeprefix(start)


def _rank(name: str) -> int:
  ranks = [i for i, word in enumerate(FIRST) if name.startswith(word)]
  return ranks[0] if ranks else len(FIRST)


def _json(file: pathlib.Path) -> Any:
  try:
    return json.loads(file.read_text("utf-8"))
  except (OSError, ValueError):
    return None
