"""DeepLab v3+: DeepLab v3 with a decoder that sees a finer map."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.interpolate import bilinear
from vision_jax.models.segmentation.aspp import Aspp, around
from vision_jax.ops.shapes import check_shape


class DeepLabV3Plus(nn.Module):
  """DeepLab v3+ (Chen et al., 2018), arxiv.org/abs/1802.02611.

  The pyramid's result is interpolated to the size of a finer map of the
  backbone, few features of which are joined, and refined by two convolutions;
  the logits are interpolated to the image's size, which may be any. Paths
  backbone, aspp, low, decoder1, decoder2, head.

  Attributes:
    num_classes: k.
    backbone: see `models.backbones.backbone`; its last map is what the pyramid
      reads.
    level: of its finer map, of stride 4 in the paper.
    rates: dilations of the pyramid; (12, 24, 36) for a stride of 8.
    features: of the pyramid and the decoder.
    low_features: of the finer map.
    separable: whether the 3x3 convolutions of both are each channel's and then
      of 1x1, as in the paper's last models.
    dropout: probability of zeroing a value of what the pyramid gives.
    momentum: decay of BatchNorm's running moments, of all but the backbone.
    dtype: type to compute in; parameters and the logits are float32.
  """

  num_classes: int
  backbone: nn.Module
  level: str = "c2"
  rates: Sequence[int] = (6, 12, 18)
  features: int = 256
  low_features: int = 48
  separable: bool = True
  dropout: float = 0.1
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, *size, _ = check_shape("image", x, "b h w c")
    layer = conv_norms(
      train=train, mask=mask, momentum=self.momentum, dtype=self.dtype
    )
    maps = self.backbone(x, train=train, mask=mask, features=True)
    if self.level not in maps:
      raise UserError(
        f"DeepLabV3Plus: got level={self.level!r}; expected one of the "
        f"backbone's, {', '.join(maps)}."
      )
    low, d = maps[self.level], self.features
    y = Aspp(d, self.rates, self.dropout, layer, self.separable, name="aspp")(
      [*maps.values()][-1], train=train
    )
    low = layer(self.low_features, 1, name="low")(low)
    y = jnp.concatenate([bilinear(y, low.shape[1:3]), low], axis=-1)
    conv = around(layer, self.separable)
    y = conv(d, name="decoder2")(conv(d, name="decoder1")(y))
    score = Conv(self.num_classes, 1, use_bias=True, name="head")
    return bilinear(score(y), size)
