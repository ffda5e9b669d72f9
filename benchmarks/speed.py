"""Speed: models, the loop, the input pipeline and metrics, on this machine.

  python -m benchmarks.speed --models=resnet50,vit_s16 --batch_sizes=8,32 \
      --output=OUT

On a CPU each model is timed with our tuning (allocator, XLA option, fast forms)
and without, in turns A B A B within one run; the ratio is that of the two
rates, its range that of the turns. Rows: a model trains or infers at a batch
size, `loop/overhead`, `input/in_memory`, `input/decode_crop`, `metrics/...` and
`matching/...`. Writes results.jsonl and report.md.
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

from benchmarks import environment, speed_table
from benchmarks.peaks import utilisation
from vision_jax.errors import UserError

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
    (output / "results.jsonl").write_text(text, encoding="utf-8")
    print(speed_table.line(row), flush=True)
  page = speed_table.page(rows)
  (output / "report.md").write_text(page, encoding="utf-8")
  print(f"report: {output / 'report.md'}")
  return 0


def _command(argv: Sequence[str]) -> str:
  """What to type to measure again; where the results go does not matter."""
  kept = [word for word in argv if not word.startswith("--output")]
  return shlex.join(["python", "-m", "benchmarks.speed", *kept])


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.speed", description=__doc__
  )
  names = lambda text: [name for name in text.split(",") if name]
  parser.add_argument("--models", type=names, default=["resnet20", "vit_ti4"])
  parser.add_argument(
    "--batch_sizes",
    type=lambda text: [int(n) for n in names(text)],
    default=[64],
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
  options = parser.parse_args(argv)
  from vision_jax.models import listing

  try:
    for name in options.models:
      if not listing.find(name).classifies:
        known = [key for key, x in listing.MODELS.items() if x.classifies]
        raise UserError(f"got {name!r}; expected one of {', '.join(known)}.")
  except ValueError as error:
    parser.error(f"--models: {error}")
  if unknown := set(options.rows) - set(KINDS):
    parser.error(f"--rows: got {sorted(unknown)}; expected {', '.join(KINDS)}")
  return options


def _rows(options: Any, hardware: dict) -> Iterator[dict[str, Any]]:
  if "models" in options.rows:
    for model in options.models:
      for batch_size in options.batch_sizes:
        yield model_row(model, batch_size, options, hardware["platform"])
  if "loop" in options.rows:
    yield from _child("benchmarks.speed_loop")
  if "input" in options.rows:
    yield from _child("benchmarks.speed_input")
  if "metrics" in options.rows:
    yield from _child("benchmarks.speed_metrics")


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


def model_row(
  model: str, batch_size: int, options: Any, platform: str
) -> dict[str, Any]:
  """Times one model at one batch size, on a CPU with and without tuning."""
  variants = ("auto", "off") if platform == "cpu" else ("auto",)
  with contextlib.ExitStack() as stack:
    workers = {
      tuning: stack.enter_context(_Worker(model, batch_size, tuning, options))
      for tuning in variants
    }
    taken: dict[str, list[list[float]]] = {v: [] for v in variants}
    for _ in range(options.turns):
      for variant, worker in workers.items():
        taken[variant].append(worker.turn())
    tuned = workers["auto"]
    seconds = [s for turn in taken["auto"] for s in turn]
    row = {
      "row": f"{model}/{options.mode}/b{batch_size}",
      "dtype": options.dtype,
      **_rates(seconds, batch_size),
      **tuned.about,
      "peak_bytes": tuned.peak_bytes,
      "turns": options.turns,
    }
  row["mfu"] = utilisation(
    row["flops_per_step"],
    row["step_p50_ms"],
    row["device_kind"],
    row["devices"],
  )
  if "off" in taken:
    row["turn_ms"] = {
      v: [1e3 * statistics.median(t) for t in taken[v]] for v in variants
    }
    plain = [s for turn in taken["off"] for s in turn]
    row["plain_images_per_s"] = _rates(plain, batch_size)["images_per_s"]
  return row


def _rates(seconds: Sequence[float], batch_size: int) -> dict[str, float]:
  ordered = sorted(seconds)
  p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
  p50 = statistics.median(ordered)
  return {
    "images_per_s": batch_size / p50,
    "step_p50_ms": 1e3 * p50,
    "step_p95_ms": 1e3 * p95,
  }


class _Worker:
  """A process of `benchmarks.speed_model`, compiled and warm."""

  def __init__(self, model: str, batch_size: int, tuning: str, options: Any):
    command = [sys.executable, "-m", "benchmarks.speed_model"]
    command += [f"--model={model}", f"--batch_size={batch_size}"]
    command += [f"--tuning={tuning}", f"--dtype={options.dtype}"]
    self._process = subprocess.Popen(
      [*command, f"--mode={options.mode}"],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      cwd=environment.ROOT,
    )
    self.about = self._answer()
    self.peak_bytes = None
    self._run(1)
    first = statistics.median(self._run(LEAST_STEPS))
    self._steps = max(LEAST_STEPS, round(TURN_SECONDS / first))

  def turn(self) -> list[float]:
    """Returns the seconds of each step of one turn."""
    return self._run(self._steps)

  def _run(self, steps: int) -> list[float]:
    self._process.stdin.write(f"{steps}\n")
    self._process.stdin.flush()
    answer = self._answer()
    self.peak_bytes = answer["peak_bytes"]
    return answer["seconds"]

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


if __name__ == "__main__":
  sys.exit(main())
