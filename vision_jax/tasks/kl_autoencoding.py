"""The first stage of latent diffusion whose codes are nearly normal."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.likelihood import normal_divergence
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.diffusion.noise import normals
from vision_jax.tasks.denoising import per_example
from vision_jax.tasks.generative import SIGNED, outside
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class KLAutoencoding(OneNet):
  """Reconstructs images in [-1, 1] from noisy codes (arXiv 2112.10752, 3.1).

  A batch has `image` (b, h, w, c), `index` (b,) and `mask` (b,). A code is
  drawn by an example's index; its divergence from the standard normal has a
  small weight, which bounds how far codes go, and no likelihood. Logs `mse`,
  the squared error of a pixel, `kl`, in nats for a code's value, and `outside`,
  the share of pixels outside [-1, 1].

  Differs from the paper: no discriminator and no perceptual term.

  Attributes:
    model: has `encode`, `latent` and `decode`, such as `AutoencoderKL`.
    beta: weight of the divergence.
  """

  model: nn.Module
  beta: float = 1e-4

  def __post_init__(self):
    if self.beta < 0:
      raise UserError(f"beta: got {self.beta}; expected 0 or more.")

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images."""
    return SIGNED

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The squared error, and the divergence."""
    return (Objective(NET, self._loss, {"mse": 1.0, "kl": self.beta}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, reconstructed of the mean code."""
    del key
    image = self.net.given(params, stats)(batch["image"], train=False)
    return {"image": jnp.clip(image, *SIGNED)}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    net, image = self.net.given(params, stats), batch["image"]
    mean, log_sd = net(image, method="encode")
    eps = normals(example_keys(batch, key), 0, mean.shape[1:])
    got = net(mean + jnp.exp(log_sd) * eps, method="decode")
    errors = {
      "mse": per_example((got - image) ** 2),
      "kl": per_example(normal_divergence(mean, log_sd)),
      "outside": outside(image, SIGNED),
    }
    terms = {name: Mean.of(x, batch["mask"]) for name, x in errors.items()}
    return terms, stats
