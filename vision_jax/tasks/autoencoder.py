"""Autoencoding, plain or of what noise has left."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.names import check_name
from vision_jax.ops.diffusion.noise import normals
from vision_jax.tasks.generative import UNIT, outside

NET = "model"
CORRUPTIONS = ("none", "gaussian", "masking")


@dataclasses.dataclass(frozen=True)
class Autoencoding:
  """Reconstructs images from their codes by squared error.

  A batch has `image` (b, h, w, c), in [0, 1], `index` (b,) and `mask` (b,).
  Noise is drawn from an example's index. Logs `mse`, the mean over pixels, and
  `outside`, the share of pixels outside [0, 1].

  Attributes:
    model: has `encode` and `decode`.
    corruption: of the input of a denoising autoencoder (Vincent et al., 2010):
      "gaussian", "masking" (pixels become 0) or "none".
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

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters; there are no statistics."""
    variables = dict(self.model.init(key, batch["image"], train=False))
    return {NET: variables.pop("params")}, {NET: variables}

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, reconstructed, its `input`, and `latent` (b, d).

    The codes are those of the images themselves, not of what noise has left.
    """
    given = self.corrupt(batch, key)
    return {
      "image": self._reconstruct(params, given),
      "input": given,
      "latent": self._apply(params, batch["image"], "encode"),
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

  def _reconstruct(self, params: Nets, image: Array) -> Array:
    code = self._apply(params, image, "encode")
    return self._apply(params, code, "decode")

  def _apply(self, params: Nets, x: Array, method: str) -> Array:
    return self.model.apply({"params": params[NET]}, x, method=method)

  def _loss(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    step: Array,
    train: bool,
  ) -> tuple[dict[str, Mean], Nets]:
    del step, train
    image, axes = batch["image"], (1, 2, 3)
    got = self._reconstruct(params, self.corrupt(batch, key))
    return {
      "mse": Mean.of(jnp.mean((got - image) ** 2, axes), batch["mask"]),
      "outside": Mean.of(outside(image, UNIT), batch["mask"]),
    }, stats
