"""Notices at once when another process of the run is gone, and leaves.

Left to itself jax notices after minutes and aborts with a stack of C++. The
connections over which the processes have met stay open: the kernel closes those
of a process that ends, however it ends, and one that is done says so first.
"""

import contextlib
import selectors
import socket
import sys
import threading
import time
from collections.abc import Sequence

from vision_jax import signals

BYE, LEAVE = b"bye", b"out"
LOST = (
  "Another process of this run has ended, and this one with it. What "
  "was saved stays: look for the reason in that one's messages, then start all "
  "of them again, and they go on."
)
FAILED = 3  # exit code
REPORTED = 1.0  # seconds in which an error is reported

_watches: list["Watch"] = []


class Watch:
  """Watches the processes at the other ends of some connections."""

  def __init__(self, peers: Sequence[socket.socket]):
    self._peers = tuple(peers)
    self._code: int | None = None
    self._leaving = False
    threading.Thread(target=self._look, daemon=True).start()

  def fail(self, code: int) -> None:
    """Reports that this process has failed by itself, with an exit code.

    Does not return where the watch has reported a failure, and leaves for it.
    """
    if self._leaving:
      time.sleep(2 * REPORTED)
    self._code = code

  def farewell(self) -> None:
    """Tells the others that this process is done."""
    self._send(BYE)

  def _send(self, word: bytes) -> None:
    for peer in self._peers:
      with contextlib.suppress(OSError):
        peer.sendall(word)

  def _look(self) -> None:
    with selectors.DefaultSelector() as selector:
      for peer in self._peers:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        selector.register(peer, selectors.EVENT_READ)
      while selector.get_map():
        for key, _ in selector.select():
          if not _says_bye(key.fileobj):
            self._leave()
          selector.unregister(key.fileobj)

  def _leave(self) -> None:
    """Leaves; process 0 last, since jax aborts where it cannot be reached."""
    self._leaving = self._code is None
    if self._leaving:
      print(f"error: {LOST}", file=sys.stderr, flush=True)
    if len(self._peers) > 1:
      self._send(LEAVE)
      time.sleep(REPORTED)
    elif not self._leaving:
      time.sleep(REPORTED)
    signals.leave_at_once(FAILED if self._leaving else self._code)


def _says_bye(peer: socket.socket) -> bool:
  try:
    return peer.recv(len(BYE)) == BYE
  except OSError:
    return False


def begin(peers: Sequence[socket.socket]) -> None:
  """Watches the processes at the other ends, for the rest of this one."""
  _watches.append(Watch(peers))


def fail(code: int) -> None:
  """Reports that this process has failed by itself, with an exit code."""
  for watch in _watches:
    watch.fail(code)


def farewell() -> None:
  """Tells the others that this process is done."""
  for watch in _watches:
    watch.farewell()
