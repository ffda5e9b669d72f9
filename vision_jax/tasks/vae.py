"""Variational autoencoding: learns to bound the likelihood of images."""

import dataclasses
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.likelihood import (
  Bernoulli,
  Likelihood,
  gaussian,
  normal_divergence,
  standard_normal,
)
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals
from vision_jax.tasks.conditions import Condition, Conditional
from vision_jax.tasks.generative import UNIT, dequantised, latents, outside
from vision_jax.tasks.net import NET, OneNet

# What pixels are made of before they are scored -> the likelihoods' kind.
PIXELS = {
  "stochastic": "binary",
  "threshold": "binary",
  "binary": "binary",
  "dequantised": "density",
  "real": "density",
  "levels": "levels",
}
# Draws of an example's key: those of z are 0, 1, ...
_BINARISE, _PRIOR = 2**30, 2**30 + 1


@dataclasses.dataclass(frozen=True)
class VariationalAutoencoding(Conditional, OneNet):
  """The evidence bound, or with more samples the importance-weighted one.

  A batch has `image` (b, h, w, c), in [0, 1], `index` (b,), `mask` (b,), and
  what the condition reads: `label` int (b,) of a model with classes. All noise
  is drawn from an example's index: in an evaluation the data set is binarised
  once.

  Logs, in nats an image, `reconstruction` and `kl` (their sum is the bound's
  negative, `negative_elbo`), or with samples > 1 `negative_bound`;
  `bits_per_dim` of the bound, and `outside`, the share of pixels outside
  [0, 1].

  Attributes:
    model: has `encode` and `decode`, which take the condition second, and
      `latent`; and `num_classes`, where that is the condition.
    likelihood: the distribution of a pixel.
    pixels: what is scored: "stochastic" (each drawn with its grey value's
      probability, anew at every step), "threshold" (at a half) or "binary" (the
      data are) for a Bernoulli likelihood; "dequantised" (256 levels with
      uniform noise) or "real" for a Gaussian one; "levels" for a discretised
      one.
    beta: weight of the divergence: https://openreview.net/forum?id=Sy2fzU9gl.
    samples: k of the bound that is trained: https://arxiv.org/abs/1509.00519.
    condition: what the model is given besides; None is the class of a model
      with `num_classes`, and nothing without.
  """

  model: nn.Module
  likelihood: Likelihood = dataclasses.field(default_factory=Bernoulli)
  pixels: str = "stochastic"
  beta: float = 1.0
  samples: int = 1
  condition: Condition | None = None

  def __post_init__(self):
    self._settle_condition(self.model)
    check_name("pixels", self.pixels, PIXELS)
    if PIXELS[self.pixels] != self.likelihood.kind:
      fit = [k for k, v in PIXELS.items() if v == self.likelihood.kind]
      raise UserError(
        f"pixels: got {self.pixels!r} with {type(self.likelihood).__name__}; "
        f"expected one of {', '.join(fit)}."
      )
    if self.samples < 1:
      raise UserError(f"samples: got {self.samples}; expected at least 1.")
    if self.beta < 0 or (self.beta != 1 and self.samples > 1):
      raise UserError(
        f"beta: got {self.beta} with samples={self.samples}; expected >= 0, "
        "and 1 with more than one sample, whose bound has no divergence."
      )

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return UNIT

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The negative bound."""
    weights = {"negative_bound": 1.0}
    if self.samples == 1:
      weights = {"reconstruction": 1.0, "kl": self.beta}
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics, of the condition's nets too."""
    nets = self.condition.init(jax.random.fold_in(key, 1), batch)
    given = self.condition.of(*nets, batch)
    return joined(nets, self.net.init(key, batch["image"], given))

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, decoded from the mean code, and `latent` (b, d)."""
    model = self.net.given(params, stats)
    given = self.condition.of(params, stats, batch)
    mean, _ = model(self.scored(batch, key), given, method="encode")
    return {"image": self._image(model, mean, given), "latent": mean}

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
    """Draws z and returns the expected `image` (b, h, w, c), for each `index`.

    Args:
      params: those of all nets, by name.
      stats: likewise.
      batch: `index`, and what the condition reads.
      key: an image depends on it, its index and its condition alone.
      interpolate: images from one z to the next, see `generative.latents`.
      traverse: images along one value of the z, see the same.
    """
    given, size = self.condition.of(params, stats, batch), self.model.latent
    z = latents(
      batch,
      key,
      size,
      number=_PRIOR,
      interpolate=interpolate,
      traverse=traverse,
    )
    return {"image": self._image(self.net.given(params, stats), z, given)}

  def interpolate(
    self,
    params: Nets,
    stats: Nets,
    first: Batch,
    second: Batch,
    key: Array,
    *,
    steps: int = 8,
  ) -> Array:
    """Images (b, steps, h, w, c) between the mean codes of two batches.

    The codes are those that `predict` tells, with this key. A conditional model
    keeps what the first is given.
    """
    model = self.net.given(params, stats)
    given = self.condition.of(params, stats, first)
    a, b = (
      self.predict(params, stats, x, key)["latent"] for x in (first, second)
    )
    share = jnp.linspace(0, 1, steps, dtype=jnp.float32)
    image = lambda t: self._image(model, (1 - t) * a + t * b, given)
    return jnp.moveaxis(jax.vmap(image)(share), 0, 1)

  def bound(
    self, samples: int, chunk: int = 50
  ) -> Callable[[Nets, Nets, Batch, Array], dict[str, Array]]:
    """Returns an output for `Eval`: `log_likelihood` (b,), bounded from below.

    log of the mean importance weight of so many samples, `chunk` at a time;
    the chunks do not change it.

    Raises:
      UserError: if the chunk does not divide the samples.
    """
    if samples < 1 or samples % min(chunk, samples):
      raise UserError(
        f"samples: got {samples} in chunks of {chunk}; expected a multiple."
      )
    chunk = min(chunk, samples)

    def output(params, stats, batch, key):
      model, x = self.net.given(params, stats), self.scored(batch, key)
      numbers = jnp.arange(samples, dtype=jnp.int32).reshape(-1, chunk)
      given = self.condition.of(params, stats, batch)
      keys = example_keys(batch, key)
      weigh = lambda n: jax.nn.logsumexp(
        self._log_weights(model, given, x, keys, n), 0
      )
      parts = jax.lax.map(weigh, numbers)
      return {
        "log_likelihood": jax.nn.logsumexp(parts, 0) - math.log(samples),
        "image": x,
      }

    return output

  def at_mean(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `nll_mean_code` (b,), in nats: an output for `Eval`.

    What is to be paid for an image by its mean code, and the divergence; it
    depends on no draw of a code, and bounds nothing.
    """
    model, x = self.net.given(params, stats), self.scored(batch, key)
    given = self.condition.of(params, stats, batch)
    mean, log_sd = model(x, given, method="encode")
    kl = jnp.sum(normal_divergence(mean, log_sd), -1)
    return {"nll_mean_code": kl - self._log_prob(model, x, mean, given)}

  def scored(self, batch: Batch, key: Array) -> Array:
    """Returns the images as the likelihood takes them."""
    image = batch["image"]
    if self.pixels == "threshold":
      return (image > 0.5).astype(image.dtype)
    if self.pixels not in ("stochastic", "dequantised"):
      return image
    uniform = jax.vmap(
      lambda k: jax.random.uniform(
        jax.random.fold_in(k, _BINARISE), image.shape[1:], jnp.float32
      )
    )(example_keys(batch, key))
    if self.pixels == "stochastic":
      return (uniform < image).astype(image.dtype)
    return dequantised(image, uniform)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    model, image = self.net.given(params, stats), batch["image"]
    x, keys = self.scored(batch, key), example_keys(batch, key)
    given = self.condition.of(params, stats, batch)
    if self.samples == 1:
      terms = self._evidence(model, given, x, keys)
      bound = -(terms["reconstruction"] + terms["kl"])
      terms["negative_elbo"] = -bound
    else:
      numbers = jnp.arange(self.samples, dtype=jnp.int32)
      weights = self._log_weights(model, given, x, keys, numbers)
      bound = jax.nn.logsumexp(weights, 0) - math.log(self.samples)
      terms = {"negative_bound": -bound}
    if self.pixels != "real":
      terms["bits_per_dim"] = self.bits(bound, image[0].size)
    terms["outside"] = outside(image, UNIT)
    return {k: Mean.of(v, batch["mask"]) for k, v in terms.items()}, stats

  def _evidence(self, model, given, x, keys) -> dict[str, Array]:
    """The two terms of the negative evidence bound, (b,) each."""
    mean, log_sd = model(x, given, method="encode")
    eps = normals(keys, 0, mean.shape[1:])
    z = mean + jnp.exp(log_sd) * eps
    return {
      "reconstruction": -self._log_prob(model, x, z, given),
      "kl": jnp.sum(normal_divergence(mean, log_sd), -1),
    }

  def _log_weights(self, model, given, x, keys, numbers) -> Array:
    """log p(x, z) - log q(z | x) of the samples of those numbers, (k, b)."""
    mean, log_sd = model(x, given, method="encode")

    def weight(number):
      eps = normals(keys, number, mean.shape[1:])
      z = mean + jnp.exp(log_sd) * eps
      latent = standard_normal(z) - gaussian(mean, log_sd, z)
      return self._log_prob(model, x, z, given) + jnp.sum(latent, -1)

    return jax.vmap(weight)(numbers)

  def _log_prob(self, model, x, z, given) -> Array:
    out = model(z, given, method="decode")
    return jnp.sum(self.likelihood.log_prob(out, x), (1, 2, 3))

  def bits(self, bound: Array, dims: int) -> Array:
    """Of the pixels' levels: a density of [0, 1] is of 256ths."""
    levels = 8 if self.pixels == "dequantised" else 0
    return levels - bound / (dims * math.log(2))

  def _image(self, model, z, given) -> Array:
    mean = self.likelihood.mean(model(z, given, method="decode"))
    return jnp.clip(mean, *self.value_range)
