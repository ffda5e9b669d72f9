"""Stopping: at SIGTERM from a scheduler, at Ctrl-C, and after an error."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax

PATIENCE = 15.0  # seconds that a failed process waits for the others to fail
FAILED = 2  # exit code


@contextlib.contextmanager
def no_waiting_after_errors() -> Iterator[None]:
  """Ends this process soon after an error, where it is one of several.

  At its end a process waits minutes for the others, which wait for it in the
  middle of a step. Once it is gone, jax's distributed runtime ends them. Where
  all have failed alike none has to wait, and each tells its error.
  """
  try:
    yield
  except BaseException:
    if jax.process_count() > 1:
      timer = threading.Timer(PATIENCE, os._exit, (FAILED,))
      timer.daemon = True
      timer.start()
    raise


class Stop:
  """Says after each step whether to save and leave.

  In one process SIGTERM and the first Ctrl-C ask for it (the second Ctrl-C
  interrupts at once). Several processes agree on the step through jax's
  distributed runtime, which takes SIGTERM itself.

  Args:
    reached_preemption: step -> whether all processes are to stop there.
  """

  def __init__(self, reached_preemption: Callable[[int], bool]):
    self.reason: str | None = None
    self._reached = reached_preemption
    self._old: dict[int, Any] = {}

  def __call__(self, step: int) -> bool:
    """Whether to stop after `step`; every process asks after every step."""
    if jax.process_count() > 1 and self._reached(step):
      self.reason = "SIGTERM"
    return self.reason is not None

  def __enter__(self) -> "Stop":
    if jax.process_count() == 1:
      for number in (signal.SIGTERM, signal.SIGINT):
        self._old[number] = signal.signal(number, self._note)
    return self

  def __exit__(self, *exc: object) -> None:
    for number, handler in self._old.items():
      signal.signal(number, handler)

  def _note(self, number: int, frame: Any) -> None:
    del frame
    self.reason = signal.Signals(number).name
    signal.signal(signal.SIGINT, signal.default_int_handler)
