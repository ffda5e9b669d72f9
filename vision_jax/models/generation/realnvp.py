"""RealNVP: a flow of checkerboards and channels in turns."""

import functools
from collections.abc import Iterator

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.models.generation.coupling import Coupling, ResidualNet
from vision_jax.models.generation.flow_layers import ActNorm, Squeeze
from vision_jax.models.generation.multi_scale import MultiScale, Shape, halved


class RealNVP(MultiScale):
  """Dinh et al., https://arxiv.org/abs/1605.08803, section 3.6.

  A level is three couplings by checkerboards, a squeeze and three by channels;
  the last one four by checkerboards. Paths level1_coupling1, level1_norm1, ....
  Defaults are those for CIFAR-10. Differs from the paper: `ActNorm` after each
  coupling in the place of batch normalisation, so that a likelihood depends on
  its own image alone; see `ResidualNet` for the nets.

  Attributes:
    levels: how many; each but the last halves the image.
    width: features of the first level's nets; they double with each squeeze.
    blocks: residual blocks of a net.
    dtype: type to compute couplings' nets in; all else is float32.
  """

  levels: int = 2
  width: int = 64
  blocks: int = 8
  dtype: DTypeLike = jnp.float32

  def layers(self, level: int) -> list[nn.Module]:
    """Returns the layers of a level."""
    width = self.width * 2 ** (level - 1)
    last = level == self.levels
    numbers = range(1, 5 if last else 4)
    layers = [*self._pairs(level, numbers, "checkerboard", width)]
    if not last:
      layers.append(Squeeze(name=f"level{level}_squeeze"))
      layers += self._pairs(level, range(4, 7), "channels", 2 * width)
    return layers

  def after(self, level: int, shape: Shape) -> Shape:
    """Returns the shape that a level's layers make of one."""
    return shape if level == self.levels else halved(shape)

  def prior(self, level: int) -> None:
    """Returns None: what leaves is standard normal as it is."""
    del level

  def _pairs(
    self, level: int, numbers: range, pattern: str, width: int
  ) -> Iterator[nn.Module]:
    net = functools.partial(
      ResidualNet, width=width, blocks=self.blocks, dtype=self.dtype
    )
    for i in numbers:
      name = f"level{level}_coupling{i}"
      yield Coupling(net, pattern, i % 2 == 0, "tanh", name=name)
      yield ActNorm(name=f"level{level}_norm{i}")
