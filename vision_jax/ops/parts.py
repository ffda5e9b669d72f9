"""Parts of a batch that several loaders give side by side."""

import jax

from vision_jax.core.checks import check_name
from vision_jax.core.types import Augment, Batch


def part(batch: Batch, name: str) -> Batch:
  """Returns what one loader of a `Together` gives, as it gives it alone.

  Its `mask` and `index` are the loader's own.

  Raises:
    UserError: with the nearest name, if the batch has no such part.
  """
  names = dict.fromkeys(k.split("/")[0] for k in batch if "/" in k)
  check_name("part", name, names or ["(none)"])
  start = f"{name}/"
  return {
    key.removeprefix(start): x
    for key, x in batch.items()
    if key.startswith(start)
  }


def of_parts(**augments: Augment) -> Augment:
  """Returns an augmentation that applies to each named part its own.

  Draws of the parts are independent, though rows have one index in all.
  """

  def augment(batch, key):
    new = dict(batch)
    for number, (name, change) in enumerate(augments.items()):
      own = change(part(batch, name), jax.random.fold_in(key, number))
      new |= {f"{name}/{k}": x for k, x in own.items()}
    return new

  return augment
