"""Denoising diffusion: learns to remove noise, and so to draw images."""

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import jax

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Nets, Objective
from vision_jax.errors import UserError
from vision_jax.ops import diffusion
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion import Denoised, Schedule
from vision_jax.ops.diffusion.likelihood import step_bits
from vision_jax.ops.diffusion.noise import normals, times
from vision_jax.ops.diffusion.predictions import KINDS
from vision_jax.ops.diffusion.tables import VARIANCES
from vision_jax.tasks.conditions import Condition
from vision_jax.tasks.denoising import Denoising, per_example
from vision_jax.tasks.net import NET


@dataclasses.dataclass(frozen=True)
class Diffusion(Denoising):
  """A denoiser of images in [-1, 1], with or without a condition.

  A batch has `image` (b, h, w, c), `index` (b,), `mask` (b,) and what the
  condition reads: `label` int (b,) of a class-conditional model. Noise and
  times are drawn from an example's index. Logs `mse`, the squared error of the
  prediction, besides the weighted one, and `outside`, the share of pixels
  outside [-1, 1]: it is 0 unless the data are scaled wrongly.

  A task that denoises something else than pixels, such as a fixed net's codes,
  has its own `encode` and `decode`.

  Attributes:
    model: (x, t, condition, *, train, mask) -> prediction (b, h, w, c), or
      twice the channels where the variance is learned. Has `num_classes`,
      where that is the condition.
    schedule: levels of noise.
    prediction: "eps", "x0" or "v".
    weighting: weights of the squared error, see `ops.diffusion.loss_weight`.
    variance: variance of a sampling step: "small", "large" (DDPM's CIFAR-10) or
      "learned" (needs a model with learned_variance).
    drop_label: share of the examples trained without their condition, which is
      what classifier-free guidance needs.
    vlb_weight: weight of the bound in the hybrid loss of a learned variance
      (https://arxiv.org/abs/2102.09672; bits per dimension, of all T terms).
    clip: whether denoised images are clipped to [-1, 1] while sampling.
    condition: what the model is given besides; None is the class of a model
      with `num_classes`, and nothing without.
  """

  model: nn.Module
  schedule: Schedule
  prediction: str = "eps"
  weighting: str = "uniform"
  variance: str = "large"
  drop_label: float = 0.1
  vlb_weight: float = 1e-3
  clip: bool = True
  condition: Condition | None = None

  def __post_init__(self):
    self._settle_condition(self.model)
    check_name("prediction", self.prediction, KINDS)
    check_name("weighting", self.weighting, diffusion.WEIGHTINGS)
    check_name("variance", self.variance, VARIANCES)
    self._check_drop_label()
    learned = bool(getattr(self.model, "learned_variance", False))
    if learned != self._learned:
      raise UserError(
        f"variance: got {self.variance!r} for a model with learned_variance="
        f"{learned}; expected 'learned' with such a model, and only then."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted squared error, and the bound where it is learned from."""
    weights = {"denoising": 1.0}
    if self._learned:
      weights["vlb"] = self.vlb_weight
    return (Objective(NET, self._loss, weights),)

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    sampler: str = "ddim",
    steps: int = 50,
    guidance: float = 1.0,
    eta: float = 0.0,
    spacing: str = "even",
  ) -> dict[str, Array]:
    """Draws `image` (b, h, w, c), one for each `index` of the batch.

    Args:
      params: those of all nets, by name.
      stats: likewise.
      batch: `index`, what the condition reads, and `image`, of which only the
        shape counts.
      key: an image depends on it, its index and its condition alone.
      sampler: "ddpm", "ddim", "dpmpp" or "heun".
      steps: number of the sampler's steps, at most the schedule's.
      guidance: 1 samples the condition as it was learned, more exaggerates it.
      eta: ddim's share of noise, 0 (deterministic) to 1.
      spacing: how ddim's times are spaced, "even" or "quadratic".

    Raises:
      UserError: for an unknown sampler, too many steps, or guidance that the
        model was not trained for.
    """
    denoise = self.denoiser(
      params,
      stats,
      self.condition.given(batch),
      guidance=guidance,
      clip=self.clip,
    )
    draw = functools.partial(
      diffusion.sample,
      denoise,
      self.schedule,
      sampler=sampler,
      steps=steps,
      eta=eta,
      spacing=spacing,
      variance=self.variance,
    )
    return self._sampled(params, stats, batch, key, draw)

  def bits_per_dim(
    self, terms: int | None = None
  ) -> Callable[[Nets, Nets, Batch, Array], dict[str, Array]]:
    """Returns an output for `Eval` and its metric `BitsPerDim`.

    Args:
      terms: evaluations an image, a divisor of T; None is all T.

    Raises:
      UserError: for a task that denoises codes, which bound no pixels.
    """
    if type(self).encode is not Denoising.encode:
      raise UserError("bits_per_dim: got codes; expected a task of pixels.")

    def output(params, stats, batch, key):
      return diffusion.bits_per_dim(
        self.denoiser(
          params, stats, self.condition.given(batch), clip=self.clip
        ),
        self.schedule,
        batch["image"],
        example_keys(batch, key),
        variance=self.variance,
        terms=terms,
      )

    return output

  def _read(self, out: Array, x: Array, t: Array) -> Denoised:
    alpha, sigma = self.schedule.levels(t, x.ndim)
    c = x.shape[-1]
    clean = diffusion.to_x0(self.prediction, out[..., :c], x, alpha, sigma)
    return Denoised(clean, (out[..., c:] + 1) / 2 if self._learned else None)

  def _errors(self, image, x, t, eps, out) -> dict[str, Array]:
    levels = self.schedule.levels(t, x.ndim)
    wanted = diffusion.to_prediction(self.prediction, image, eps, *levels)
    mse = per_example((out[..., : x.shape[-1]] - wanted) ** 2)
    weight = diffusion.loss_weight(
      self.schedule, t, prediction=self.prediction, weighting=self.weighting
    )
    errors = {"denoising": weight * mse, "mse": mse}
    if self._learned:
      errors["vlb"] = self._bound(image, x, t, out)
    return errors

  def _bound(self, image: Array, x: Array, t: Array, out: Array) -> Array:
    """All T terms of the bound from one, as a loss of the variance alone."""
    clean, between = self._read(out, x, t)
    clean = jax.lax.stop_gradient(clean)
    bits = step_bits(self.schedule, image, x, t, clean, between)
    return self.schedule.steps * bits

  def noised(self, batch: Batch, key: Array) -> tuple[Array, Array, Array]:
    """Returns noisy images, their times (b,) and the noise."""
    image = batch["image"]
    keys = example_keys(batch, key)
    t = times(key, batch["index"], self.schedule.steps)
    eps = normals(keys, 0, image.shape[1:])
    alpha, sigma = self.schedule.levels(t, image.ndim)
    return alpha * image + sigma * eps, t, eps

  @property
  def _learned(self) -> bool:
    return self.variance == "learned"
