"""What diffusion and flow matching share: a net that denoises, and its guide.

A noisy image is x = alpha x0 + sigma eps. A task of this family says which
times are trained at, what its net is told of them, and how its output is read.
"""

import abc
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Terms
from vision_jax.errors import UserError
from vision_jax.ops import diffusion
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion import Denoised
from vision_jax.tasks.conditions import Conditional, check_guidance, dropped
from vision_jax.tasks.generative import SIGNED, outside
from vision_jax.tasks.net import OneNet

# Of parameters, x, t and what the condition reads: the output, and statistics.
Run = Callable[[Nets, Array, Array, Any], tuple[Array, Nets]]


class Denoising(Conditional, OneNet, abc.ABC):
  """A denoiser of images in [-1, 1], with or without a condition.

  A task that denoises something else than pixels, such as a fixed net's codes,
  has its own `encode` and `decode`.

  Attributes:
    drop_label: share of the examples trained without their condition, which is
      what classifier-free guidance needs.
    clip: whether denoised images are clipped to [-1, 1] while sampling.
  """

  drop_label: float
  clip: bool

  @abc.abstractmethod
  def noised(self, batch: Batch, key: Array) -> tuple[Array, Array, Array]:
    """Returns noisy images, their times (b,) and the noise."""

  @abc.abstractmethod
  def _read(self, out: Array, x: Array, t: Array) -> Denoised:
    """Returns what the net's output at x and t (b,) means."""

  @abc.abstractmethod
  def _errors(
    self, image: Array, x: Array, t: Array, eps: Array, out: Array
  ) -> Mapping[str, Array]:
    """Returns the terms of the loss, (b,) each."""

  def _seen(self, x: Array, t: Array) -> tuple[Array, Array]:
    """Returns what the net is given of x and t (b,): here they themselves."""
    return x, t

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return SIGNED

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics, of the condition's nets too."""
    nets = self.condition.init(jax.random.fold_in(key, 1), batch)
    given, image = self.condition.of(*nets, batch), batch["image"]
    t = jnp.zeros(len(image), jnp.int32)
    return joined(nets, self.net.init(key, image, t, given))

  def encode(self, params: Nets, stats: Nets, image: Array) -> Array:
    """Returns what is denoised in place of images: here they themselves."""
    del params, stats
    return image

  def decode(self, params: Nets, stats: Nets, x: Array) -> Array:
    """Returns the images of what was denoised."""
    del params, stats
    return x

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, denoised from random times, and the times `t` (b,)."""
    x, t, _ = self.noised(self._encoded(params, stats, batch), key)
    denoise = self.denoiser(params, stats, self.condition.given(batch))
    return {"image": self.decode(params, stats, denoise(x, t).x0), "t": t}

  def denoiser(
    self,
    params: Nets,
    stats: Nets,
    given: Any,
    *,
    guidance: float = 1.0,
    clip: bool = False,
  ) -> Callable[[Array, Array], Denoised]:
    """Returns (x, t) -> Denoised, `given` what the condition has read."""
    encode = functools.partial(self.condition.encode, params, stats)
    condition, null = encode(given), None
    if guidance != 1:
      self.check_guidance(guidance)
      null = encode(self.condition.null(given))
    model = functools.partial(self.net.given(params, stats), train=False)

    def denoise(x, t):
      seen = self._seen(x, t)
      if guidance == 1:
        out = model(*seen, condition)
      else:
        out = diffusion.guided(model, *seen, condition, null, guidance=guidance)
      clean, between = self._read(out, x, t)
      return Denoised(jnp.clip(clean, *SIGNED) if clip else clean, between)

    return denoise

  def check_guidance(self, guidance: float) -> None:
    """Refuses guidance of a model that did not learn what that needs."""
    check_guidance(guidance, self.condition, self.drop_label)

  def given(self, batch: Batch, key: Array | None = None) -> Any:
    """What the condition reads; with a key for some examples its null."""
    given = self.condition.given(batch)
    if key is None or not self.drop_label:
      return given
    keys = example_keys(batch, key)
    return dropped(self.condition, given, keys, self.drop_label)

  def _check_drop_label(self) -> None:
    if not 0 <= self.drop_label <= 1:
      raise UserError(f"drop_label: got {self.drop_label}; expected [0, 1].")

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask, pixels = batch["mask"], batch["image"]
    batch = self._encoded(params, stats, batch)
    given = self.given(batch, key if train else None)

    def run(params, x, t, given):
      condition = self.condition.encode(params, stats, given)
      return self.net.run(
        *(params, stats, *self._seen(x, t), condition),
        key=key,
        train=train,
        mask=mask,
      )

    errors, stats = self._compared(run, params, batch, key, given)
    errors = {**errors, "outside": outside(pixels, SIGNED)}
    return {name: Mean.of(e, mask) for name, e in errors.items()}, stats

  def _compared(
    self, run: Run, params: Nets, batch: Batch, key: Array, given: Any
  ) -> tuple[Mapping[str, Array], Nets]:
    """Returns the terms of the loss, (b,) each, and new statistics."""
    x, t, eps = self.noised(batch, key)
    out, stats = run(params, x, t, given)
    return self._errors(batch["image"], x, t, eps, out), stats

  def _solved(
    self, params, stats, batch, key, path, guidance, **how
  ) -> dict[str, Array]:
    """Returns images that `diffusion.solve` draws along a path."""
    denoise = self.denoiser(
      params,
      stats,
      self.condition.given(batch),
      guidance=guidance,
      clip=self.clip,
    )
    draw = functools.partial(diffusion.solve, denoise, path, **how)
    return self._sampled(params, stats, batch, key, draw)

  def _sampled(self, params, stats, batch, key, draw) -> dict[str, Array]:
    """Returns the images of what `draw` makes of keys and a shape."""
    encode = functools.partial(self.encode, params, stats)
    shape = jax.eval_shape(encode, batch["image"]).shape[1:]
    x = draw(example_keys(batch, key), shape)
    return {"image": jnp.clip(self.decode(params, stats, x), *SIGNED)}

  def _encoded(self, params: Nets, stats: Nets, batch: Batch) -> Batch:
    return {**batch, "image": self.encode(params, stats, batch["image"])}


def per_example(values: Array) -> Array:
  """Returns the mean of each example's values (b, ...), (b,)."""
  return jnp.mean(values, axis=tuple(range(1, values.ndim)))
