"""PAFPN: a pyramid whose finest map finds its way back to the coarsest.

Liu et al., 2018, https://arxiv.org/abs/1803.01534, with the blocks of CSP nets,
as in YOLOX.
"""

import itertools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.remat import remat
from vision_jax.models.backbones.csp_darknet import CSPLayer, layers
from vision_jax.models.detection.fpn import nearest


class PAFPN(nn.Module):
  """A pyramid on a backbone's maps, which keep their features.

  Paths lateral_c5, up_c4, lateral_c4, up_c3, down_c3, out_c4, down_c4, out_c5:
  down the pyramid, and up again.

  Attributes:
    levels: the maps, finest first.
    blocks: of each CSP layer.
    depthwise: whether convolutions of 3x3 are depthwise ones and 1x1.
    layer: a class with `CSPLayer`'s fields, of what joins two maps.
    expansion: of these layers.
    epsilon, momentum: of BatchNorm.
    remat: what CSP layers compute again in the backward pass.
    dtype: type to compute in.
  """

  levels: Sequence[str] = ("c3", "c4", "c5")
  blocks: int = 1
  depthwise: bool = False
  layer: type[nn.Module] = CSPLayer
  expansion: float = 0.5
  epsilon: float = 1e-3
  momentum: float = 0.97
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    maps: Mapping[str, Array],
    *,
    train: bool,
    mask: Array | None = None,
  ) -> list[Array]:
    """Maps maps (b, h, w, c) of the levels to others of these shapes."""
    conv, wide = layers(
      train=train,
      mask=mask,
      depthwise=self.depthwise,
      dtype=self.dtype,
      epsilon=self.epsilon,
      momentum=self.momentum,
    )
    csp = remat(self.layer, self.remat)
    sizes = (self.blocks, False, conv, wide, self.expansion)

    def joined(name: str, features: int, *parts: Array) -> Array:
      layer = csp(features, *sizes, name=name)
      return layer(jnp.concatenate(parts, -1))

    pairs = list(itertools.pairwise(self.levels))
    y, passed = maps[self.levels[-1]], {}
    for fine, coarse in pairs[::-1]:
      x = maps[fine]
      d, side = x.shape[-1], x.shape[1:3]
      passed[coarse] = conv(d, 1, name=f"lateral_{coarse}")(y)
      y = joined(f"up_{fine}", d, nearest(passed[coarse], side), x)
    results = [y]
    for fine, coarse in pairs:
      y = wide(y.shape[-1], 3, 2, name=f"down_{fine}")(y)
      d = maps[coarse].shape[-1]
      y = joined(f"out_{coarse}", d, y, passed[coarse])
      results.append(y)
    return results
