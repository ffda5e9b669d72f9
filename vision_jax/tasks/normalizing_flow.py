"""Normalizing flows: the exact likelihood of images with uniform noise."""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.likelihood import standard_normal
from vision_jax.ops.augment.keys import uniforms
from vision_jax.tasks.conditions import Condition, Conditional
from vision_jax.tasks.generative import UNIT, dequantised, latents, outside
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class NormalizingFlow(Conditional, OneNet):
  """A flow by its likelihood: RealNVP, arXiv 1605.08803; Glow, 1807.03039.

  A batch has `image` (b, h, w, c), in [0, 1], `index` (b,) and `mask` (b,).
  Grey levels become values of [0, 1) by uniform noise, which is drawn from an
  example's index: the mean of log densities bounds the log-probability of the
  levels from below (https://arxiv.org/abs/1511.01844). Then they become logits
  of alpha + (1 - 2 alpha) x, as in RealNVP's code.

  Logs `bits_per_dim`, (nll + D log bins) / (D log 2) for the D values of an
  image, `nll`, the negative log density in nats, and `outside`, the share of
  pixels outside [0, 1].

  Attributes:
    model: images to standard normal z (b, h w c) with a log-determinant, and
      `decode` back: such as `Glow`.
    bins: grey levels of the data.
    alpha: keeps logits finite; 0 takes none, and x - 1/2, as in Glow.
    condition: None, as there is no conditional flow here.
  """

  model: nn.Module
  bins: int = 256
  alpha: float = 0.05
  condition: Condition | None = None

  def __post_init__(self):
    self._settle_condition(self.model)
    if self.bins < 2:
      raise UserError(
        f"bins: got {self.bins}; expected at least 2 levels, of which uniform "
        "noise makes a density."
      )
    if not 0 <= self.alpha < 0.5:
      raise UserError(
        f"alpha: got {self.alpha}; expected 0 or more and below a half."
      )

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return UNIT

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The bits of a value."""
    return (Objective(NET, self._loss, {"bits_per_dim": 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns what the flow makes of each image, and back.

    `latent` (b, h w c), `log_likelihood` (b,) in nats, of a density of [0, 1),
    and `image`, the inverse of `latent`.
    """
    x, squashed = self._logits(batch, key)
    model = self.net.given(params, stats)
    z, log_det = model(x, train=False)
    log_p = jnp.sum(standard_normal(z), -1) + log_det + squashed
    image = self._image(model, z, batch)
    return {"image": image, "latent": z, "log_likelihood": log_p}

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    temperature: float = 1.0,
    interpolate: int = 0,
  ) -> dict[str, Array]:
    """Draws z and returns its `image` (b, h, w, c), for each `index`.

    Args:
      params: those of all nets, by name.
      stats: likewise.
      batch: `index`, and an `image` that has a shape.
      key: an image depends on it and its index alone.
      temperature: deviation of z; Glow shows samples of 0.7.
      interpolate: images from one z to the next, see `generative.latents`.

    Raises:
      UserError: for a temperature below 0.
    """
    if temperature < 0:
      raise UserError(f"temperature: got {temperature}; expected 0 or more.")
    size = math.prod(batch["image"].shape[1:])
    z = temperature * latents(batch, key, size, interpolate=interpolate)
    return {"image": self._image(self.net.given(params, stats), z, batch)}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    x, squashed = self._logits(batch, key)
    (z, log_det), stats = self.net.run(
      *(params, stats, x), key=key, train=train, mask=mask
    )
    nll = -(jnp.sum(standard_normal(z), -1) + log_det + squashed)
    dims = image[0].size
    bits = nll / (dims * math.log(2)) + math.log2(self.bins)
    terms = {"bits_per_dim": bits, "nll": nll, "outside": outside(image, UNIT)}
    return {name: Mean.of(x, mask) for name, x in terms.items()}, stats

  def _logits(self, batch: Batch, key: Array) -> tuple[Array, Array]:
    """Returns what the flow takes, and that step's log-determinant (b,)."""
    image = batch["image"]
    noise = uniforms(batch, key, image[0].size).reshape(image.shape)
    return to_logits(dequantised(image, noise, self.bins), self.alpha)

  def _image(self, model, z: Array, batch: Batch) -> Array:
    x = model(z, batch["image"].shape[1:], method="decode")
    return jnp.clip(from_logits(x, self.alpha), *UNIT)


def to_logits(x: Array, alpha: float) -> tuple[Array, Array]:
  """Returns the logits of alpha + (1 - 2 alpha) x, and a log-determinant (b,).

  Args:
    x: values (b, ...) in [0, 1].
    alpha: in (0, 0.5); 0 gives x - 1/2.
  """
  if not alpha:
    return x - 0.5, jnp.zeros(len(x))
  p = alpha + (1 - 2 * alpha) * x
  log_p, log_q = jnp.log(p), jnp.log1p(-p)
  slope = math.log(1 - 2 * alpha) - log_p - log_q
  return log_p - log_q, jnp.sum(slope, tuple(range(1, x.ndim)))


def from_logits(y: Array, alpha: float) -> Array:
  """Returns the values whose `to_logits` y (b, ...) is."""
  if not alpha:
    return y + 0.5
  return (jax.nn.sigmoid(y) - alpha) / (1 - 2 * alpha)
