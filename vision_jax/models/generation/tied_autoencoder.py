"""A dense autoencoder whose decoder is its encoder's transpose."""

import itertools
import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import add
from vision_jax.layers.dense import linear
from vision_jax.models.generation.autoencoder import Activation
from vision_jax.ops.unmasking import lowest

# What a code is, of the numbers that the last layer gives.
CODES: dict[str, Activation] = {
  "linear": lambda x: x,
  "sigmoid": jax.nn.sigmoid,
}
_GLOROT = nn.initializers.glorot_uniform()


class TiedAutoencoder(nn.Module):
  """Maps images to a code, and back by the same kernels, transposed.

  As in Vincent et al. (2008). A contraction needs it: without, codes become
  small and a decoder's kernels large, and nothing is won. Parameters are
  kernel1, ..., with the biases down1, ... and up1, ... of both ways.

  Attributes:
    shape: (h, w, c) of the images.
    features: size of the code, d.
    hidden: features of the layers in between, on the way down.
    activation: after each of those, both ways.
    code: "linear", or "sigmoid" for codes in (0, 1).
    sparsity: numbers of a code that stay, its largest ones; the others become
      0 (k-sparse, Makhzani & Frey, https://arxiv.org/abs/1312.5663). 0 keeps
      all. Differs from the paper: as many in an evaluation.
    dtype: type to compute in; parameters, codes and images are float32.

  Raises:
    UserError: for another code, and a sparsity that is more than the features.
  """

  shape: Sequence[int]
  features: int
  hidden: Sequence[int] = (200, 200)
  activation: Activation = jax.nn.relu
  code: str = "linear"
  sparsity: int = 0
  dtype: DTypeLike = jnp.float32

  def setup(self):
    check_name("code", self.code, CODES)
    if not 0 <= self.sparsity <= self.features:
      raise UserError(
        f"sparsity: got {self.sparsity}; expected at most {self.features}, the "
        "numbers of a code, or 0 to keep them all."
      )
    sizes = (math.prod(self.shape), *self.hidden, self.features)
    pairs = [*itertools.pairwise(sizes)]
    named = lambda name, init, shapes: [
      self.param(f"{name}{i}", init, shape, jnp.float32)
      for i, shape in enumerate(shapes, 1)
    ]
    zeros = nn.initializers.zeros
    self.kernels = named("kernel", _GLOROT, pairs)
    self.down = named("down", zeros, [(b,) for _, b in pairs])
    self.up = named("up", zeros, [(a,) for a, _ in pairs])

  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to their reconstructions."""
    return self.decode(self.encode(x))

  def encode(self, x: Array) -> Array:
    """Maps images x (b, h, w, c) to codes (b, d) float32."""
    x = x.reshape(x.shape[0], -1)
    code = CODES[self.code](self._layers(x, self.kernels, self.down))
    return k_sparse(code, self.sparsity) if self.sparsity else code

  def decode(self, z: Array) -> Array:
    """Maps codes z (b, d) to images (b, h, w, c) float32."""
    kernels = [kernel.T for kernel in self.kernels[::-1]]
    return self._layers(z, kernels, self.up[::-1]).reshape(-1, *self.shape)

  def _layers(self, x: Array, kernels, biases) -> Array:
    """Dense layers, the last one in float32 and without activation."""
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
      x = self.activation(add(linear(x.astype(self.dtype), kernel), bias))
    return add(linear(x.astype(jnp.float32), kernels[-1]), biases[-1])


def k_sparse(z: Array, number: int) -> Array:
  """Makes all but the `number` largest values of each code z (b, d) 0."""
  kept = lowest(-jax.lax.stop_gradient(z), jnp.full(len(z), number))
  return jnp.where(kept, z, 0)
