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
Other rows: `loop/overhead`, `input/in_memory`, `input/decode_crop`,
`metrics/...` and `matching/...`. Writes results.jsonl and report.md.
"""

import argparse
import contextlib
import datetime
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.overrides import read_overrides
from benchmarks.speed import table
from vision_jax.errors import UserError
from vision_jax.files import replace_text

TURN_SECONDS = 4.0  # of one variant, before it is the other one's turn
LEAST_STEPS = 2
KINDS = ("models", "loop", "input", "metrics")


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
    rows.append(row | common)
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
    help=f"kinds of rows: {', '.join(KINDS)}",
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
  if unknown := set(options.rows) - set(KINDS):
    raise UserError(
      f"--rows: got {sorted(unknown)}; expected {', '.join(KINDS)}."
    )


def _rows(
  options: argparse.Namespace, hardware: dict
) -> Iterator[dict[str, Any]]:
  if "models" in options.rows:
    for name, arguments in _targets(options):
      yield _step_row(name, arguments, options.turns, hardware["platform"])
  if "loop" in options.rows:
    yield from _child("benchmarks.speed.loop")
  if "input" in options.rows:
    yield from _child("benchmarks.speed.jpegs")
  if "metrics" in options.rows:
    yield from _child("benchmarks.speed.metrics")


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


def _step_row(
  name: str, arguments: Sequence[str], turns: int, platform: str
) -> dict[str, Any]:
  """Times one compiled step, on a CPU with and without tuning."""
  from benchmarks.speed.steps import mfu, rates

  variants = ("auto", "off") if platform == "cpu" else ("auto",)
  with contextlib.ExitStack() as stack:
    workers = {
      variant: stack.enter_context(_Worker(arguments, variant))
      for variant in variants
    }
    taken: dict[str, list[dict]] = {v: [] for v in variants}
    for _ in range(turns):
      for variant, worker in workers.items():
        taken[variant].append(worker.turn())
    tuned = workers["auto"]
  size = tuned.about["batch_size"]
  row = {
    "row": f"{name}/b{size}",
    **rates(_together(taken["auto"]), size),
    **tuned.about,
    "peak_bytes": tuned.peak_bytes,
    "turns": turns,
  }
  row["mfu"] = mfu(row)
  if "off" in taken:
    row["turn_ms"] = {
      v: [1e3 * statistics.median(t["seconds"]) for t in taken[v]]
      for v in variants
    }
    plain = rates(_together(taken["off"]), size)
    row["plain_images_per_s"] = plain["images_per_s"]
  return row


def _together(turns: Sequence[dict]) -> dict[str, list[float]]:
  return {
    name: [x for turn in turns for x in turn[name]]
    for name in ("seconds", "dispatch")
  }


class _Worker:
  """A process of `benchmarks.speed.worker`, compiled and warm."""

  def __init__(self, arguments: Sequence[str], tuning: str):
    command = [sys.executable, "-m", "benchmarks.speed.worker"]
    self._process = subprocess.Popen(
      [*command, *arguments, f"--tuning={tuning}"],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      cwd=environment.ROOT,
    )
    self.about = self._answer()
    self.peak_bytes = None
    self._run(1)
    first = statistics.median(self._run(LEAST_STEPS)["seconds"])
    self._steps = max(LEAST_STEPS, round(TURN_SECONDS / first))

  def turn(self) -> dict[str, list[float]]:
    """Returns `seconds` a step and `dispatch` of the blocks of one turn."""
    return self._run(self._steps)

  def _run(self, steps: int) -> dict[str, list[float]]:
    self._process.stdin.write(f"{steps}\n")
    self._process.stdin.flush()
    answer = self._answer()
    self.peak_bytes = answer["peak_bytes"]
    return answer

  def _answer(self) -> dict[str, Any]:
    text = self._process.stdout.readline()
    if not text:
      raise RuntimeError(
        f"the timing process ended with {self._process.wait()}; its last lines "
        "are above"
      )
    return json.loads(text)

  def __enter__(self) -> "_Worker":
    return self

  def __exit__(self, *exc: object) -> None:
    self._process.stdin.close()
    self._process.wait(timeout=60)
