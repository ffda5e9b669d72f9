"""Glow: a flow of invertible 1x1 convolutions."""

import functools

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.models.generation.coupling import Coupling, ThreeConvs
from vision_jax.models.generation.flow_layers import (
  ActNorm,
  Moved,
  Prior,
  Squeeze,
  through,
)
from vision_jax.models.generation.invertible_conv import InvertibleConv
from vision_jax.models.generation.multi_scale import MultiScale, Shape, halved


class Glow(MultiScale):
  """Kingma & Dhariwal, https://arxiv.org/abs/1807.03039, figure 2.

  A level is a squeeze and steps of ActNorm, invertible convolution and affine
  coupling. Paths level1_step1, ..., level1_prior, .... Defaults are those for
  CIFAR-10. Differs from the authors' code: the values of the last level have
  no learned mean and deviation, which the steps can give them.

  Attributes:
    levels: the paper's L; each halves the image.
    depth: steps of a level, the paper's K.
    width: features within a coupling's net.
    dtype: type to compute couplings' nets in; all else is float32.
  """

  levels: int = 3
  depth: int = 32
  width: int = 512
  dtype: DTypeLike = jnp.float32

  def layers(self, level: int) -> list[nn.Module]:
    """Returns the layers of a level."""
    names = [f"level{level}_step{i}" for i in range(1, self.depth + 1)]
    steps = [Step(self.width, self.dtype, name=name) for name in names]
    return [Squeeze(name=f"level{level}_squeeze"), *steps]

  def after(self, level: int, shape: Shape) -> Shape:
    """Returns the shape that a level's layers make of one."""
    del level
    return halved(shape)

  def prior(self, level: int) -> nn.Module:
    """Returns what standardises the values that leave after a level."""
    return Prior(self.dtype, name=f"level{level}_prior")


class Step(nn.Module):
  """A step of flow; paths norm, mix, coupling."""

  width: int
  dtype: DTypeLike

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
    net = functools.partial(ThreeConvs, width=self.width, dtype=self.dtype)
    layers = (
      ActNorm(name="norm"),
      InvertibleConv(name="mix"),
      Coupling(net, name="coupling"),
    )
    return through(layers, x, inverse=inverse, train=train, mask=mask)
