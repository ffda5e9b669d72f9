"""DenseNet-BC for ImageNet."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, avg_pool, global_average, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.shapes import check_shape

HE = nn.initializers.he_normal()


class DenseLayer(nn.Module):
  """Normalise, 1x1, normalise, 3x3; paths bn1, conv1, bn2, conv2.

  Attributes:
    growth: features that are new.
    bottleneck: those between the convolutions, as a multiple of that.
    conv: partial of Conv.
    norm: partial of BatchNorm, with `train` and `mask`.
  """

  growth: int
  bottleneck: int
  conv: Callable[..., nn.Module]
  norm: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to the new features (b, h, w, growth)."""
    x = jax.nn.relu(self.norm(name="bn1")(x))
    x = self.conv(self.bottleneck * self.growth, 1, name="conv1")(x)
    x = jax.nn.relu(self.norm(name="bn2")(x))
    return self.conv(self.growth, 3, name="conv2")(x)


class DenseNet(nn.Module):
  """DenseNet-BC (Huang et al., 2017), arxiv.org/abs/1608.06993.

  Every layer sees what all before it in its block have made. Paths conv1, bn1,
  block1_1, ..., transition1_bn, transition1_conv, ..., bn, fc.

  Attributes:
    num_classes: k.
    stages: layers of each block.
    growth: features that a layer adds.
    width: features of the first convolution.
    bottleneck: features of a layer's 1x1 convolution, as a multiple of growth.
    dropout: probability of zeroing a value of what a layer adds.
    momentum: decay of BatchNorm's running moments.
    remat: what layers compute again in the backward pass, see `layers.remat`;
      without it the memory that they need grows with their number's square.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[int] = (6, 12, 24, 16)
  growth: int = 32
  width: int = 64
  bottleneck: int = 4
  dropout: float = 0.0
  momentum: float = 0.9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

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

    With features=True to the blocks' results in place of logits, {"c2": ...,
    "c5": ...}, see `strides`; the last one is normalised.
    """
    check_shape("image", x, "b h w c")
    conv = functools.partial(Conv, dtype=self.dtype, kernel_init=HE)

    def norm(name):
      layer = BatchNorm(self.momentum, dtype=self.dtype, name=name)
      return functools.partial(layer, train=train, mask=mask)

    x = conv(self.width, 7, 2, name="conv1")(x)
    x = max_pool(jax.nn.relu(norm("bn1")(x)), 3, 2, 1)
    make = functools.partial(
      remat(DenseLayer, self.remat), self.growth, self.bottleneck, conv, norm
    )
    maps = {}
    for stage, layers in enumerate(self.stages, 1):
      for i in range(1, layers + 1):
        new = make(name=f"block{stage}_{i}")(x)
        new = Dropout(self.dropout)(new, train=train)
        x = jnp.concatenate([x, new], axis=-1)
      maps[f"c{stage + 1}"] = x
      if stage < len(self.stages):
        x = jax.nn.relu(norm(f"transition{stage}_bn")(x))
        x = conv(x.shape[-1] // 2, 1, name=f"transition{stage}_conv")(x)
        x = avg_pool(x)
    x = jax.nn.relu(norm("bn")(x))
    if features:
      return {**maps, f"c{len(self.stages) + 1}": x}
    return Dense(self.num_classes, name="fc")(global_average(x))

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a block's map to the next, of "c2", "c3", ..."""
    return {f"c{i + 2}": 4 * 2**i for i in range(len(self.stages))}


DenseNet121 = functools.partial(DenseNet, stages=(6, 12, 24, 16))
DenseNet169 = functools.partial(DenseNet, stages=(6, 12, 32, 32))
DenseNet201 = functools.partial(DenseNet, stages=(6, 12, 48, 32))
DenseNet161 = functools.partial(
  DenseNet, stages=(6, 12, 36, 24), growth=48, width=96
)
