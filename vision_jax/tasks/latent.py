"""Latent diffusion: a denoiser of what a fixed autoencoder makes of images."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Terms
from vision_jax.errors import UserError
from vision_jax.tasks.denoising import Denoising, per_example
from vision_jax.tasks.diffusion import Diffusion
from vision_jax.tasks.flow_matching import FlowMatching
from vision_jax.tasks.net import NET, Net

AUTOENCODER = "autoencoder"
_CODES = "codes"  # what is known of them, of the statistics


class Latent(Denoising):
  """Denoises codes (Rombach et al., arXiv 2112.10752), and decodes at the end.

  Codes are shifted and divided so that over the first batch all their values
  have mean 0 and deviation 1; both numbers are statistics of the model, and the
  first step is taken without them. Differs from the paper: the mean is taken
  away too, and of a code that is a distribution its own mean stands for it.

  Attributes:
    autoencoder: has `latent`, images to codes (b, h', w', d), and `decode`:
      such as `VQVAE` or `AutoencoderKL`. The experiment's `fixed` says its
      weights; without any it is random.
  """

  autoencoder: nn.Module
  clip: bool

  def __post_init__(self):
    super().__post_init__()
    if self.clip:
      raise UserError(
        "clip: got True; expected False: codes have no range to be clipped to."
      )

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics, the autoencoder's too."""
    image = batch["image"]
    codec = self._codec.init(jax.random.fold_in(key, 2), image)
    codes = self._latent(*codec, image)
    params, stats = super().init(key, {**batch, "image": codes})
    known = {"mean": jnp.zeros(()), "square": jnp.ones(())}
    own = {NET: {**stats[NET], _CODES: known}}
    return joined(codec, (params, {**stats, **own}))

  def encode(self, params: Nets, stats: Nets, image: Array) -> Array:
    """Returns the codes of images, of mean 0 and deviation 1."""
    mean, deviation = _moments(stats)
    return (self._latent(params, stats, image) - mean) / deviation

  def decode(self, params: Nets, stats: Nets, x: Array) -> Array:
    """Returns the images of such codes."""
    mean, deviation = _moments(stats)
    net = self._codec.given(params, stats)
    return net(x * deviation + mean, method="decode")

  @property
  def _codec(self) -> Net:
    return Net(self.autoencoder, AUTOENCODER)

  def _latent(self, params: Nets, stats: Nets, image: Array) -> Array:
    return self._codec.given(params, stats)(image, method="latent")

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    how = {"step": step, "train": train}
    terms, new = super()._loss(params, stats, batch, key, **how)
    if not train:
      return terms, new
    codes = self._latent(params, stats, batch["image"])
    # Of a count of 0 what was there before stays.
    first = jnp.where(jnp.asarray(step) == 0, batch["mask"], 0)
    known = {"mean": per_example(codes), "square": per_example(codes**2)}
    known = {name: Mean.of(x, first) for name, x in known.items()}
    return terms, {**new, NET: {**new[NET], _CODES: known}}


@dataclasses.dataclass(frozen=True)
class LatentDiffusion(Latent, Diffusion):
  """`Diffusion` of codes; see `Latent`."""

  autoencoder: nn.Module = dataclasses.field(kw_only=True)
  clip: bool = False


@dataclasses.dataclass(frozen=True)
class LatentFlowMatching(Latent, FlowMatching):
  """`FlowMatching` of codes; see `Latent`."""

  autoencoder: nn.Module = dataclasses.field(kw_only=True)
  clip: bool = False


def _moments(stats: Nets) -> tuple[Array, Array]:
  """Returns the mean and the deviation of all values of codes."""
  known = stats[NET][_CODES]
  variance = known["square"] - known["mean"] ** 2
  return known["mean"], jnp.sqrt(jnp.maximum(variance, 1e-12))
