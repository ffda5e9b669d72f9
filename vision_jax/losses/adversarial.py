"""What generators and discriminators descend, elementwise, and penalties.

A discriminator gives a logit an image, (b,), or one for each patch of it,
(b, h, w): large for real ones.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array

Pair = tuple[Callable[[Array, Array], Array], Callable[[Array], Array]]


def _cross_entropy(real: Array, fake: Array) -> Array:
  return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def _hinge(real: Array, fake: Array) -> Array:
  return jax.nn.relu(1 - real) + jax.nn.relu(1 + fake)


def _least_squares(real: Array, fake: Array) -> Array:
  return 0.5 * ((real - 1) ** 2 + fake**2)


# name -> the discriminator's loss of (real, fake), the generator's of fake.
_LOSSES: dict[str, Pair] = {
  # Goodfellow et al., arxiv.org/abs/1406.2661, equation 1, and section 3.
  "minimax": (_cross_entropy, lambda fake: -jax.nn.softplus(fake)),
  "non_saturating": (_cross_entropy, lambda fake: jax.nn.softplus(-fake)),
  # Lim and Ye, arxiv.org/abs/1705.02894.
  "hinge": (_hinge, lambda fake: -fake),
  # Arjovsky et al., arxiv.org/abs/1701.07875.
  "wasserstein": (lambda real, fake: fake - real, lambda fake: -fake),
  # Mao et al., arxiv.org/abs/1611.04076, with targets 1 and 0.
  "least_squares": (_least_squares, lambda fake: 0.5 * (fake - 1) ** 2),
}
ADVERSARIAL = tuple(_LOSSES)


def discriminator_loss(name: str, real: Array, fake: Array) -> Array:
  """Loss (b,) of a discriminator by its logits of real and fake images (b,).

  Args:
    name: one of `ADVERSARIAL`.
    real: logits of real images.
    fake: logits of generated images.

  Raises:
    ValueError: for an unknown name.
  """
  return _LOSSES[check_name("loss", name, ADVERSARIAL)][0](real, fake)


def generator_loss(name: str, fake: Array) -> Array:
  """Loss (b,) of a generator by a discriminator's logits of its images (b,).

  Raises:
    ValueError: for an unknown name.
  """
  return _LOSSES[check_name("loss", name, ADVERSARIAL)][1](fake)


def square_gradient(critic: Callable[[Array], Array], image: Array) -> Array:
  """Squared norm (b,) of the gradient of critic(image) (b,) by its image.

  On real images it is R1's penalty: https://arxiv.org/abs/1801.04406. Right
  only if an image's logit depends on no other image.
  """
  grad = jax.grad(lambda x: jnp.sum(critic(x)))(image)
  return jnp.sum(grad**2, axis=tuple(range(1, grad.ndim)))


def gradient_penalty(
  critic: Callable[[Array], Array], real: Array, fake: Array, share: Array
) -> Array:
  """(|gradient| - 1)² (b,) between real and fake: arxiv.org/abs/1704.00028.

  Args:
    critic: image -> logit (b,).
    real: images (b, h, w, c).
    fake: images of that shape.
    share: share of the real image in each point between, (b,) in [0, 1].
  """
  share = share.reshape(-1, *[1] * (real.ndim - 1))
  square = square_gradient(critic, share * real + (1 - share) * fake)
  # Away from 0, where the root has no derivative.
  return (jnp.sqrt(square + 1e-12) - 1) ** 2
