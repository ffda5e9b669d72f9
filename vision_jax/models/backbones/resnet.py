"""Residual networks for CIFAR and for ImageNet."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv, avg_pool, global_average, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.ops.shapes import check_shape


class Block(nn.Module):
  """A residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 (bottleneck).

  Paths conv1, bn1, ..., and projection/conv, projection_bn where the shortcut
  is a 1x1 convolution (options B and D).

  Attributes:
    features: width of a basic block's convolutions; a bottleneck's result has
      four times as many.
    stride: step of the first 3x3 convolution ("v1.5": not of the 1x1 before
      it).
    bottleneck: whether it is a bottleneck or a basic block.
    shortcut: where shapes change, "A" subsamples and pads with zero channels,
      "B" projects; "D" projects means of 2x2 pixels where sizes change, and in
      a stage's first block always.
    zero_init: whether the branch's last scale starts at 0.
    dilation: dilation of the 3x3 convolutions.
    groups: of a bottleneck's 3x3 convolution.
    inner: width of a bottleneck's 1x1 and 3x3 convolutions.
    first: whether it is a stage's first.
    conv: partial of Conv.
    norm: partial of BatchNorm, with `train` and `mask`.
  """

  features: int
  stride: int
  bottleneck: bool
  shortcut: str
  zero_init: bool
  dilation: int
  groups: int
  inner: int
  first: bool
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    last = nn.initializers.zeros if self.zero_init else nn.initializers.ones
    d, s = self.features, self.stride
    layers = [(d, 3, s), (d, 3, 1)]
    if self.bottleneck:
      layers = [(self.inner, 1, 1), (self.inner, 3, s), (4 * d, 1, 1)]
    y = x
    for i, (features, kernel, stride) in enumerate(layers, 1):
      conv = self.conv(
        *(features, kernel, stride),
        dilation=self.dilation if kernel == 3 else 1,
        groups=self.groups if kernel == 3 else 1,
        name=f"conv{i}",
      )
      init = last if i == len(layers) else nn.initializers.ones
      y = self.norm(scale_init=init, name=f"bn{i}")(conv(y))
      y = y if i == len(layers) else jax.nn.relu(y)
    return jax.nn.relu(y + self._shortcut(x, y.shape[-1]))

  def _shortcut(self, x: Array, features: int) -> Array:
    stride, name = self.stride, "projection"
    always = self.shortcut == "D" and self.first
    if stride == 1 and x.shape[-1] == features and not always:
      return x
    if self.shortcut == "A":
      x, more = x[:, ::stride, ::stride], features - x.shape[-1]
      return jnp.pad(x, ((0, 0),) * 3 + ((more // 2, more - more // 2),))
    if self.shortcut == "D" and stride == 2:
      x, stride = _halved(x), 1
    x = self.conv(features, 1, stride, name=name)(x)
    return self.norm(name=f"{name}_bn")(x)


def _halved(x: Array) -> Array:
  """Means of 2x2 pixels of x (b, h, w, c); of fewer at an odd side's end."""
  _, h, w, _ = x.shape
  odd = ((0, 0), (0, h % 2), (0, w % 2), (0, 0))
  return avg_pool(jnp.pad(x, odd, mode="edge"))


