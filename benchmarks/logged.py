"""Which metrics a run will log, without running it.

`python -m benchmarks.logged --needed=test/accuracy --config=FILE` prints those
that it will not give, as JSON. The runner asks in a child process on the CPU,
before hours of training end without the metric of a row.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks import environment
from vision_jax.experiment import Eval, Experiment

# What every run logs beside its evaluations; not looked into.
ALWAYS = ("train", "time", "memory", "flops")

_CHILD = (sys.executable, "-m", "benchmarks.logged")


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


def gives(experiment: Experiment, name: str) -> bool:
  """Whether an experiment's evaluations log a metric, `test/ema/accuracy`.

  One without `names` may be any.
  """
  evaluation, *rest = name.split("/")
  if evaluation in ALWAYS:
    return True
  averaged = rest[:1] == ["ema"]
  metric = "/".join(rest[averaged:])
  data = experiment.evals.get(evaluation)
  if data is None or ("ema" if averaged else "raw") not in data.weights:
    return False
  given = [getattr(x, "names", None) for x in data.metrics.values()]
  if None in given or any(metric in names for names in given):
    return True
  return metric in _terms(experiment, data)


def _terms(experiment: Experiment, data: Eval) -> set[str]:
  """The losses that an evaluation logs, from tracing its step."""
  import jax

  from vision_jax.core.step import make_eval_step

  key, batch = jax.random.key(0), next(iter(data.data.epoch()))
  batch = jax.eval_shape(experiment.inputs, batch)
  params, stats = jax.eval_shape(experiment.task.init, key, batch)
  for name, rule in experiment.following.items():
    for nets in (params, stats):
      nets |= {name: nets[rule.net]} if rule.net in nets else {}
  step = make_eval_step(experiment.task, {}, output=lambda *_: {})
  means = jax.eval_shape(step, params, stats, {}, batch, key)[2]
  return {*means, *(["loss"] if len(experiment.task.objectives) == 1 else [])}


def main() -> None:
  """Prints the metrics that a config's run will not log."""
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
