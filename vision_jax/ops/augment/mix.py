"""Two images in one: MixUp and CutMix.

Examples 2 i and 2 i + 1 of a batch are mixed with one another, so that nothing
crosses a shard; their order in a batch is random already. `label` becomes a
distribution (b, k), float32. An example whose partner is padding stays whole.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.clips import frames_as_channels
from vision_jax.ops.augment.erase import rectangle
from vision_jax.ops.augment.geometry import (
  check_image_only,
  check_probability,
)
from vision_jax.ops.augment.keys import integers, uniforms

_KNOTS = 4097


def mixup(
  alpha: float, num_classes: int, *, probability: float = 1.0
) -> Augment:
  """A weighted mean of two images and of their labels; the image is float32.

  Zhang et al., https://arxiv.org/abs/1710.09412.

  Args:
    alpha: the weight of an image is drawn from Beta(alpha, alpha).
    num_classes: k of the label's distribution.
    probability: probability that a pair is mixed.
  """
  return _make(alpha, None, num_classes, probability, 0.0)


def cutmix(
  alpha: float, num_classes: int, *, probability: float = 1.0
) -> Augment:
  """A rectangle of the partner's image; labels are weighted by area.

  Yun et al., https://arxiv.org/abs/1905.04899.

  Args:
    alpha: the part that stays is drawn from Beta(alpha, alpha), before the
      rectangle is cut at the border.
    num_classes: k of the label's distribution.
    probability: probability that a pair is mixed.
  """
  return _make(None, alpha, num_classes, probability, 1.0)


def mixup_or_cutmix(
  mixup_alpha: float,
  cutmix_alpha: float,
  num_classes: int,
  *,
  switch: float = 0.5,
  probability: float = 1.0,
) -> Augment:
  """CutMix for a part `switch` of the pairs, and MixUp for the rest.

  As in DeiT, https://arxiv.org/abs/2012.12877, which draws for each batch.
  """
  check_probability(switch)
  return _make(mixup_alpha, cutmix_alpha, num_classes, probability, switch)


def _make(mixup_alpha, cutmix_alpha, num_classes, probability, switch):
  check_probability(probability)
  if num_classes < 1:
    raise UserError(f"num_classes: got {num_classes}; expected >= 1.")
  tables = [
    beta_quantiles(a) for a in (mixup_alpha, cutmix_alpha) if a is not None
  ]

  @frames_as_channels
  def augment(batch, key):
    check_image_only(batch, "mixing")
    image = batch["image"]
    draws = _of_the_first(uniforms(batch, key, 5)).T
    part = [interpolate(table, draws[0]) for table in tables]
    mixed = (draws[1] < probability) & _both_real(batch)
    weight = cut = None
    if mixup_alpha is not None:
      weight = jnp.where(mixed, part[0], 1)
      image_weight = weight[:, None, None, None]
    if cutmix_alpha is not None:
      cut = _cut(image, part[-1], draws[2:4]) & mixed[:, None, None, None]
      kept = 1 - jnp.mean(cut, (1, 2, 3), dtype=jnp.float32)
      if weight is None:
        weight, image_weight = kept, 1 - cut.astype(jnp.float32)
      else:
        cuts = draws[4] < switch
        weight = jnp.where(cuts, kept, weight)
        image_weight = jnp.where(
          cuts[:, None, None, None], 1 - cut.astype(jnp.float32), image_weight
        )
    label = _distribution(batch["label"], num_classes)
    new_image = _mix(image, image_weight)
    if mixup_alpha is None:
      new_image = new_image.astype(image.dtype)
    return {**batch, "image": new_image, "label": _mix(label, weight[:, None])}

  return augment


def _partner(x: Array) -> Array:
  """Swaps the examples of each pair."""
  pairs = x.reshape(x.shape[0] // 2, 2, *x.shape[1:])
  return pairs[:, ::-1].reshape(x.shape)


def _of_the_first(x: Array) -> Array:
  """Gives both examples of a pair the values of the first."""
  if x.shape[0] % 2:
    raise UserError(
      f"batch: got {x.shape[0]} examples on a shard; mixing pairs neighbours "
      "and needs an even number. Choose a batch size divisible by 2 x devices."
    )
  pairs = x.reshape(x.shape[0] // 2, 2, *x.shape[1:])
  return jnp.broadcast_to(pairs[:, :1], pairs.shape).reshape(x.shape)


def _both_real(batch: Batch) -> Array:
  if "mask" not in batch:
    return jnp.ones(batch["image"].shape[0], bool)
  real = batch["mask"] > 0
  return real & _partner(real)


def _mix(x: Array, weight: Array) -> Array:
  """Returns weight x + (1 - weight) partner, in float32."""
  x = x.astype(jnp.float32)
  # A product with 0 keeps a NaN of padding.
  part = lambda w, value: jnp.where(w == 0, 0, w * value)
  return part(weight, x) + part(1 - weight, _partner(x))


def _cut(image: Array, part: Array, where: Array) -> Array:
  """Returns bools (b, h, w, 1): where the partner is seen."""
  h, w = image.shape[1:3]
  side = jnp.sqrt(1 - part)
  tall, wide = ((n * side).astype(jnp.int32) for n in (h, w))
  top = integers(where[0], h) - tall // 2
  left = integers(where[1], w) - wide // 2
  return rectangle(h, w, top, left, top + tall, left + wide)


def _distribution(label: Array, k: int) -> Array:
  if not jnp.issubdtype(label.dtype, jnp.integer):
    if label.shape[-1] != k:
      raise UserError(
        f"label: got {label.shape[-1]} classes; num_classes is {k}."
      )
    return label.astype(jnp.float32)
  valid = (label >= 0) & (label < k)
  return jnp.where(
    valid[:, None], jax.nn.one_hot(label, k, dtype=jnp.float32), jnp.nan
  )


def beta_quantiles(alpha: float) -> np.ndarray:
  """Returns quantiles of Beta(alpha, alpha) at even steps.

  Interpolating them draws without the rejection loop of `jax.random.beta`,
  which takes seconds to compile.
  """
  if not alpha > 0:
    raise UserError(f"alpha: got {alpha}; expected a number above 0.")
  knots = np.linspace(0, 1, _KNOTS)
  return scipy.special.betaincinv(alpha, alpha, knots).astype(np.float32)


def interpolate(table: np.ndarray, uniform: Array) -> Array:
  """Returns draws by a table of even quantiles, from uniform ones."""
  place = uniform * (_KNOTS - 1)
  below = jnp.minimum(place.astype(jnp.int32), _KNOTS - 2)
  low, high = jnp.asarray(table)[below], jnp.asarray(table)[below + 1]
  return low + (high - low) * (place - below)
