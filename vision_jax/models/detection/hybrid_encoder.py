"""RT-DETR's encoder: attention within one map, convolutions between all.

Zhao et al., 2023, https://arxiv.org/abs/2304.08069.
"""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.embeddings import sincos2d
from vision_jax.layers.mlp import ACTIVATIONS
from vision_jax.layers.remat import remat
from vision_jax.models.backbones.csp_darknet import CSPLayer
from vision_jax.models.detection.detr_layers import EncoderLayer
from vision_jax.models.detection.detr_positions import resize_mask
from vision_jax.models.detection.pafpn import PAFPN


class CSPRepLayer(CSPLayer):
  """Convolutions of 3x3 and 1x1 side by side, on one half of the features.

  As RepVGG trains them (Ding et al., 2021, https://arxiv.org/abs/2101.03697);
  the halves are added. Fields are those of `CSPLayer`, of which `shortcut` is
  not asked: the 1x1 is in its place. Paths conv1, conv2, block1_conv1 (3x3),
  block1_conv2 (1x1), ..., and conv3 where a half has not the result's width.
  """

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, features)."""
    half = int(self.features * self.expansion)
    y = self.conv(half, 1, name="conv1")(x)
    for i in range(1, self.blocks + 1):
      wide = self.wide(half, 3, activation=None, name=f"block{i}_conv1")(y)
      narrow = self.conv(half, 1, activation=None, name=f"block{i}_conv2")(y)
      y = jax.nn.silu(wide + narrow)
    y = y + self.conv(half, 1, name="conv2")(x)
    if half == self.features:
      return y
    return self.conv(self.features, 1, name="conv3")(y)


class HybridEncoder(nn.Module):
  """Attention within the coarsest map (AIFI), then a pyramid of all (CCFF).

  Paths projection_c3, ... (a convolution and its norm each), layer1, ..., of
  the attention, and pafpn, see `PAFPN`.

  Attributes:
    levels: the maps, finest first.
    features: of each map, d.
    heads, hidden, dropout, attention_dropout: see `EncoderLayer`.
    layers: of attention.
    blocks, expansion: of each layer of the pyramid, see `CSPRepLayer`.
    remat: what layers compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters are float32.
  """

  levels: Sequence[str] = ("c3", "c4", "c5")
  features: int = 256
  heads: int = 8
  hidden: int = 1024
  dropout: float = 0.0
  attention_dropout: float = 0.0
  layers: int = 1
  blocks: int = 3
  expansion: float = 1.0
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    maps: Mapping[str, Array],
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
  ) -> list[Array]:
    """Maps maps (b, h, w, c) of the levels to (b, h, w, d), finest first.

    Args:
      maps: of the backbone.
      train: whether BatchNorm's moments are the batch's, and there is dropout.
      mask: (b,), which examples count in them.
      image_mask: (b, h, w) of the image, 0 where it is padding; None for none.
    """
    conv = conv_norms(train=train, mask=mask, activation=None, dtype=self.dtype)
    maps = {
      level: conv(self.features, 1, name=f"projection_{level}")(maps[level])
      for level in self.levels
    }
    last = self.levels[-1]
    maps[last] = self._attend(maps[last], train, image_mask)
    neck = PAFPN(
      self.levels,
      self.blocks,
      layer=CSPRepLayer,
      expansion=self.expansion,
      epsilon=1e-5,
      momentum=0.9,
      remat=self.remat,
      dtype=self.dtype,
      name="pafpn",
    )
    return neck(maps, train=train, mask=mask)

  def _attend(self, x: Array, train: bool, image_mask: Array | None) -> Array:
    """Lets the pixels of a map (b, h, w, d) see one another."""
    b, h, w, d = x.shape
    columns, rows = jnp.split(sincos2d((h, w), d, last=False), 2, -1)
    positions = jnp.concatenate([rows, columns], -1).astype(self.dtype)
    real = None
    if image_mask is not None:
      real = resize_mask(image_mask, (h, w)).reshape(b, -1) > 0
    sizes = (self.heads, self.hidden, self.dropout, self.attention_dropout)
    layer, y = remat(EncoderLayer, self.remat, static=(4,)), x.reshape(b, -1, d)
    for i in range(self.layers):
      attend = layer(
        *sizes, self.dtype, ACTIVATIONS["gelu"], name=f"layer{i + 1}"
      )
      y = attend(y, positions, real, train)
    return y.reshape(x.shape)
