"""A 1x1 convolution as a layer of normalizing flows."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.models.generation.flow_layers import Moved


class Rotation(NamedTuple):
  """The factors of a matrix, permutation lower (upper + diag(sign e^log))."""

  permutation: Array  # (c, c)
  lower: Array  # (c, c), of which what is below the diagonal counts
  upper: Array  # (c, c), above
  sign: Array  # (c,)
  log_scale: Array  # (c,)

  @classmethod
  def drawn(cls, key: Array, c: int) -> "Rotation":
    """Factors a random rotation."""
    rotation = jnp.linalg.qr(jax.random.normal(key, (c, c)))[0]
    permutation, lower, upper = jax.scipy.linalg.lu(rotation)
    diagonal = jnp.diag(upper)
    return cls(
      permutation,
      jnp.tril(lower, -1),
      jnp.triu(upper, 1),
      jnp.sign(diagonal),
      jnp.log(jnp.abs(diagonal)),
    )

  def triangles(self) -> tuple[Array, Array]:
    """Returns the lower matrix, with its diagonal of 1, and the upper one."""
    lower = jnp.tril(self.lower, -1) + jnp.eye(len(self.sign))
    diagonal = jnp.diag(self.sign * jnp.exp(self.log_scale))
    return lower, jnp.triu(self.upper, 1) + diagonal


class InvertibleConv(nn.Module):
  """A 1x1 convolution that can be undone, as the factors L and U of its matrix.

  https://arxiv.org/abs/1807.03039, section 3.2. It begins as a random rotation.
  Parameters lower (c, c), upper (c, c) and log_scale (c,); collection
  "rotation", which stays as it was drawn: permutation (c, c) and sign (c,).
  """

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    inverse: bool = False,
    train: bool = False,
    mask: Array | None = None,
  ) -> Moved:
    """Maps x (b, h, w, c) to the same shape."""
    del train, mask
    b, h, w, c = x.shape
    own = self._factors(c)
    lower, upper = own.triangles()
    log_det = jnp.broadcast_to(h * w * jnp.sum(own.log_scale), (b,))
    if not inverse:
      return _product(x, own.permutation @ lower @ upper), log_det
    solve = jax.scipy.linalg.solve_triangular
    undone = solve(lower, own.permutation.T, lower=True, unit_diagonal=True)
    return _product(x, solve(upper, undone)), -log_det

  def _factors(self, c: int) -> Rotation:
    if self.is_initializing():
      drawn = Rotation.drawn(self.make_rng("params"), c)
    else:  # for the shapes alone, which are checked
      square, row = jnp.zeros((c, c)), jnp.zeros(c)
      drawn = Rotation(square, square, square, row, row)
    learned = lambda name, x: self.param(name, lambda _: x)
    fixed = lambda name, x: self.variable("rotation", name, lambda: x).value
    return Rotation(
      fixed("permutation", drawn.permutation),
      learned("lower", drawn.lower),
      learned("upper", drawn.upper),
      fixed("sign", drawn.sign),
      learned("log_scale", drawn.log_scale),
    )


def _product(x: Array, matrix: Array) -> Array:
  """Returns the matrix (c, c) times each pixel of x (b, h, w, c)."""
  return jnp.einsum("bhwi,oi->bhwo", x, matrix, precision="highest")
