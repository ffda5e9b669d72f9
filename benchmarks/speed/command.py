"""Speed: models, whole steps, the loop, input and metrics, on this machine.

  python -m benchmarks.speed --models=resnet50,vit_s16 --batch_sizes=8,32 \
      --output=OUT
  python -m benchmarks.speed --rows=models --output=OUT \
      --configs=configs/detection/bccd_detr.py,configs/generation/cifar10_ddpm.py

A model, by its short name, trains by plain SGD or infers; a config runs its
whole step (augmentation, losses, matching, optimizer, averages) on made-up
data, and takes --config.KEY=VALUE. On a CPU each is timed with our tuning
(allocator, XLA option, fast forms) and without, in turns A B A B within one
run; the ratio is that of the two rates, its range that of the turns. A time is
the mean of a block of 20 steps, of which as many are in flight as in the loop.
Other rows: `loop/overhead`, `checkpoint/wait`, `input/in_memory`,
`input/decode_crop`, `input/decode_alone`, `metrics/...`, `matching/...` and
`convolution/...`; and where they are asked for, beside torch, `detector/...`.
Writes results.jsonl and report.md.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.overrides import read_overrides
from benchmarks.speed import table
from benchmarks.speed.tuned import step_row
from vision_jax.errors import UserError
from vision_jax.files import replace_text

KINDS = ("models", "loop", "checkpoint", "input", "metrics", "convolutions")
ASKED_FOR = ("detectors",)  # which need torch


def main(argv: Sequence[str] | None = None) -> int:
  """Measures what `argv` asks for; returns the exit code."""
  options = _parse(argv)
  output = pathlib.Path(options.output)
  output.mkdir(parents=True, exist_ok=True)
  common = {
    "kind": "speed",  # which a report of results leaves out
    "timing": table.TIMING,
    "hardware": environment.probe(),
    "versions": environment.versions(),
    "git_commit": environment.git_commit(),
    "command": _command(sys.argv[1:] if argv is None else argv),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }
  rows = []
  for row in _rows(options, common["hardware"]):
    row |= common
    rows.append(row)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    replace_text(output / "results.jsonl", text)
    print(table.line(row), flush=True)
  page = table.page(rows)
  replace_text(output / "report.md", page)
  print(f"report: {output / 'report.md'}")
  return 0


def _command(argv: Sequence[str]) -> str:
  """What to type to measure again; where the results go does not matter."""
  kept = [word for word in argv if not word.startswith("--output")]
  return shlex.join(["python", "-m", "benchmarks.speed", *kept])


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.speed", description=__doc__, allow_abbrev=False
  )
  names = lambda text: [name for name in text.split(",") if name]
  parser.add_argument("--models", type=names)
  parser.add_argument("--configs", type=names, default=[])
  parser.add_argument(
    "--batch_sizes",
    type=lambda text: [int(n) for n in names(text)],
    help="64 for models, and a config's own, where not given",
  )
  parser.add_argument("--output", default="out/speed")
  parser.add_argument("--dtype", default="float32", help="to compute in")
  parser.add_argument("--mode", choices=("train", "infer"), default="train")
  parser.add_argument("--turns", type=int, default=5)
  parser.add_argument(
    "--rows",
    type=names,
    default=list(KINDS),
    help=f"kinds of rows: {', '.join(KINDS + ASKED_FOR)}",
  )
  options, rest = parser.parse_known_args(argv)
  if options.models is None:
    options.models = [] if options.configs else ["resnet20", "vit_ti4"]
  try:
    options.overrides = read_overrides(rest)
    _check(options)
  except ValueError as error:
    parser.error(str(error))
  return options


def _check(options: argparse.Namespace) -> None:
  """Refuses what there is not, before the first measurement."""
  from vision_jax.models import listing
  from vision_jax.recipe import recipe

  known = [name for name, x in listing.MODELS.items() if x.classifies]
  for name in options.models:
    if name not in known:
      raise UserError(
        f"--models: got {name!r}; expected one of {', '.join(known)}. Other "
        "models are timed by their config: --configs=PATH."
      )
  for name in options.configs:
    recipe.load(name, options.overrides, resolve=False)
  if options.overrides and not options.configs:
    raise UserError("--config.KEY=VALUE: expected --configs=PATH beside it.")
  if options.configs and options.mode != "train":
    raise UserError("--mode: got infer with --configs; a config trains.")
  if unknown := set(options.rows).difference(KINDS, ASKED_FOR):
    expected = ", ".join(KINDS + ASKED_FOR)
    raise UserError(f"--rows: got {sorted(unknown)}; expected {expected}.")


def _rows(
  options: argparse.Namespace, hardware: dict
) -> Iterator[dict[str, Any]]:
  if "models" in options.rows:
    for name, arguments in _targets(options):
      yield step_row(name, arguments, options.turns, hardware["platform"])
  if "loop" in options.rows:
    yield from _child("benchmarks.speed.loop")
  if "checkpoint" in options.rows:
    yield from _child("benchmarks.speed.saving")
  if "input" in options.rows:
    yield from _child("benchmarks.speed.jpegs")
  if "metrics" in options.rows:
    yield from _child("benchmarks.speed.metrics")
  if "convolutions" in options.rows:
    yield from _child("benchmarks.speed.small_maps")
  if "detectors" in options.rows:
    yield from _child("benchmarks.speed.detector_parts")


def _targets(options: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
  """What is timed: a row's name without its size, and the arguments."""
  for model in options.models:
    for size in options.batch_sizes or [64]:
      yield (
        f"{model}/{options.mode}",
        [
          *(f"--model={model}", f"--batch_size={size}"),
          *(f"--dtype={options.dtype}", f"--mode={options.mode}"),
        ],
      )
  changed = "".join(f"/{k}={v}" for k, v in options.overrides.items())
  for config in options.configs:
    for size in options.batch_sizes or [None]:
      words = [f"--config={config}"]
      words.append(f"--overrides={json.dumps(options.overrides)}")
      words += [f"--batch_size={size}"] if size else []
      short = pathlib.PurePath(config).name.replace(".py", "")
      yield f"{short}{changed}/step", words


def _child(module: str) -> Iterator[dict[str, Any]]:
  """Runs a module that prints rows, in a process of its own."""
  done = subprocess.run(
    [sys.executable, "-m", module],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
    cwd=environment.ROOT,
  )
  for text in done.stdout.splitlines():
    yield json.loads(text)
