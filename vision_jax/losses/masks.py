"""The loss of a set of masks: matched with queries, then learned.

Cheng et al., 2022, https://arxiv.org/abs/2112.01527.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.errors import UserError
from vision_jax.losses.detection import BoxLoss
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.points import sample_points, unsure_points

MATCHING, CANDIDATES, REST = USES = range(3)  # what points are drawn for


def mask_entropy(logits: Array, truth: Array) -> Array:
  """Binary cross entropy (...) of masks (..., p), a mean over their pixels."""
  return (jax.nn.softplus(logits) - logits * truth).mean(-1)


def mask_dice(logits: Array, truth: Array) -> Array:
  """1 - Dice (...) of masks (..., p), with a pixel added to both sums."""
  probs = jax.nn.sigmoid(logits)
  both = (probs * truth).sum(-1)
  return 1 - (2 * both + 1) / (probs.sum(-1) + truth.sum(-1) + 1)


@dataclasses.dataclass(frozen=True)
class MaskCriterion(SetCriterion):
  """Mask2Former's loss, of the outputs of every decoder layer.

  Outputs are `logits` (i, b, q, k + 1) and `masks` (i, b, q, h, w), logits too;
  a batch has `masks` (b, n, h', w') in [0, 1], `label` and `box_mask` (b, n).
  Terms `class`, `mask` and `mask_dice`, and `aux_...`, see `SetCriterion`.

  With `points` masks are matched and compared at so many points, as in the
  paper, sections 3.3 and A: in matching at the same points of all masks; in the
  losses a part of them is where the mask of a query is nearest to a half, out
  of `oversample` times as many drawn at random, and the rest is drawn at
  random. Each set of predictions and each image has points of its own, by the
  key and the batch's `index` (b,). Without, at all pixels of the masks that are
  predicted, in whose cells the truth is averaged.

  Attributes:
    box: name -> loss of matched masks, (b, n, p) each.
    points: p of a mask, 12,544 in the paper; 0 compares whole masks.
    oversample: how many times more are drawn, to choose from.
    importance: the part of the points that is chosen.
  """

  box: Mapping[str, BoxLoss] = dataclasses.field(
    default_factory=lambda: {"mask": mask_entropy, "mask_dice": mask_dice}
  )
  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 2.0, "mask": 5.0, "mask_dice": 5.0}
  )
  points: int = 0
  oversample: float = 3.0
  importance: float = 0.75
  shape = "masks"

  def __post_init__(self):
    super().__post_init__()
    for name, fits, expected in (
      ("points", self.points >= 0, "0 or more"),
      ("oversample", self.oversample >= 1, "1 or more"),
      ("importance", 0 <= self.importance <= 1, "a part, 0 to 1"),
    ):
      if not fits:
        got = getattr(self, name)
        raise UserError(f"{name}: got {got}; expected {expected}.")

  def __call__(
    self, outputs: Mapping[str, Array], batch: Batch, key: Array | None = None
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs; `key` is that of the points."""
    found, truth = outputs["masks"], batch["masks"].astype(jnp.float32)
    if self.points:
      assert key is not None, "points are drawn by a key"
      keys = {"keys": example_keys(batch, key)}
      return super().__call__(outputs, {**batch, "masks": truth} | keys)
    size = (*truth.shape[:2], *found.shape[-2:])
    if truth.shape != size:
      truth = jax.image.resize(truth, size, "linear")
    flat = lambda x: x.reshape(*x.shape[:-2], -1)
    return super().__call__(
      {**outputs, "masks": flat(found)}, {**batch, "masks": flat(truth)}
    )

  def _for_matching(
    self, boxes: Array, truth: Array, batch: Batch
  ) -> tuple[Array, Array]:
    """Returns masks (b * i, q, p) and truth (b * i, n, p) as `pairs` does."""
    if not self.points:
      return super()._for_matching(boxes, truth, batch)
    b, number = len(truth), len(boxes) // len(truth)
    draw = lambda i: drawn(batch["keys"], i, MATCHING, (self.points,))
    points = jnp.moveaxis(jax.lax.map(draw, jnp.arange(number)), 0, 1)
    boxes = jax.lax.stop_gradient(boxes)
    seen = sample_points(boxes, points.reshape(len(boxes), -1, 2))
    # Of all sets together: the truth is not repeated.
    real = sample_points(truth, points.reshape(b, -1, 2))
    return seen, _by_set(real, number)

  def _for_losses(
    self, found: Array, truth: Array, batch: Batch
  ) -> tuple[Array, Array]:
    """Returns masks of the matched queries, and truth, (b * i, n, p) both."""
    if not self.points:
      return super()._for_losses(found, truth, batch)
    b, n, h, w = len(truth), *found.shape[1:]
    masks = jnp.moveaxis(found.reshape(b, -1, n, h, w), 1, 0)
    choose = lambda item: self._chosen(*item, batch["keys"])
    items = jax.lax.stop_gradient(masks), jnp.arange(len(masks))
    points = jnp.moveaxis(jax.lax.map(choose, items), 0, 1)
    seen = sample_points(found, points.reshape(len(found), n, -1, 2))
    points = jnp.moveaxis(points, 1, 2).reshape(b, n, -1, 2)
    return seen, _by_set(sample_points(truth, points), len(masks))

  def _chosen(self, masks: Array, i: Array, keys: Array) -> Array:
    """Returns points (b, n, p, 2) for the masks (b, n, h, w) of set i."""
    n, sure = masks.shape[1], int(self.importance * self.points)
    number = int(self.oversample * self.points)
    candidates = drawn(keys, i, CANDIDATES, (n, number))
    near = unsure_points(masks, candidates, sure)
    rest = drawn(keys, i, REST, (n, self.points - sure))
    return jnp.concatenate([near, rest], 2)

  def pairs(self, boxes: Array, truth: Array) -> dict[str, Array]:
    """Returns each loss of every pair of masks (b, q, p) and truth (b, n, p).

    By products of matrices: pairs of pixels would not fit into memory.
    """
    product = lambda x: jnp.einsum("bqp,bnp->bqn", x, truth)
    probs = jax.nn.sigmoid(boxes)
    areas = probs.sum(-1)[..., None] + truth.sum(-1)[:, None]
    none = jax.nn.softplus(boxes).sum(-1)[..., None]
    return {
      "mask": (none - product(boxes)) / boxes.shape[-1],
      "mask_dice": 1 - (2 * product(probs) + 1) / (areas + 1),
    }


def drawn(keys: Array, i: Array, use: int, shape: tuple[int, ...]) -> Array:
  """Returns points (b, *shape, 2) in [0, 1) of set i, for one of `USES`.

  Args:
    keys: (b,), of each example.
    i: number of the set.
    use: what they are for.
    shape: how many.
  """

  def one(key: Array) -> Array:
    key = jax.random.fold_in(key, len(USES) * i + use)
    return jax.random.uniform(key, (*shape, 2), jnp.float32)

  return jax.vmap(one)(keys)


def _by_set(values: Array, number: int) -> Array:
  """Returns values (b, n, i * p) of i sets, one after the other, by these.

  They are (b * i, n, p).
  """
  b, n, _ = values.shape
  each = jnp.moveaxis(values.reshape(b, n, number, -1), 2, 1)
  return each.reshape(b * number, n, -1)
