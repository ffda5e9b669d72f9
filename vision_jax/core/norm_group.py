"""How many examples BatchNorm takes its statistics of, as a context.

Goyal et al. (2017, https://arxiv.org/abs/1706.02677) take them of each worker's
32 examples however large the batch is: that keeps the loss the same when
workers are added, and no layer waits for a network. `make_train_step` enters
the context while a step is traced; jax traces anew where it differs.
"""

import contextlib
from collections.abc import Iterator

import jax

from vision_jax.errors import UserError

_GROUP = jax.make_user_context(default_value=0)


@contextlib.contextmanager
def grouped_norms(size: int) -> Iterator[None]:
  """While it lasts, statistics are those of `size` examples; 0 for all.

  Raises:
    UserError: if the size is negative.
  """
  if size < 0:
    raise UserError(
      f"norm_group: got {size}; expected a number of examples, or 0 for the "
      "whole batch."
    )
  with _GROUP(size):
    yield


def group_size(examples: int, devices: int) -> int:
  """Returns the size of a group, 0 for the whole batch.

  Args:
    examples: number of examples in the batch that is traced.
    devices: number of devices that split that batch.

  Raises:
    UserError: if a group would be of several devices' examples.
  """
  size = _GROUP.value
  if size and examples % (size * devices):
    raise UserError(
      f"norm_group: got {size} for a batch, or a part of one, of {examples} "
      f"examples on {devices} device(s); expected a divisor of the examples "
      "that one device has, or 0 for the whole batch."
    )
  return size
