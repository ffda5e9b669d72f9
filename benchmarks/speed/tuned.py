"""One compiled step with our tuning and without, in turns."""

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import environment

TURN_SECONDS = 4.0  # of one variant, before it is the other one's turn
LEAST_STEPS = 2


def step_row(
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
