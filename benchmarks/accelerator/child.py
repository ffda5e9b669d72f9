"""A measurement in a process of its own, which has so long and no longer."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.accelerator.states import FAILED, LATE
from vision_jax.files import open_own

TAIL = 2000  # characters of the end of what a process wrote


def rows(
  module: str,
  names: Sequence[str],
  settings: Mapping[str, Any],
  limit: float,
  variables: Mapping[str, str],
  log: pathlib.Path,
) -> Iterator[dict[str, Any]]:
  """Yields what `benchmarks.accelerator.measure` prints of each name.

  The process ends with this generator, and with this process too. If it breaks,
  the first name without a row gets one of the state "failed", and at the limit
  "out of time"; those after it get none.

  Args:
    module: the dotted name of a module, whose `measure` is called.
    names: what to measure, in order.
    settings: arguments of `measure`, as JSON.
    limit: seconds.
    variables: the environment's variables.
    log: file for what it writes besides.
  """
  words = [module, json.dumps(list(names)), json.dumps(dict(settings))]
  left, deadline = list(names), time.monotonic() + limit
  with open_own(log) as file:
    begin = file.tell()
    process = subprocess.Popen(
      # Unbuffered: what it wrote before it was killed is in the log.
      [sys.executable, "-u", "-m", "benchmarks.accelerator.measure", *words],
      stdin=subprocess.PIPE,  # whose end tells it that we are gone
      stdout=subprocess.PIPE,
      stderr=file,
      text=True,
      cwd=environment.ROOT,
      env={**variables},
      start_new_session=True,
    )
  try:
    for line in _lines(process, deadline):
      row = json.loads(line)
      left.remove(row["name"])
      yield row
    late = time.monotonic() >= deadline
    if left and late:
      yield {"name": left[0], "state": LATE, "why": f"had {limit:.0f} s"}
    elif left:
      yield {"name": left[0], "state": FAILED, "why": _why(process, log, begin)}
  finally:
    _end(process)


def _lines(process: subprocess.Popen, deadline: float) -> Iterator[str]:
  """Yields the lines of a process until it ends, or its time is over."""
  found: queue.Queue[str | None] = queue.Queue()

  def read():
    for line in process.stdout:
      found.put(line)
    found.put(None)

  threading.Thread(target=read, daemon=True).start()
  while True:
    try:
      line = found.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
      return
    if line is None:
      return
    yield line


def _why(process: subprocess.Popen, log: pathlib.Path, begin: int) -> str:
  code = process.wait()
  with log.open("rb") as file:
    file.seek(begin)
    text = file.read().decode(errors="replace")[-TAIL:]
  last = [line for line in text.splitlines() if line.strip()][-3:]
  return f"ended with {code}: {' | '.join(last)}"


def _end(process: subprocess.Popen) -> None:
  if process.poll() is None:
    os.killpg(process.pid, signal.SIGKILL)
  process.wait()
  process.stdin.close()
  process.stdout.close()