class ResNet(nn.Module):
  """ResNet (He et al., 2015), with the variants at the bottom of this file.

  Those with groups are ResNeXt (Xie et al., 2016), those with a wider
  bottleneck Wide ResNet (Zagoruyko & Komodakis, 2016). A deep stem with
  shortcut "D" is ResNet-D (He et al., 2018, https://arxiv.org/abs/1812.01187).

  Paths follow the paper's table 1: conv1, bn1, conv2_1, conv2_2, ..., fc; of a
  deep stem conv1_1, bn1_1, ..., bn1_3.

  Differs from the paper: a bottleneck's stride is in its 3x3 convolution
  ("v1.5", as torchvision has it), and for ImageNet the last scale of each
  branch starts at 0 (Goyal et al., 2017). For CIFAR, where option A leaves it
  open, half of the zero channels come before and half after.

  Attributes:
    num_classes: k; 0 for no head, and features (b, d) in the logits' place.
    stages: blocks in each stage.
    bottleneck: whether blocks are bottlenecks.
    width: features of the first stage; they double with each.
    stem: "imagenet", 7x7 stride 2 and max pooling; "deep", three of 3x3 in its
      place, of half the width but the last; or "small", 3x3 stride 1.
    shortcut: "A", "B" or "D", see Block.
    zero_init: whether each branch's last scale starts at 0.
    momentum: decay of BatchNorm's running moments.
    frozen_norm: whether BatchNorm uses its running moments in training too and
      leaves them as they are, for pretrained weights (training does not
      begin without) and small batches. Scales and biases are frozen by the
      optimizer, where they are to be.
    dilated: how many of the last stages keep their resolution: in place of
      its stride each doubles the dilation of 3x3 convolutions after its first
      block. 1 is DC5, and 2 a stride of 8, for segmentation.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
    groups: of the 3x3 convolutions of bottlenecks.
    width_per_group: features of those in each group, in a stage of 64.
  """

  num_classes: int
  stages: Sequence[int] = (3, 4, 6, 3)
  bottleneck: bool = True
  width: int = 64
  stem: str = "imagenet"
  shortcut: str = "B"
  zero_init: bool = True
  momentum: float = 0.9
  frozen_norm: bool = False
  dilated: int = 0
  remat: str = "none"
  dtype: DTypeLike = jnp.float32
  groups: int = 1
  width_per_group: int = 64

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    features: bool = False,
  ) -> Array | dict[str, Array]:
    """Maps images x (b, h, w, c) to logits (b, k) float32.

    With features=True to the stages' results in place of logits, {"c2": ...,
    "c5": ...}, see `strides`; `fc` is then not created.
    """
    check_shape("image", x, "b h w c")
    _check_choice("stem", self.stem, tuple(self._stems))
    _check_choice("shortcut", self.shortcut, ("A", "B", "D"))

    def norm(name, scale_init=nn.initializers.ones):
      layer = BatchNorm(
        momentum=self.momentum,
        dtype=self.dtype,
        scale_init=scale_init,
        name=name,
      )
      moments = train and not self.frozen_norm
      return functools.partial(layer, train=moments, mask=mask)

    conv = functools.partial(Conv, dtype=self.dtype)
    block = functools.partial(
      remat(Block, self.remat),
      bottleneck=self.bottleneck,
      shortcut=self.shortcut,
      zero_init=self.zero_init,
      groups=self.groups,
      conv=conv,
      norm=norm,
    )
    maps, x, dilation = {}, self._stem(x, conv, norm), 1
    for stage, blocks in enumerate(self.stages):
      kept = stage == 0 or stage >= len(self.stages) - self.dilated
      before, dilation = dilation, dilation * (1 + (kept and stage > 0))
      for i in range(blocks):
        width = self.width * 2**stage
        x = block(
          width,
          inner=width * self.width_per_group // 64 * self.groups,
          stride=2 if i == 0 and not kept else 1,
          dilation=before if i == 0 else dilation,
          first=i == 0,
          name=f"conv{stage + 2}_{i + 1}",
        )(x)
      maps[f"c{stage + 2}"] = x
    if features:
      return maps
    pooled = global_average(x)
    if not self.num_classes:
      return pooled
    return Dense(self.num_classes, name="fc")(pooled)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a stage's map to the next, of "c2", "c3", ..."""
    first, last = 1 if self.stem == "small" else 4, len(self.stages) - 1
    halvings = lambda i: min(i, max(last - self.dilated, 0))
    return {f"c{i + 2}": first * 2 ** halvings(i) for i in range(last + 1)}

  def _stem(self, x: Array, conv, norm) -> Array:
    layers = self._stems[self.stem]
    for i, sizes in enumerate(layers, 1):
      name = f"1_{i}" if len(layers) > 1 else "1"
      x = conv(*sizes, name=f"conv{name}")(x)
      x = jax.nn.relu(norm(name=f"bn{name}")(x))
    small = self.stem == "small"
    return x if small else max_pool(x, size=3, stride=2, padding=1)

  @property
  def _stems(self) -> dict[str, list[tuple[int, int, int]]]:
    """Features, kernel and stride of each stem's convolutions."""
    d = self.width
    return {
      "imagenet": [(d, 7, 2)],
      "small": [(d, 3, 1)],
      "deep": [(d // 2, 3, 2), (d // 2, 3, 1), (d, 3, 1)],
    }


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
  if value not in choices:
    raise UserError(f"ResNet: got {name}={value!r}; expected one of {choices}")


_cifar = functools.partial(
  ResNet,
  bottleneck=False,
  width=16,
  stem="small",
  shortcut="A",
  zero_init=False,
)
ResNet20 = functools.partial(_cifar, stages=(3, 3, 3))
ResNet32 = functools.partial(_cifar, stages=(5, 5, 5))
ResNet44 = functools.partial(_cifar, stages=(7, 7, 7))
ResNet56 = functools.partial(_cifar, stages=(9, 9, 9))
ResNet110 = functools.partial(_cifar, stages=(18, 18, 18))

ResNet18 = functools.partial(ResNet, stages=(2, 2, 2, 2), bottleneck=False)
ResNet34 = functools.partial(ResNet, stages=(3, 4, 6, 3), bottleneck=False)
ResNet50 = functools.partial(ResNet, stages=(3, 4, 6, 3))
ResNet101 = functools.partial(ResNet, stages=(3, 4, 23, 3))
ResNet152 = functools.partial(ResNet, stages=(3, 8, 36, 3))

ResNeXt50_32x4d = functools.partial(ResNet50, groups=32, width_per_group=4)
ResNeXt101_32x8d = functools.partial(ResNet101, groups=32, width_per_group=8)
ResNeXt101_64x4d = functools.partial(ResNet101, groups=64, width_per_group=4)
WideResNet50_2 = functools.partial(ResNet50, width_per_group=128)
WideResNet101_2 = functools.partial(ResNet101, width_per_group=128)
