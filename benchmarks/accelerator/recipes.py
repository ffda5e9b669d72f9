"""A whole run of a recipe: what it waits for data, and how long it takes."""

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environment
from vision_jax.data.errors import DataError
from vision_jax.data.sources.tfds import find_prepared

CONFIG = "configs/classification/cifar10_fast.py"
GOAL, METRIC = 0.94, "test/ema/accuracy"


def measure(name: str, *, size: str, data_dir: str, folder: str):
  """Runs the fast CIFAR-10 recipe to its end, by the command.

  Where there is no prepared cifar10 it runs on digits of the same shape: the
  share of waiting is as good, and seconds to 94 % are None, with the reason.
  """
  workdir = pathlib.Path(folder) / name
  shutil.rmtree(workdir, ignore_errors=True)  # a run of before was cut off
  words, why = _data(data_dir)
  tiny = size == "tiny"
  config = f"{CONFIG}:tiny" if tiny else CONFIG
  words = ["--config.steps=6", "--config.eval_every=0"] if tiny else words
  command = [f"--config={config}", f"--workdir={workdir}", *words]
  subprocess.run(
    [sys.executable, "-m", "vision_jax.main", *command],
    check=True,
    cwd=environment.ROOT,
  )
  text = (workdir / "metrics.jsonl").read_text(encoding="utf-8")
  lines = [json.loads(line) for line in text.splitlines()]
  if tiny:
    why = "a tiny run"
  found = {"config": config, **summary(lines), "seconds_to_why": why}
  return found | ({"seconds_to": None} if why else {})


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns a run's speed, its wait for data and when it reached the goal.

  Seconds count from the end of compiling: the first line's time, less the steps
  before it.
  """
  speeds = [x for x in lines if "time/images_per_s" in x]
  last = speeds[-1] if speeds else {}
  reached = [x["time"] for x in lines if x.get(METRIC, 0.0) >= GOAL]
  start = _start(speeds[0]) if speeds else None
  known = bool(reached) and start is not None
  best = max((x[METRIC] for x in lines if METRIC in x), default=None)
  return {
    "images_per_s": last.get("time/images_per_s"),
    "step_p50_ms": last.get("time/step_p50_ms"),
    "data_wait_share": last.get("time/data_wait_share"),
    "best": best,
    "seconds_to": reached[0] - start if known else None,
  }


def _start(first: Mapping[str, Any]) -> float:
  return first["time"] - first["step"] * first["time/step_p50_ms"] / 1e3


def _data(data_dir: str) -> tuple[list[str], str]:
  """The flags that name the data, and why they are not CIFAR-10."""
  try:
    find_prepared("cifar10", data_dir)
  except DataError as error:
    return ["--config.dataset=digits"], f"no cifar10: {error}"
  return [f"--config.data_dir={data_dir}"] if data_dir else [], ""
