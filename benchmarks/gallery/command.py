"""Images of detections, masks, samples and more, of short runs of our configs.

  python -m benchmarks.gallery --output=out/gallery [--runs=out/gallery/runs]

Trains what `panels.PANELS` names, each some seconds to minutes of a CPU, on
data that come with the packages, and writes `gallery.jpg` with a panel of each,
and `gallery.md` and `gallery.json`, which say of which config each is, how long
it was trained, and how good it is. A run that is there is not trained again;
one that was stopped goes on. `--variant=tiny` shows in a minute whether all
works. Exit codes: 0 done, 2 bad arguments or a run that broke.
"""

import argparse
import json
import pathlib
import resource
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from benchmarks import environment
from benchmarks.execute import call_main
from benchmarks.finished import RunFailed
from benchmarks.gallery import photographs
from benchmarks.gallery.panels import PANELS, SIDE, Panel
from benchmarks.report import markdown as md
from vision_jax.core.checks import check_name
from vision_jax.errors import UserError
from vision_jax.files import replace_bytes, replace_text
from vision_jax.inference import trained
from vision_jax.viz.grid import grid

COLUMNS = 4
GAP = 8  # pixels between panels
QUALITY = 88  # of the JPEG
TINY = "tiny"


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the gallery; returns the exit code."""
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.gallery", description=__doc__
  )
  parser.add_argument("--output", default="out/gallery", type=pathlib.Path)
  parser.add_argument("--runs", type=pathlib.Path)
  parser.add_argument("--variant", default="", choices=("", TINY))
  names = [x.name for x in PANELS]
  parser.add_argument(
    "--panels", default=",".join(names), help="some of them, with commas"
  )
  options = parser.parse_args(argv)
  runs = options.runs or options.output / "runs"
  try:
    panels = chosen(options.panels)
    lines = [trained_panel(x, runs, options.variant) for x in panels]
    image = sheet([draw(x, runs) for x in panels], [x.title for x in panels])
  except (UserError, RunFailed) as error:
    print(f"benchmarks.gallery: {error}", file=sys.stderr)
    return 2
  words = sys.argv[1:] if argv is None else argv
  command = shlex.join(["python", "-m", "benchmarks.gallery", *words])
  write(options.output, image, {"command": command} | about(lines))
  return 0


def chosen(names: str) -> list[Panel]:
  """Returns the panels that a text names, "digits_cnn,digits_vae".

  Raises:
    UserError: for another name, with the nearest.
  """
  known = {x.name: x for x in PANELS}
  return [known[check_name("--panels", x, known)] for x in names.split(",")]


def trained_panel(
  panel: Panel, runs: pathlib.Path, variant: str = ""
) -> dict[str, Any]:
  """Trains what a panel shows, if it is not there; says what was trained.

  Raises:
    RunFailed: if the run broke.
    UserError: if its data are not there.
  """
  folder = (runs / panel.name).resolve()
  words = arguments(panel, folder, variant)
  file = folder / "spent.json"
  if not file.exists():
    if panel.photographs and variant != TINY:
      photographs.write(folder / "photographs")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{panel.name}: log in {folder / 'log.txt'}", flush=True)
    replace_text(file, json.dumps(_spent(words, folder)) + "\n")
  workdir = folder / "workdir"
  last = (workdir / "metrics.jsonl").read_text("utf-8").splitlines()[-1]
  values = json.loads(last)
  return {
    "panel": panel.name,
    "title": panel.title,
    "flags": shlex.join(_shown(words)),
    "steps": values["step"],
    "metric": panel.metric,
    "value": values.get(panel.metric),
    **json.loads(file.read_text("utf-8")),
  }


def arguments(panel: Panel, folder: pathlib.Path, variant: str) -> list[str]:
  """Returns the arguments of vision_jax.main that train a panel's run."""
  name = variant or panel.variant
  words = [
    f"--config={environment.ROOT / panel.config}{name and f':{name}'}",
    f"--workdir={folder / 'workdir'}",
  ]
  if variant == TINY:
    return words
  if panel.photographs:
    words.append(f"--config.data_dir={folder / 'photographs'}")
  return words + [f"--config.{k}={x}" for k, x in panel.overrides.items()]


