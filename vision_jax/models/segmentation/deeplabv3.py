"""DeepLab v3: a backbone that keeps its resolution, and a pyramid on it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.interpolate import bilinear
from vision_jax.layers.stochastic import Dropout
from vision_jax.models.backbones import mobilenet_v3, resnet
from vision_jax.models.segmentation.aspp import Aspp
from vision_jax.ops.shapes import check_shape


class FCNHead(nn.Module):
  """Scores of a map: a 3x3 convolution and one of 1x1; paths conv, head.

  Attributes:
    num_classes: k.
    dropout: probability of zeroing a value between the two.
    layer: as `conv_norms` makes it.
  """

  num_classes: int
  dropout: float
  layer: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, k) float32."""
    x = self.layer(x.shape[-1] // 4, 3, name="conv")(x)
    x = Dropout(self.dropout)(x, train=train)
    return Conv(self.num_classes, 1, use_bias=True, name="head")(x)


class DeepLabV3(nn.Module):
  """DeepLab v3 (Chen et al., 2017), arxiv.org/abs/1706.05587.

  Its logits are interpolated to the image's size, which may be any. Paths
  backbone, aspp, conv, head, and auxiliary. As torchvision has it: a 3x3
  convolution between pyramid and head, and the rates for a stride of 8.

  Attributes:
    num_classes: k.
    backbone: see `models.backbones.backbone`; its last map is what the pyramid
      reads, and the one before what the auxiliary head does.
    rates: dilations of the pyramid; the paper's (6, 12, 18) for a stride of 16.
    features: of the pyramid.
    dropout: probability of zeroing a value of what it gives.
    auxiliary: whether there is a second head, an FCN's, for training alone:
      with train=True logits are then {"logits": ..., "auxiliary": ...}, of
      which `tasks.segmentation` adds up losses.
    momentum: decay of BatchNorm's running moments, of the heads.
    dtype: type to compute in; parameters and the logits are float32.
  """

  num_classes: int
  backbone: nn.Module
  rates: Sequence[int] = (12, 24, 36)
  features: int = 256
  dropout: float = 0.5
  auxiliary: bool = False
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array | dict[str, Array]:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, *size, _ = check_shape("image", x, "b h w c")
    layer = conv_norms(
      train=train, mask=mask, momentum=self.momentum, dtype=self.dtype
    )
    maps = self.backbone(x, train=train, mask=mask, features=True)
    *_, middle, deep = maps.values()
    y = Aspp(self.features, self.rates, self.dropout, layer, name="aspp")(
      deep, train=train
    )
    y = layer(self.features, 3, name="conv")(y)
    score = Conv(self.num_classes, 1, use_bias=True, name="head")
    logits = bilinear(score(y), size)
    if not (self.auxiliary and (train or self.is_initializing())):
      return logits
    head = FCNHead(self.num_classes, 0.1, layer, name="auxiliary")
    other = bilinear(head(middle, train=train), size)
    return {"logits": logits, "auxiliary": other} if train else logits


BACKBONES = {
  "resnet50": functools.partial(resnet.ResNet50, dilated=2),
  "resnet101": functools.partial(resnet.ResNet101, dilated=2),
  "mobilenet_v3_large": functools.partial(
    mobilenet_v3.MobileNetV3Large,
    blocks=mobilenet_v3.dilated(mobilenet_v3.LARGE),
    first_maps=True,
  ),
}


def variant(
  name: str,
  num_classes: int,
  *,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> DeepLabV3:
  """Returns torchvision's net on one of BACKBONES.

  On a ResNet-50 it has 39,638,869 parameters with 21 classes, and 42,004,074
  with the auxiliary head.

  Args:
    name: the backbone.
    num_classes: k.
    remat: what is computed anew of the backbone's blocks.
    dtype: type to compute in.
    **options: other fields of `DeepLabV3`.
  """
  if name not in BACKBONES:
    raise UserError(
      f"DeepLabV3: got the backbone {name!r}; expected one of "
      f"{', '.join(BACKBONES)}."
    )
  body = BACKBONES[name](num_classes=0, remat=remat, dtype=dtype)
  fields = {"backbone": body, **options}
  return DeepLabV3(num_classes, dtype=dtype, **fields)
