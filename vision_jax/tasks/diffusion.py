"""Denoising diffusion: learns to remove noise, and so to draw images."""

import dataclasses
import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.ops import diffusion
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion import Denoised, Schedule
from vision_jax.ops.diffusion.likelihood import step_bits
from vision_jax.ops.diffusion.noise import normals, times
from vision_jax.ops.diffusion.predictions import KINDS
from vision_jax.ops.diffusion.tables import VARIANCES
from vision_jax.tasks.generative import SIGNED, labels, outside
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Diffusion(OneNet):
  """A denoiser of images in [-1, 1], with or without classes.

  A batch has `image` (b, h, w, c), `index` (b,), `mask` (b,) and, for a
  class-conditional model, `label` int (b,). Noise and times are drawn from an
  example's index. Logs `mse`, the squared error of the prediction, besides the
  weighted one, and `outside`, the share of pixels outside [-1, 1]: it is 0
  unless the data are scaled wrongly.

  Attributes:
    model: (x, t, label, *, train, mask) -> prediction (b, h, w, c), or twice
      the channels where the variance is learned; has `num_classes`.
    schedule: levels of noise.
    prediction: "eps", "x0" or "v".
    weighting: weights of the squared error, see `ops.diffusion.loss_weight`.
    variance: variance of a sampling step: "small", "large" (DDPM's CIFAR-10) or
      "learned" (needs a model with learned_variance).
    drop_label: share of the examples trained without their class, which is
      what classifier-free guidance needs.
    vlb_weight: weight of the bound in the hybrid loss of a learned variance
      (https://arxiv.org/abs/2102.09672; bits per dimension, of all T terms).
    clip: whether denoised images are clipped to [-1, 1] while sampling.
  """

  model: nn.Module
  schedule: Schedule
  prediction: str = "eps"
  weighting: str = "uniform"
  variance: str = "large"
  drop_label: float = 0.1
  vlb_weight: float = 1e-3
  clip: bool = True

  def __post_init__(self):
    check_name("prediction", self.prediction, KINDS)
    check_name("weighting", self.weighting, diffusion.WEIGHTINGS)
    check_name("variance", self.variance, VARIANCES)
    if not 0 <= self.drop_label <= 1:
      raise UserError(f"drop_label: got {self.drop_label}; expected [0, 1].")
    learned = bool(getattr(self.model, "learned_variance", False))
    if learned != self._learned:
      raise UserError(
        f"variance: got {self.variance!r} for a model with learned_variance="
        f"{learned}; expected 'learned' with such a model, and only then."
      )

  @property
  def num_classes(self) -> int:
    """Classes that samples can be asked for; 0 for an unconditional model."""
    return self.model.num_classes

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return SIGNED

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted squared error, and the bound where it is learned from."""
    weights = {"denoising": 1.0}
    if self._learned:
      weights["vlb"] = self.vlb_weight
    return (Objective(NET, self._loss, weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, denoised from random times, and the times `t` (b,)."""
    x, t, _ = self.noised(batch, key)
    denoise = self.denoiser(params, stats, self.label(batch))
    return {"image": denoise(x, t).x0, "t": t}

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
      params: the model's.
      stats: none.
      batch: `index`, `label` of a class-conditional model, and `image`, of
        which only the shape counts.
      key: an image depends on it and on its index alone.
      sampler: "ddpm", "ddim", "dpmpp" or "heun".
      steps: number of the sampler's steps, at most the schedule's.
      guidance: 1 samples the class as it was learned, more exaggerates it.
      eta: ddim's share of noise, 0 (deterministic) to 1.
      spacing: how ddim's times are spaced, "even" or "quadratic".

    Raises:
      UserError: for an unknown sampler, too many steps, or guidance that the
        model was not trained for.
    """
    denoise = self.denoiser(
      params, stats, self.label(batch), guidance=guidance, clip=self.clip
    )
    image = diffusion.sample(
      denoise,
      self.schedule,
      example_keys(batch, key),
      batch["image"].shape[1:],
      sampler=sampler,
      steps=steps,
      eta=eta,
      spacing=spacing,
      variance=self.variance,
    )
    return {"image": jnp.clip(image, *SIGNED)}

  def bits_per_dim(
    self, terms: int | None = None
  ) -> Callable[[Nets, Nets, Batch, Array], dict[str, Array]]:
    """Returns an output for `Eval` and its metric `BitsPerDim`.

    Args:
      terms: evaluations an image, a divisor of T; None is all T.
    """

    def output(params, stats, batch, key):
      return diffusion.bits_per_dim(
        self.denoiser(params, stats, self.label(batch), clip=self.clip),
        self.schedule,
        batch["image"],
        example_keys(batch, key),
        variance=self.variance,
        terms=terms,
      )

    return output

  def denoiser(
    self,
    params: Nets,
    stats: Nets,
    label: Array | None,
    *,
    guidance: float = 1.0,
    clip: bool = False,
  ) -> Callable[[Array, Array], Denoised]:
    """Returns (x, t) -> Denoised, with the model's weights."""
    if guidance != 1:
      self.check_guidance(guidance)
    model = functools.partial(self.net.given(params, stats), train=False)

    def denoise(x, t):
      if guidance == 1:
        out = model(x, t, label)
      else:
        out = diffusion.guided(
          model, x, t, label, none=self.num_classes, guidance=guidance
        )
      clean, between = self._read(out, x, t)
      return Denoised(jnp.clip(clean, *SIGNED) if clip else clean, between)

    return denoise

  def check_guidance(self, guidance: float) -> None:
    """Checks that the model learned what guidance extrapolates from.

    Raises:
      UserError: for an unconditional model, and for one that was never trained
        without classes.
    """
    if not self.num_classes:
      raise UserError(
        f"guidance: got {guidance} with an unconditional model; expected 1. "
        "Train with num_classes to guide."
      )
    if not self.drop_label:
      raise UserError(
        f"guidance: got {guidance} with a model trained with drop_label=0, "
        "which has never seen an image without its class; expected 1. Train "
        "with drop_label=0.1 to guide."
      )

  def _read(self, out: Array, x: Array, t: Array) -> Denoised:
    alpha, sigma = self.schedule.levels(t, x.ndim)
    c = x.shape[-1]
    clean = diffusion.to_x0(self.prediction, out[..., :c], x, alpha, sigma)
    return Denoised(clean, (out[..., c:] + 1) / 2 if self._learned else None)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    x, t, eps = self.noised(batch, key)
    label = self.label(batch, key if train else None)
    out, stats = self.net.run(
      params, stats, x, t, label, key=key, train=train, mask=mask
    )
    levels = self.schedule.levels(t, x.ndim)
    wanted = diffusion.to_prediction(self.prediction, image, eps, *levels)
    mse = _per_example((out[..., : x.shape[-1]] - wanted) ** 2)
    weight = diffusion.loss_weight(
      self.schedule, t, prediction=self.prediction, weighting=self.weighting
    )
    terms = {
      "denoising": Mean.of(weight * mse, mask),
      "mse": Mean.of(mse, mask),
      "outside": Mean.of(outside(image, SIGNED), mask),
    }
    if self._learned:
      terms["vlb"] = Mean.of(self._bound(image, x, t, out), mask)
    return terms, stats

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

  def label(self, batch: Batch, key: Array | None = None) -> Array | None:
    """The classes; with a key some become no class."""
    label = labels(batch, self.num_classes)
    if label is None or key is None or not self.drop_label:
      return label
    keys = jax.vmap(lambda k: jax.random.fold_in(k, 1))(
      example_keys(batch, key)
    )
    drop = jax.vmap(
      lambda k: jax.random.bernoulli(k, jnp.float32(self.drop_label))
    )(keys)
    return jnp.where(drop, self.num_classes, label)

  @property
  def _learned(self) -> bool:
    return self.variance == "learned"


def _per_example(values: Array) -> Array:
  return jnp.mean(values, axis=tuple(range(1, values.ndim)))
