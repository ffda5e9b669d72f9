"""LR-ASPP: a light head on MobileNet v3."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import spread
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.dense import Dense
from vision_jax.layers.interpolate import bilinear
from vision_jax.models.backbones import mobilenet_v3
from vision_jax.ops.shapes import check_shape


class LRASPP(nn.Module):
  """Lite R-ASPP (Howard et al., 2019), section 6.4 of arxiv.org/abs/1905.02244.

  The deepest map, each feature weighted by what the whole image says, and a
  finer one are scored and added; the logits are interpolated to the image's
  size, which may be any. Paths backbone, reduce, scale, low_head, high_head.

  Differs from the paper, as torchvision does: the image's mean is over the
  whole map, where the paper's is over windows of 49 x 49.

  Attributes:
    num_classes: k.
    backbone: see `models.backbones.backbone`.
    level: of its finer map.
    features: of the deepest map before the score.
    momentum: decay of BatchNorm's running moments, of the head.
    dtype: type to compute in; parameters and the logits are float32.
  """

  num_classes: int
  backbone: nn.Module
  level: str = "c3"
  features: int = 128
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, *size, _ = check_shape("image", x, "b h w c")
    maps = self.backbone(x, train=train, mask=mask, features=True)
    if self.level not in maps:
      raise UserError(
        f"LRASPP: got level={self.level!r}; expected one of the backbone's, "
        f"{', '.join(maps)}."
      )
    layer = conv_norms(
      train=train, mask=mask, momentum=self.momentum, dtype=self.dtype
    )
    low, high = maps[self.level], [*maps.values()][-1]
    y = layer(self.features, 1, name="reduce")(high)
    scale = Dense(
      self.features, use_bias=False, dtype=self.dtype, name="scale"
    )(global_average(high))
    y *= spread(jax.nn.sigmoid(scale)[:, None, None], y.shape, y.dtype)
    score = functools.partial(Conv, self.num_classes, 1, use_bias=True)
    logits = score(name="low_head")(low)
    logits += score(name="high_head")(bilinear(y, low.shape[1:3]))
    return bilinear(logits, size)


def mobilenet_v3_large(
  num_classes: int,
  *,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> LRASPP:
  """Returns the net on a dilated MobileNet v3, as torchvision has it.

  3,221,538 parameters with 21 classes.

  Args:
    num_classes: k.
    remat: what is computed anew of the backbone's blocks.
    dtype: type to compute in.
    **options: other fields of `LRASPP`.
  """
  backbone = mobilenet_v3.MobileNetV3Large(
    num_classes=0,
    blocks=mobilenet_v3.dilated(mobilenet_v3.LARGE),
    first_maps=True,
    remat=remat,
    dtype=dtype,
  )
  fields = {"backbone": backbone, **options}
  return LRASPP(num_classes, dtype=dtype, **fields)
