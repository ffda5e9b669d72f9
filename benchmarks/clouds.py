"""The maps of the suite `clouds` side by side: how good, how fast, best, worst.

  python -m benchmarks.clouds --runs=OUT --output=OUT/maps

OUT is what `python -m benchmarks.run --suite=clouds --output=OUT` has written,
or has a workdir of that kind in a folder for each row, ROW/seed0/workdir.
Writes `maps.md` and `maps.json` (pixel accuracy, IoU and Dice of cloudy pixels,
ROC-AUC, seconds for all tiles, that passed and of all cores, compiled, and the
memory that one batch takes), and the best and the worst tiles of each stage,
STAGE.png, and of all, `side_by_side.png`. Of tiles without masks it writes maps
alone, STAGE/NUMBER.png. Exit codes: 0 done, 2 bad arguments.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from benchmarks.suites.clouds import CLOUDS
from vision_jax.core.step import make_predict_step
from vision_jax.core.types import Output
from vision_jax.data.source import Source, read
from vision_jax.data.sources.clouds import CLASS_NAMES
from vision_jax.errors import UserError
from vision_jax.files import replace_text
from vision_jax.inference import trained
from vision_jax.metrics.confusion import host_confusion
from vision_jax.metrics.curves import auc, ranked
from vision_jax.metrics.segmentation import class_iou, segmentation_metrics
from vision_jax.pipelines.sources.clouds import Clouds
from vision_jax.recipe.recipe import load_workdir
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.maps import WindowMaps
from vision_jax.viz.grid import grid
from vision_jax.viz.overlay import overlay_mask, with_legend
from vision_jax.viz.png import write_png

BATCH = 8
SHOWN = 3  # best tiles, and worst


@dataclasses.dataclass(frozen=True)
class Maps:
  """A stage's maps of all tiles.

  Attributes:
    target: (t h w) uint8.
    score: (t h w), the log-odds of a cloud.
    seconds: for all tiles, compiled.
    processor_seconds: of all cores, which no other work on the machine changes.
    memory: bytes that a batch's program takes besides weights and images.
  """

  target: np.ndarray
  score: np.ndarray
  seconds: float
  processor_seconds: float
  memory: int


def main(argv: Sequence[str] | None = None) -> int:
  """Makes the maps of every row that has run; returns the exit code."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.clouds")
  parser.add_argument("--runs", required=True, type=pathlib.Path)
  parser.add_argument("--output", required=True, type=pathlib.Path)
  given = parser.parse_args(argv)
  try:
    compare(given.runs, given.output)
  except UserError as error:
    print(error, file=sys.stderr)
    return 2
  return 0


def compare(runs: pathlib.Path, output: pathlib.Path) -> None:
  """Maps the tiles by every stage, and writes what is found.

  Raises:
    UserError: if no row has run.
  """
  output.mkdir(parents=True, exist_ok=True)
  maps, tiles = {}, None
  for row in CLOUDS:
    workdir = runs / row.name / "seed0" / "workdir"
    if workdir.exists():
      for stage, output_of, net, source in _stages(row.name, workdir):
        tiles = tiles or source
        images = _images(source)
        maps[stage] = _mapped(net, output_of, images)
        print(f"{stage}: {maps[stage].seconds:.1f} s", flush=True)
  if not maps:
    names = ", ".join(row.name for row in CLOUDS)
    raise UserError(
      f"--runs: {runs} has no ROW/seed0/workdir of {names}; expected the "
      "--output of python -m benchmarks.run --suite=clouds."
    )
  examples = read(tiles, np.arange(len(tiles)))
  if "target" in examples[0]:
    _measure(maps, examples, output)
  else:
    _write_all(maps, output)


def _stages(
  name: str, workdir: pathlib.Path
) -> Iterator[tuple[str, Output, trained.Trained, Source]]:
  """Yields a workdir's stages: name, output, net and tiles."""
  quiet = lambda line: None
  config = load_workdir(workdir, quiet)[0].config
  net = trained.load(workdir, log=quiet)
  tiles, task = Clouds.of(config).to_map, net.experiment.task
  if not isinstance(task, Classification):
    yield name, task.probs, net, tiles
    return
  maps = WindowMaps.of(task.model, config.slide)
  yield f"{name}_slid", maps.slid, net, tiles
  yield f"{name}_convolutional", maps.convolutional, net, tiles


def _images(tiles: Source) -> np.ndarray:
  return np.stack([x["image"] for x in read(tiles, np.arange(len(tiles)))])


