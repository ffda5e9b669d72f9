"""The signals that end a command: SIGTERM, Ctrl-C, and SIGHUP of a terminal.

They raise `Interrupted` wherever the command is, from its first line on. While
a training loop runs it notes them instead, saves and leaves: `handled`.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator

ENDING = tuple(
  getattr(signal, name)
  for name in ("SIGTERM", "SIGINT", "SIGHUP")
  if hasattr(signal, name)
)
GRACE = 3.0  # seconds in which the main thread is to come back from a library


class Interrupted(BaseException):
  """A signal that ends the command where it is.

  Attributes:
    number: the signal.
    at_once: whether to leave without the farewells of libraries, because other
      processes wait.
  """

  def __init__(self, number: int):
    super().__init__(signal.Signals(number).name)
    self.number = number
    self.at_once = False


def interrupt(number: int, frame: types.FrameType | None = None) -> None:
  """Raises `Interrupted`: a handler of signals."""
  del frame
  raise Interrupted(number)


@contextlib.contextmanager
def handled(
  handler: Callable[[int, types.FrameType | None], None],
) -> Iterator[None]:
  """Has `handler` called with each signal while this lasts.

  Outside the main thread (of a notebook's worker, of a server) Python has no
  handlers, and nothing changes. A signal that the process ignores, as under
  nohup or in a shell's background, stays ignored.
  """
  old = {}
  if threading.current_thread() is threading.main_thread():
    for number in ENDING:
      if signal.getsignal(number) is not signal.SIG_IGN:
        old[number] = signal.signal(number, handler)
  try:
    yield
  finally:
    for number, before in old.items():
      signal.signal(number, before or signal.SIG_DFL)


@contextlib.contextmanager
def interrupting(leave: Callable[[int], None]) -> Iterator[None]:
  """Has a signal raise `Interrupted` while this lasts.

  Python raises between two of its own instructions only. Where the main thread
  stays in a library for GRACE seconds more, in a compilation say, another
  thread calls `leave(number)`, which ends the process.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  ours, pythons = socket.socketpair()
  pythons.setblocking(False)
  done = threading.Event()
  before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
  threading.Thread(target=_watch, args=(ours, done, leave), daemon=True).start()
  try:
    with handled(interrupt):
      yield
  finally:
    done.set()
    signal.set_wakeup_fd(before)
    pythons.close()  # which ends the thread


def _watch(
  ours: socket.socket, done: threading.Event, leave: Callable[[int], None]
) -> None:
  """Leaves for a main thread that does not come back to raise."""
  with ours:
    while numbers := ours.recv(64):
      ending = [n for n in numbers if signal.getsignal(n) is interrupt]
      if ending and not done.wait(GRACE):
        leave(ending[0])


def leave_at_once(code: int) -> None:
  """Ends the process without the farewells of its libraries."""
  with contextlib.suppress(OSError, ValueError):
    sys.stdout.flush()
    sys.stderr.flush()
  os._exit(code)
