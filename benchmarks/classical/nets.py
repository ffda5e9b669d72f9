"""The nets that stand beside: trained by the command, as anyone would."""

import json
import pathlib
import resource
from collections.abc import Mapping

import jax

from benchmarks import environment
from benchmarks.execute import call_main
from vision_jax.recipe import recipe

CONFIG = "configs/classification/mnist_robustness.py"
NAMES = ("mlp", "cnn", "vit")
VARIANTS = {"mnist": "", "digits": ":digits"}


def values_of(name: str, given: Mapping[str, str]) -> dict[str, str]:
  """Returns the config values that a net is trained with: not augmented."""
  return {"net": name, "augment": "False", "strengths": "0", **given}


def measure(
  name: str,
  dataset: str,
  seed: int,
  given: Mapping[str, str],
  folder: pathlib.Path,
) -> dict[str, float]:
  """Returns accuracy, CPU seconds and parameters of a net; trains it.

  The seconds are of the whole process, with start-up and compilation.

  Raises:
    RunFailed: if training does not end well.
  """
  values = values_of(name, given) | {"seed": str(seed)}
  path = f"{CONFIG}{VARIANTS[dataset]}"
  workdir = folder / "workdir"
  folder.mkdir(parents=True, exist_ok=True)
  before = _cpu_seconds()
  call_main(
    [
      f"--config={environment.ROOT}/{path}",
      *(f"--config.{key}={value}" for key, value in values.items()),
      f"--workdir={workdir}",
    ],
    folder / "log.txt",
  )
  text = (workdir / "metrics.jsonl").read_text(encoding="utf-8")
  return {
    "accuracy": json.loads(text.splitlines()[-1])["test/accuracy"],
    "cpu_seconds": round(_cpu_seconds() - before, 1),
    "parameters": parameters(path, values),
  }


def parameters(path: str, values: Mapping[str, str]) -> int:
  """Returns how many parameters the net of a config has."""
  with recipe.load(path, dict(values)).build() as experiment:
    batch = experiment.train_data.batch(0)
    make = lambda: experiment.initial_state(jax.random.key(0), batch).params
    return sum(x.size for x in jax.tree.leaves(jax.eval_shape(make)))


def _cpu_seconds() -> float:
  used = resource.getrusage(resource.RUSAGE_CHILDREN)
  return used.ru_utime + used.ru_stime
