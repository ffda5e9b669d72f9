"""Batches on the devices before a step asks for them."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Prefetch(Generic[Item, Result]):
  """Runs `load(item)` for each item in a thread, at most `depth` ahead.

  Iterating gives the results in order and raises what a load has raised.
  `waited` adds up the seconds for which the consumer had to wait.

  Args:
    load: makes one batch and places it on the devices.
    items: what to load, in order.
    depth: results kept ready.
  """

  def __init__(
    self,
    load: Callable[[Item], Result],
    items: Iterator[Item],
    depth: int = 2,
  ):
    self.waited = 0.0
    self._load, self._items = load, items
    self._ready: queue.Queue = queue.Queue(depth)
    self._stopped = threading.Event()
    self._thread = threading.Thread(target=self._fill, daemon=True)
    self._thread.start()

  def __iter__(self) -> Iterator[Result]:
    return self

  def __next__(self) -> Result:
    start = time.perf_counter()
    result, error = self._ready.get()
    self.waited += time.perf_counter() - start
    if error is not None:
      self.close()
      raise error
    return result

  def close(self) -> None:
    """Stops the thread; what it has loaded is dropped."""
    self._stopped.set()
    while self._thread.is_alive():
      try:
        self._ready.get(timeout=0.05)
      except queue.Empty:
        continue

  def __enter__(self) -> "Prefetch":
    return self

  def __exit__(self, *exc: object) -> None:
    self.close()

  def _fill(self) -> None:
    try:
      for item in self._items:
        if self._stopped.is_set():
          return
        self._ready.put((self._load(item), None))
      self._ready.put((None, StopIteration()))
    except Exception as error:  # handed to the consumer
      self._ready.put((None, error))
