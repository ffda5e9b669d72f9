"""Boxes and labels with noise, for a DETR to learn what they were.

DN-DETR, Li et al., 2022, https://arxiv.org/abs/2203.01305.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import integers, uniforms


class Noised(NamedTuple):
  """Groups of all boxes of an image, each with noise of its own.

  Attributes:
    boxes: (b, g, n, 4) cxcywh in [0, 1].
    label: (b, g, n) int32.
    real: (b, n) bool, False for what is no box to be learned.
  """

  boxes: Array
  label: Array
  real: Array


@dataclasses.dataclass(frozen=True)
class BoxNoise:
  """Moves, stretches and mislabels boxes, with the paper's strengths.

  Attributes:
    groups: g, of noised boxes beside one another.
    shift: the centre's largest move, a part of half the box's sides.
    stretch: the sides' largest change, a part of them.
    flip: how often a label is replaced by any.
  """

  groups: int = 5
  shift: float = 0.4
  stretch: float = 0.4
  flip: float = 0.2

  def __post_init__(self):
    if self.groups < 1:
      raise UserError(
        f"groups: got {self.groups}; expected at least 1 of noised boxes."
      )
    for name in ("shift", "stretch", "flip"):
      if not 0 <= getattr(self, name) <= 1:
        raise UserError(
          f"{name}: got {getattr(self, name)}; expected a part, 0 to 1."
        )

  def __call__(self, batch: Batch, key: Array, num_classes: int) -> Noised:
    """Returns the noised boxes of a batch, keyed by its `index`."""
    real = batch["box_mask"] > 0
    if "crowd" in batch:
      real &= batch["crowd"] == 0
    # Padding may hold anything; what nothing sees has to be finite too.
    boxes = jnp.where(real[..., None], batch["boxes"], 0.5)
    label = jnp.where(real, batch["label"], 0)
    b, n, _ = boxes.shape
    draws = uniforms(batch, key, self.groups * n * 6)
    draws = draws.reshape(b, self.groups, n, 6)
    centre, size = jnp.split(boxes[:, None], 2, -1)
    way = 2 * draws[..., :4] - 1
    centre = centre + way[..., :2] * self.shift * size / 2
    size = size * (1 + way[..., 2:] * self.stretch)
    noised = jnp.clip(jnp.concatenate([centre, size], -1), 0, 1)
    other = integers(draws[..., 5], num_classes)
    label = jnp.where(draws[..., 4] < self.flip, other, label[:, None])
    return Noised(noised, label.astype(jnp.int32), real)


def beside(
  noised: Noised, contents: Array, y: Array, box: Array
) -> tuple[Array, Array, Array]:
  """Puts noised boxes before queries.

  Args:
    noised: g groups of n boxes.
    contents: (k, d), of each label.
    y: (b, q, d), contents of the queries.
    box: (b, q, 4), their boxes.

  Returns:
    Contents (b, g n + q, d), boxes (b, g n + q, 4), and what each may look at,
    see `seen_by`.
  """
  flat = lambda x: x.reshape(x.shape[0], -1, *x.shape[3:])
  content = contents[flat(noised.label)].astype(y.dtype)
  return (
    jnp.concatenate([content, y], 1),
    jnp.concatenate([flat(noised.boxes), box], 1),
    seen_by(noised, box.shape[1]),
  )


def seen_by(noised: Noised, queries: int) -> Array:
  """What each query may look at, (b, g n + q, g n + q) bool, noised first.

  The q queries that are matched see one another alone, so that they learn
  nothing from the truth; a noised box sees its own group's and the matched.
  """
  b, g, n, _ = noised.boxes.shape
  group = np.concatenate([np.repeat(np.arange(g), n), np.full(queries, g)])
  allowed = (group[:, None] == group) | (group == g)
  real = jnp.tile(noised.real, (1, g))
  real = jnp.concatenate([real, jnp.ones((b, queries), bool)], 1)
  return allowed & real[:, None]
