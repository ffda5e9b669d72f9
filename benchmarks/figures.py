"""Which figures a run will give, without running it.

`python -m benchmarks.figures --needed=test/accuracy --config=FILE` prints those
that it will not give, as JSON. The runner asks in a child process on the CPU,
before hours of training end without the figure of a row.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import environment

# What every run logs beside its evaluations; not looked into.
ALWAYS = ("train", "time", "memory", "flops")

_CHILD = (sys.executable, "-m", "benchmarks.figures")


def lacking(names: Sequence[str], arguments: Sequence[str]) -> list[str]:
  """Returns the names that a run of these arguments will not log.

  None where the config cannot be built: the run says why, in its log.
  """
  done = subprocess.run(
    [*_CHILD, f"--needed={','.join(names)}", *arguments],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    cwd=environment.ROOT,
    env={**os.environ, "JAX_PLATFORMS": "cpu"},
  )
  return json.loads(done.stdout.splitlines()[-1]) if not done.returncode else []


def gives(experiment: Any, name: str) -> bool:
  """Whether an experiment's evaluations give a figure, `test/ema/accuracy`.

  A metric without `names` may give any.
  """
  evaluation, *rest = name.split("/")
  if evaluation in ALWAYS:
    return True
  averaged = rest[:1] == ["ema"]
  figure = "/".join(rest[averaged:])
  data = experiment.evals.get(evaluation)
  if data is None or ("ema" if averaged else "raw") not in data.weights:
    return False
  given = [getattr(metric, "names", None) for metric in data.metrics.values()]
  if None in given or any(figure in names for names in given):
    return True
  return figure in _terms(experiment, data)


def _terms(experiment: Any, data: Any) -> set[str]:
  """The losses that an evaluation logs, from tracing its step."""
  import jax

  from vision_jax.core.step import make_eval_step

  key, batch = jax.random.key(0), next(iter(data.data.epoch()))
  batch = jax.eval_shape(experiment.inputs, batch)
  params, stats = jax.eval_shape(experiment.task.init, key, batch)
  step = make_eval_step(experiment.task, {}, output=lambda *_: {})
  means = jax.eval_shape(step, params, stats, {}, batch, key)[2]
  return {*means, *(["loss"] if len(experiment.task.objectives) == 1 else [])}


def main() -> None:
  """Prints the figures that a config's run will not give."""
  from vision_jax.recipe import recipe

  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--config", required=True)
  parser.add_argument("--needed", required=True)
  options, rest = parser.parse_known_args()
  words = (word.removeprefix("--config.").partition("=") for word in rest)
  overrides = {key: value for key, _, value in words}
  experiment = recipe.load(options.config, overrides).build()
  needed = options.needed.split(",")
  print(json.dumps([x for x in needed if not gives(experiment, x)]))


if __name__ == "__main__":
  main()