def _shown(words: Sequence[str]) -> list[str]:
  """Returns arguments without the places of one machine."""
  root = f"{environment.ROOT}/"
  shown = [word.replace(root, "") for word in words if "workdir" not in word]
  key = "--config.data_dir="
  return [f"{key}PHOTOGRAPHS" if x.startswith(key) else x for x in shown]


def _spent(words: Sequence[str], folder: pathlib.Path) -> dict[str, float]:
  """Trains; returns the seconds that passed, and those of the processor."""
  usage = lambda: resource.getrusage(resource.RUSAGE_CHILDREN)
  start, before = time.monotonic(), usage()
  call_main(words, folder / "log.txt")
  after = usage()
  used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
  seconds = time.monotonic() - start
  return {"seconds": round(seconds), "processor_seconds": round(used)}


def draw(panel: Panel, runs: pathlib.Path) -> np.ndarray:
  """Returns what a panel's run draws, (h w 3) uint8."""
  workdir = (runs / panel.name / "workdir").resolve()
  run = trained.load(workdir, trusted=True, log=lambda line: None)
  with run.experiment:
    return panel.draw(run)


def sheet(images: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
  """Returns the panels beside one another, each in the middle of its cell."""
  side = max(SIDE, max(max(x.shape[:2]) for x in images))
  cells = []
  for image in images:
    cell = np.full((side, side, 3), 255, np.uint8)
    y, x = ((side - n) // 2 for n in image.shape[:2])
    cell[y : y + image.shape[0], x : x + image.shape[1]] = image
    cells.append(cell)
  columns = min(COLUMNS, len(cells))
  return grid(cells, columns, gap=GAP, titles=titles, least=1)


def about(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what the files say: of each run, and of the machine."""
  return {
    "panels": [*lines],
    "hardware": environment.hardware(),
    "versions": environment.versions(),
    "git_commit": environment.git_commit(),
  }


def write(
  folder: pathlib.Path, image: np.ndarray, found: Mapping[str, Any]
) -> None:
  """Writes the three files."""
  folder.mkdir(parents=True, exist_ok=True)
  flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
  _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), flags)
  replace_bytes(folder / "gallery.jpg", data.tobytes())
  text = json.dumps(found, indent=1) + "\n"
  replace_text(folder / "gallery.json", text)
  replace_text(folder / "gallery.md", page(found))
  print(f"wrote {folder / 'gallery.jpg'}, gallery.json and gallery.md")


def page(found: Mapping[str, Any]) -> str:
  """Returns the page of what `about` found."""
  versions = ", ".join(
    f"{name} {found['versions'][name]}" for name in ("python", "jax", "flax")
  )
  columns = ("panel", "steps", "seconds of a processor", "metric", "trained by")
  return f"""# What short runs draw

![{", ".join(x["title"] for x in found["panels"])}](gallery.jpg)

From left to right and from top to bottom; examples are the first of a test set,
and none is chosen. Data are scikit-learn's digits, scenes made of them or
generated, and scikit-image's photographs: nothing is downloaded. Flags are of
`python -m vision_jax.main`, PHOTOGRAPHS a folder that the command writes.

{md.code(found["command"])}; {environment.describe(found["hardware"])};
{versions}; commit {found["git_commit"][:12]}.

{md.table(columns, [*map(_row, found["panels"])])}"""


def _row(line: Mapping[str, Any]) -> list[str]:
  value = line["value"]
  return [
    md.escape(line["title"]),
    f"{line['steps']:,}",
    str(line["processor_seconds"]),
    f"{md.code(line['metric'])} {value:.3g}" if value is not None else "",
    md.code(line["flags"]),
  ]
