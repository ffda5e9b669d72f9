"""What every host transform has in common, and those of any example.

A factory returns `(example, rng) -> example`, pure in both. One that also works
on a stacked batch carries `batched = True`, is deterministic and gets None for
`rng`. Randomness that does not change a shape belongs to the device
(`vision_jax.ops.augment`).
"""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import Transform, transform
from vision_jax.data.reading import reading
from vision_jax.data.source import Example

_LOG = logging.getLogger(__name__)


def apply_all(
  transforms: Sequence[Transform],
  example: Example,
  rng: np.random.Generator | None,
) -> Example:
  """Applies transforms in order.

  Raises:
    BadImage: naming the example, if it takes more memory than there is.
  """
  given = example
  try:
    for transform in transforms:
      example = transform(example, rng)
  except MemoryError:
    with reading(name_of(given)):
      raise
  return example


@transform
def keep(*keys: str) -> Transform:
  """Leaves out all but `keys`, and the name; batched."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    wanted = {*keys, "name", "mask", "index"}
    return {k: x for k, x in example.items() if k in wanted}

  apply.batched = True
  return apply


def log_once(message: str) -> Callable[[Example], None]:
  """Returns what warns of the first example that it is given, by its name."""
  first = threading.Lock()

  def log(example: Example) -> None:
    if first.acquire(blocking=False):
      _LOG.warning(message, name_of(example))

  return log


def check_alone(example: Example, what: str, keys: Sequence[str]) -> None:
  """Checks that nothing would be left behind where the image moves."""
  left = [key for key in keys if key in example]
  if left:
    raise DataError(
      f"{what}: {name_of(example)} also has {', '.join(left)}, which would not "
      "follow the image; expected an image alone."
    )


def name_of(example: Example) -> str:
  """Returns what errors call an example."""
  return example.get("name", "an image")
