"""Sources and transforms in other processes: sent as they were made.

What a source has read stays behind: a copy reads its data on first use, as the
source itself did.
"""

import functools
import threading
from collections.abc import Callable, Mapping
from typing import ParamSpec

import numpy as np

from vision_jax.data.source import Example

Transform = Callable[[Example, np.random.Generator | None], Example]
Given = ParamSpec("Given")


class AsMade:
  """A source whose copies are pickled without what it has cached."""

  def __getstate__(self) -> dict[str, object]:
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

  def __reduce__(self) -> tuple[type["Lock"], tuple[()]]:
    return Lock, ()


class Made:
  """A transform that knows the call that made it, and is pickled as that."""

  def __init__(
    self,
    factory: Callable[..., "Made"],
    args: tuple[object, ...],
    options: Mapping[str, object],
    apply: Transform,
  ):
    self._call, self._apply = (factory, args, options), apply
    self.batched = getattr(apply, "batched", False)

  def __call__(
    self, example: Example, rng: np.random.Generator | None
  ) -> Example:
    return self._apply(example, rng)

  def __reduce__(self) -> tuple[Callable[[], "Made"], tuple[()]]:
    factory, args, options = self._call
    return functools.partial(factory, *args, **options), ()

  def __repr__(self) -> str:
    factory, args, options = self._call
    given = [*map(repr, args), *(f"{k}={x!r}" for k, x in options.items())]
    return f"{factory.__name__}({', '.join(given)})"


def transform(
  factory: Callable[Given, Transform],
) -> Callable[Given, Made]:
  """Lets what a factory of transforms returns be pickled; a decorator."""

  @functools.wraps(factory)
  def make(*args: Given.args, **options: Given.kwargs) -> Made:
    return Made(make, args, options, factory(*args, **options))

  return make
