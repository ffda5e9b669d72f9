"""Memory of every config's training step, counted without running it.

  python -m benchmarks.memory --output=benchmarks/results
  python -m benchmarks.memory --output=OUT --configs=PATH --config.KEY=VALUE

For each config at its own batch, and for each value of `remat` that it has:
the bytes that autodiff keeps from the forward pass for the backward one, and
the most that the whole step needs at once on one device: weights, optimizer,
averages, batch and all. Steps are traced as for a GPU (cuDNN's attention where
it fits, the accelerators' forms) on shapes alone: there is no data, no device
and no compiler, so that what XLA makes of it differs; see `liveness`. Writes
memory.json and memory.md.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from benchmarks import environment
from benchmarks.memory.saved import saved
from benchmarks.overrides import read_overrides
from benchmarks.report import markdown
from benchmarks.speed import steps
from vision_jax.files import replace_text
from vision_jax.layers.remat import MODES
from vision_jax.planning import devices
from vision_jax.planning.as_gpu import as_gpu
from vision_jax.planning.liveness import peak_bytes, size_of
from vision_jax.planning.plan import batch_of
from vision_jax.recipe import recipe

CARD = "H100 80 GB"


def main(argv: Sequence[str] | None = None) -> None:
  """Counts, and writes the table."""
  options = _parse(argv)
  with as_gpu():
    rows = [row(path, options.overrides) for path in options.configs]
  words = sys.argv[1:] if argv is None else argv
  found = {
    "command": shlex.join(["python", "-m", "benchmarks.memory", *words]),
    "versions": environment.versions(),
    "git_commit": environment.git_commit(),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "rows": rows,
  }
  output = pathlib.Path(options.output)
  output.mkdir(parents=True, exist_ok=True)
  replace_text(output / "memory.json", json.dumps(found, indent=1) + "\n")
  replace_text(output / "memory.md", page(found))
  print(page(found))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.memory", description=__doc__
  )
  parser.add_argument("--output", default="out/memory")
  parser.add_argument(
    "--configs", type=lambda text: text.split(","), default=config_paths()
  )
  options, rest = parser.parse_known_args(argv)
  try:
    options.overrides = read_overrides(rest)
    for path in options.configs:
      steps.build(path, options.overrides)
  except ValueError as error:
    parser.error(str(error))
  return options


def config_paths() -> list[str]:
  """Returns every config that has a net of its own, in order.

  Not those of nets that others have published, or that a workdir says, nor
  those that do not begin without such a net's weights.
  """
  found = sorted((environment.ROOT / "configs").glob("*/[!_]*.py"))
  names = [str(path.relative_to(environment.ROOT)) for path in found]
  values = lambda name: recipe.load(name, resolve=False).config
  of_others = {"source", "random_features"}
  return [name for name in names if of_others.isdisjoint(values(name))]


def row(path: str, overrides: Mapping[str, str]) -> dict[str, Any]:
  """Returns what a config's step needs, by mode of `remat`."""
  experiment, config = steps.build(path, overrides)
  batch = batch_of(path, overrides, config.batch_size)
  make = lambda: experiment.initial_state(jax.random.key(0), batch)
  state = jax.eval_shape(make)
  peaks, kept = {}, {}
  for mode in MODES if "remat" in config else ("none",):
    values = overrides | ({"remat": mode} if "remat" in config else {})
    experiment, config = steps.build(path, values)
    peaks[mode] = _peak(experiment, config, state, batch)
    kept[mode] = _saved(experiment, config, state, batch)
  return {
    "config": path,
    "overrides": dict(overrides),
    "batch_size": config.batch_size,
    "accumulate": config.accumulate,
    "dtype": str(config.dtype),
    "state_bytes": _size(state),
    "gradient_bytes": _size(state.params),
    "saved_bytes": kept,
    "peak_bytes": peaks,
  }


def _peak(experiment, config, state, batch) -> int:
  closed = jax.make_jaxpr(steps.step_of(experiment, config))(state, batch)
  return peak_bytes(closed, donated=len(jax.tree.leaves(state)))


def _saved(experiment, config, state, batch) -> int:
  """The most that one objective keeps, of one microbatch."""
  most = 0
  for objective in experiment.task.objectives:
    parts = objective.repeat * config.accumulate

    def loss(own, state, batch, objective=objective, parts=parts):
      batch = experiment.inputs(batch)
      if experiment.augment is not None:
        batch = experiment.augment(batch, state.key)
      batch = jax.tree.map(lambda x: x[: len(x) // parts], batch)
      params, stats = state.weights()
      params = {**params, objective.net: own}
      terms, _ = objective.loss(
        params, stats, batch, state.key, step=state.step, train=True
      )
      weights = objective.weights.items()
      return sum(w * terms[name].divide() for name, w in weights)

    own = state.params[objective.net]
    most = max(most, _size(saved(loss, own, state, batch)))
  return most


def _size(tree: Any) -> int:
  return sum(size_of(x) for x in jax.tree.leaves(tree))


def page(found: Mapping[str, Any]) -> str:
  """Returns the table as markdown."""
  versions = ", ".join(
    f"{name} {found['versions'][name]}" for name in ("python", "jax", "flax")
  )
  head = f"""# Memory of a training step

Of each config at its batch on one device, in GB (10⁹ bytes): `state` is the
weights, the optimizer and averages, `kept` what autodiff keeps for the backward
pass, `peak` the most that a step needs at once, which is less than `kept` where
elementwise values are computed again in the kernel that reads them. Traced on
shapes as for a GPU, neither compiled nor run; kernels' workspaces and the
allocator's losses are not counted. `fits` is the smallest device on whose
memory, less {1 - devices.SHARE:.0%}, that fits; the last column is the batch
that one {CARD} would hold, in proportion.

{markdown.code(found["command"])}; {versions};
commit {found["git_commit"][:12]}; {found["date"][:10]}.

"""
  columns = ("config", "batch", "dtype", "remat", "state", "kept", "peak")
  columns += ("fits", f"batch of an {CARD}")
  lines = [line for row in found["rows"] for line in _lines(row)]
  names = ", ".join(device.title for device in devices.COMMON)
  return f"{head}{markdown.table(columns, lines)}\nDevices: {names}.\n"


def _lines(row: Mapping[str, Any]) -> Iterator[list[str]]:
  name = row["config"].removeprefix("configs/").removesuffix(".py")
  for mode, peak in row["peak_bytes"].items():
    yield [
      markdown.escape(name),
      str(row["batch_size"]),
      row["dtype"],
      mode if len(row["peak_bytes"]) > 1 else "",
      *map(_gb, (row["state_bytes"], row["saved_bytes"][mode], peak)),
      devices.smallest(peak) or "none",
      _rounded(_largest_batch(row, peak)),
    ]


def _largest_batch(row: Mapping[str, Any], peak: int) -> int:
  """Examples that a CARD holds, if all but the weights grows with them."""
  (card,) = (x for x in devices.COMMON if x.title == CARD)
  fixed = row["state_bytes"] + row["gradient_bytes"]
  each = max(peak - fixed, 1) / row["batch_size"]
  return max(int((devices.SHARE * card.bytes - fixed) / each), 0)


def _rounded(count: int) -> str:
  """Two digits, of what is a proportion: 1,600."""
  if count >= 100_000:
    return "100,000 or more"
  digits = max(len(str(count)) - 2, 0)
  return f"{count // 10**digits * 10**digits:,}"


def _gb(size: int) -> str:
  return f"{size / devices.GB:.3g}"
