"""Autoencoding: plain, of what noise has left, or with codes that hold still.

And sampling by a normal that is fitted to the codes, which shows what a plain
autoencoder's latent space has between them.
"""

import dataclasses
import functools
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.autoencoding import square_jacobian
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals
from vision_jax.tasks.conditions import Condition, Unconditional
from vision_jax.tasks.generative import UNIT, latents, outside
from vision_jax.tasks.net import NET, OneNet

CORRUPTIONS = ("none", "gaussian", "masking")
_CODES = "codes"  # what is known of them, of the statistics
_EXACT = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True)
class Autoencoding(OneNet):
  """Reconstructs images from their codes by squared error.

  A batch has `image` (b, h, w, c), in [0, 1], `index` (b,) and `mask` (b,).
  Noise is drawn from an example's index. Logs `mse`, the mean over pixels,
  `contraction`, where it has a weight, and `outside`, the share of pixels
  outside [0, 1]. The mean and the second moments of codes over the last
  batches are statistics of the model: `sample` draws from that normal.

  Attributes:
    model: image -> image, by way of its `encode` and `decode`.
    corruption: noise on the input of a denoising autoencoder (Vincent et al.,
      2010): "gaussian", "masking" (pixels become 0) or "none".
    level: standard deviation of the noise, or the share of pixels masked.
    contraction: weight of the squared Jacobian of a code by the image that is
      encoded, of a contractive autoencoder (Rifai et al., 2011); 0 for none.
      It stands beside the mean over pixels: the paper's, beside their sum, is
      as many times as large.
    decay: what stays of the moments of codes in a step.
  """

  model: nn.Module
  corruption: str = "none"
  level: float = 0.0
  contraction: float = 0.0
  decay: float = 0.99
  condition: ClassVar[Condition] = Unconditional()

  def __post_init__(self):
    check_name("corruption", self.corruption, CORRUPTIONS)
    if self.level < 0 or (self.corruption == "masking" and self.level > 1):
      raise UserError(
        f"level: got {self.level}; expected >= 0, and a share for masking."
      )
    if self.contraction < 0:
      raise UserError(f"contraction: got {self.contraction}; expected >= 0.")
    if not 0 <= self.decay < 1:
      raise UserError(
        f"decay: got {self.decay}; expected 0 or more and below 1."
      )

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return UNIT

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The squared error, and the contraction."""
    weights = {"mse": 1.0}
    if self.contraction:
      weights["contraction"] = self.contraction
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the parameters, and statistics with the moments of codes."""
    params, stats = super().init(key, batch)
    net = self.net.given(params, stats)
    encode = functools.partial(net, method="encode")
    d = jax.eval_shape(encode, batch["image"]).shape[-1]
    known = {"mean": jnp.zeros(d), "square": jnp.eye(d)}
    return params, {NET: {**stats[NET], _CODES: known}}

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, reconstructed, its `input`, and `latent` (b, d).

    The codes are those of the images themselves, not of what noise has left.
    """
    model, given = self.net.given(params, stats), self.corrupt(batch, key)
    return {
      "image": model(given, train=False),
      "input": given,
      "latent": model(batch["image"], method="encode"),
    }

  def corrupt(self, batch: Batch, key: Array) -> Array:
    """Returns the images with the noise of each example."""
    image = batch["image"]
    if self.corruption == "none":
      return image
    keys = example_keys(batch, key)
    if self.corruption == "gaussian":
      return image + self.level * normals(keys, 0, image.shape[1:])
    kept = jax.vmap(
      lambda k: jax.random.bernoulli(
        k, jnp.float32(1 - self.level), image.shape[1:]
      )
    )(keys)
    return jnp.where(kept, image, 0)

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    interpolate: int = 0,
    traverse: int = 0,
  ) -> dict[str, Array]:
    """Decodes draws of the codes' normal to `image`, for each `index`.

    Args:
      params: those of all nets, by name.
      stats: likewise.
      batch: `index`.
      key: an image depends on it and its index alone.
      interpolate: images from one code to the next, see `generative.latents`.
      traverse: images along one value of the code, see the same.
    """
    mean, square = (stats[NET][_CODES][name] for name in ("mean", "square"))
    z = latents(
      batch, key, mean.size, interpolate=interpolate, traverse=traverse
    )
    root = _root(square - jnp.outer(mean, mean))
    code = mean + jnp.matmul(z, root, precision=_EXACT)
    image = self.net.given(params, stats)(code, method="decode")
    return {"image": jnp.clip(image, *UNIT)}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    given = self.corrupt(batch, key)
    got, new = self.net.run(params, stats, given, key=key, train=train)
    terms = {
      "mse": jnp.mean((got - image) ** 2, (1, 2, 3)),
      "outside": outside(image, UNIT),
    }
    net = self.net.given(params, stats)
    encode = functools.partial(net, method="encode")
    if self.contraction:
      terms["contraction"] = square_jacobian(encode, given)
    if train:
      code = jax.lax.stop_gradient(encode(image))
      moved = self._moved(stats[NET][_CODES], code, mask, step)
      new = {**new, NET: {**new[NET], _CODES: moved}}
    return {name: Mean.of(x, mask) for name, x in terms.items()}, new

  def _moved(self, known, code, mask, step) -> dict[str, Mean]:
    """Returns the next moments of codes (b, d): at first of all so far."""
    step = jnp.asarray(step, jnp.float32)
    kept, count = jnp.minimum(self.decay, step / (step + 1)), jnp.sum(mask)
    code = jnp.where(mask[:, None] > 0, code, 0)
    weighed = code * mask[:, None]
    totals = {
      "mean": jnp.sum(weighed, 0),
      "square": jnp.matmul(weighed.T, code, precision=_EXACT),
    }
    return {
      name: Mean(kept * count * known[name] + (1 - kept) * total, count)
      for name, total in totals.items()
    }


def _root(covariance: Array) -> Array:
  """Returns the root (d, d) of a covariance, symmetric as it is.

  What float32 leaves of a variance of 0, a little below it, is 0.
  """
  values, vectors = jnp.linalg.eigh(covariance)
  scaled = vectors * jnp.sqrt(jnp.maximum(values, 0))
  return jnp.matmul(scaled, vectors.T, precision=_EXACT)
