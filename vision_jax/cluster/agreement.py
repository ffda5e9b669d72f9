"""Several processes agree on the step at which they do something together.

Any of them asks: it got a SIGTERM, or minutes have gone by since the last save.
A thread of each one then holds its count of steps for a moment and tells it to
the others, and all of them act at the largest count plus one, which none has
reached. A step costs a lock, and no message.
"""

import collections
import contextlib
import threading
from typing import Any

import jax

POLL = 0.3  # seconds between two looks for a question
PATIENCE = 60.0  # seconds for the others to tell their counts
PREFIX = "vision_jax/agreement"


def _client() -> Any:
  """The key-value store of jax's distributed runtime, without public API."""
  from jax._src import distributed

  return distributed.global_state.client


class Agreement:
  """Call it at every step of every process; it says what is due there.

  Args:
    client: client of the key-value store that the processes share.
    process: number of this process.
    processes: how many there are.
  """

  def __init__(
    self,
    client: Any = None,
    process: int | None = None,
    processes: int | None = None,
  ):
    self._client = _client() if client is None else client
    self._process = jax.process_index() if process is None else process
    self._processes = jax.process_count() if processes is None else processes
    self._asked: collections.deque[str] = collections.deque()
    self._due: dict[int, list[str]] = collections.defaultdict(list)
    self._count, self._round = 0, 0
    self._hold, self._closed = threading.Lock(), threading.Event()
    threading.Thread(target=self._listen, daemon=True).start()

  def ask(self, what: str) -> None:
    """Wants `what` to be done soon; a signal's handler may call it."""
    self._asked.append(what)

  def __call__(self) -> list[str]:
    """Counts a step; returns what is to be done after it."""
    with self._hold:
      self._count += 1
      return self._due.pop(self._count, [])

  def close(self) -> None:
    """Ends the thread."""
    self._closed.set()

  def _listen(self) -> None:
    while not self._closed.wait(POLL):
      try:
        if what := self._question():
          self._settle(what)
      except Exception:  # the runtime is going down, and the run with it
        if self._closed.is_set():
          return
        self._closed.wait(1.0)

  def _question(self) -> str | None:
    """Returns what is asked in this round; the store keeps the first to ask."""
    folder = f"{PREFIX}/{self._round}/what/"
    if self._asked:
      with contextlib.suppress(Exception):  # another process was the first
        self._client.key_value_set(f"{folder}first", self._asked[0])
    asked = self._client.key_value_dir_get(folder)
    return asked[0][1] if asked else None

  def _settle(self, what: str) -> None:
    """Finds the count at which all do `what`."""
    folder = f"{PREFIX}/{self._round}/count/"
    with self._hold:
      self._client.key_value_set(f"{folder}{self._process}", str(self._count))
      counts = [
        self._client.blocking_key_value_get(
          f"{folder}{process}", int(PATIENCE * 1000)
        )
        for process in range(self._processes)
      ]
      self._due[max(map(int, counts)) + 1].append(what)
      self._round += 1
    if self._asked and self._asked[0] == what:
      self._asked.popleft()
