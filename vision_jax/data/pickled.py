"""Sources and transforms in other processes: sent as they were made.

What a source has read stays behind: a copy reads its data on first use, as the
source itself did.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any


class AsMade:
  """A source whose copies are pickled without what it has cached."""

  def __getstate__(self) -> dict[str, Any]:
    kind = type(self)
    cached = lambda key: isinstance(
      getattr(kind, key, None), functools.cached_property
    )
    return {k: x for k, x in vars(self).items() if not cached(k)}


class Lock:
  """A lock that one thread may take again; a copy's is its own, and free."""

  def __init__(self):
    self._lock = threading.RLock()

  def __enter__(self) -> None:
    self._lock.acquire()

  def __exit__(self, *error: object) -> None:
    self._lock.release()

  def __reduce__(self) -> tuple[Any, ...]:
    return Lock, ()


class Made:
  """A transform that knows the call that made it, and is pickled as that."""

  def __init__(
    self,
    factory: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    apply: Callable[..., Any],
  ):
    self._call, self._apply = (factory, args, options), apply
    self.batched = getattr(apply, "batched", False)

  def __call__(self, example: Any, rng: Any) -> Any:
    return self._apply(example, rng)

  def __reduce__(self) -> tuple[Any, ...]:
    factory, args, options = self._call
    return functools.partial(factory, *args, **options), ()

  def __repr__(self) -> str:
    factory, args, options = self._call
    given = [*map(repr, args), *(f"{k}={x!r}" for k, x in options.items())]
    return f"{factory.__name__}({', '.join(given)})"


def transform(factory: Callable[..., Any]) -> Callable[..., Made]:
  """Lets what a factory of transforms returns be pickled; a decorator."""

  @functools.wraps(factory)
  def make(*args: Any, **options: Any) -> Made:
    return Made(make, args, options, factory(*args, **options))

  return make