def _mapped(net: trained.Trained, output: Output, images: np.ndarray) -> Maps:
  """Maps all tiles, and times it, once a batch has been through."""
  experiment, weights = net.experiment, net.weights()
  step = make_predict_step(
    experiment.task, inputs=experiment.inputs, output=output
  )
  size = min(BATCH, len(images))
  batches = [_batch(images, i, size) for i in range(0, len(images), size)]
  args = (*weights, ())
  program = jax.jit(step).lower(*args, batches[0], jax.random.key(0)).compile()
  run = lambda batch: jax.device_get(program(*args, batch, jax.random.key(0)))
  run(batches[0])
  start, spent = time.perf_counter(), time.process_time()
  found = [run(batch) for batch in batches]
  seconds = time.perf_counter() - start
  spent = time.process_time() - spent
  joined = lambda key: np.concatenate([x[key] for x in found])[: len(images)]
  log = np.log(np.maximum(joined("probs"), np.finfo(np.float32).tiny))
  memory = program.memory_analysis()
  planned = memory.temp_size_in_bytes + memory.output_size_in_bytes
  return Maps(
    joined("target"), log[..., 1] - log[..., 0], seconds, spent, planned
  )


def _batch(images: np.ndarray, start: int, size: int) -> dict[str, np.ndarray]:
  rows = np.minimum(np.arange(start, start + size), len(images) - 1)
  mask = np.float32(np.arange(start, start + size) < len(images))
  return {"image": images[rows], "mask": mask, "index": np.int32(rows)}


def _measure(
  maps: dict[str, Maps], examples: Sequence[dict], output: pathlib.Path
) -> None:
  """Writes the table, and the best and the worst tiles."""
  truth = np.stack([x["target"] for x in examples])
  table = {stage: _measured(x, truth) for stage, x in maps.items()}
  replace_text(output / "maps.json", json.dumps(table, indent=1) + "\n")
  replace_text(output / "maps.md", _table(table))
  print(_table(table))
  quality = {stage: _of_tiles(x.target, truth) for stage, x in maps.items()}
  for stage in maps:
    _draw(output / f"{stage}.png", examples, {stage: maps[stage]}, quality)
  _draw(output / "side_by_side.png", examples, maps, quality)


def _measured(maps: Maps, truth: np.ndarray) -> dict[str, float]:
  found = segmentation_metrics(
    host_confusion(truth, maps.target, 2), class_names=CLASS_NAMES
  )
  return {
    "pixel_accuracy": found["global_accuracy"],
    "iou": found["iou/cloudy"],
    "dice": found["dice/cloudy"],
    "auc": auc(ranked(truth.ravel() > 0, maps.score.ravel())),
    "seconds": maps.seconds,
    "processor_seconds": maps.processor_seconds,
    "memory_mib": maps.memory / 2**20,
  }


def _table(table: dict[str, dict[str, float]]) -> str:
  columns = list(next(iter(table.values())))
  lines = [["stage", *columns], ["---"] * (1 + len(columns))]
  form = lambda name, x: f"{x:.1f}" if name in _COARSE else f"{x:.3f}"
  for stage, row in table.items():
    lines.append([stage, *(form(name, x) for name, x in row.items())])
  return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_COARSE = ("seconds", "processor_seconds", "memory_mib")


def _of_tiles(target: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """IoU of cloudy pixels of each tile, (t,); 1 where there are none at all."""
  pairs = zip(truth, target, strict=True)
  matrices = [host_confusion(t, x, 2) for t, x in pairs]
  return np.array([class_iou(m, absent="one")[1] for m in matrices])


def _draw(
  path: pathlib.Path,
  examples: Sequence[dict],
  maps: dict[str, Maps],
  quality: dict[str, np.ndarray],
) -> None:
  """Draws image, truth and maps of the worst and the best tiles."""
  order = np.argsort(np.mean([quality[stage] for stage in maps], 0))
  cells, titles = [], []
  for i in dict.fromkeys([*order[::-1][:SHOWN], *order[:SHOWN][::-1]]):
    image = examples[i]["image"]
    masks = [examples[i]["target"], *(x.target[i] for x in maps.values())]
    cells += [image, *(overlay_mask(image, x, len(CLASS_NAMES)) for x in masks)]
    titles += [f"tile {i}", "truth"]
    titles += [f"{_short(s)} {quality[s][i]:.2f}" for s in maps]
  sheet = grid(cells, 2 + len(maps), titles=titles)
  write_png(path, with_legend(sheet, CLASS_NAMES))


def _short(stage: str) -> str:
  return stage.removeprefix("clouds_").removeprefix("classifier_")


def _write_all(maps: dict[str, Maps], output: pathlib.Path) -> None:
  print("No eval_masks: maps are written, and not measured.")
  for stage, found in maps.items():
    (output / stage).mkdir(exist_ok=True)
    for i, target in enumerate(found.target):
      write_png(output / stage / f"{i:03}.png", target * np.uint8(255))


if __name__ == "__main__":
  sys.exit(main())
