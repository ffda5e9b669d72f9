"""Autoencoding, plain or of what noise has left."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals
from vision_jax.tasks.generative import UNIT, outside
from vision_jax.tasks.net import NET, OneNet

CORRUPTIONS = ("none", "gaussian", "masking")


@dataclasses.dataclass(frozen=True)
class Autoencoding(OneNet):
  """Reconstructs images from their codes by squared error.

  A batch has `image` (b, h, w, c), in [0, 1], `index` (b,) and `mask` (b,).
  Noise is drawn from an example's index. Logs `mse`, the mean over pixels, and
  `outside`, the share of pixels outside [0, 1].

  Attributes:
    model: image -> image, by way of its `encode` and `decode`.
    corruption: noise on the input of a denoising autoencoder (Vincent et al.,
      2010): "gaussian", "masking" (pixels become 0) or "none".
    level: standard deviation of the noise, or the share of pixels masked.
  """

  model: nn.Module
  corruption: str = "none"
  level: float = 0.0

  def __post_init__(self):
    check_name("corruption", self.corruption, CORRUPTIONS)
    if self.level < 0 or (self.corruption == "masking" and self.level > 1):
      raise UserError(
        f"level: got {self.level}; expected >= 0, and a share for masking."
      )

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images."""
    return UNIT

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The squared error."""
    return (Objective(NET, self._loss, {"mse": 1.0}),)

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

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, axes = batch["image"], (1, 2, 3)
    given = self.corrupt(batch, key)
    got, stats = self.net.run(params, stats, given, key=key, train=train)
    return {
      "mse": Mean.of(jnp.mean((got - image) ** 2, axes), batch["mask"]),
      "outside": Mean.of(outside(image, UNIT), batch["mask"]),
    }, stats
