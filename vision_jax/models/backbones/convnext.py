"""ConvNeXt (Liu et al., 2022, https://arxiv.org/abs/2201.03545)."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import spread
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.layers.mlp import MlpBlock
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import StochasticDepth
from vision_jax.ops.shapes import check_shape

INIT = nn.initializers.truncated_normal(0.02)


class Block(nn.Module):
  """A depthwise 7x7 convolution and an MLP, scaled by feature, as a residual.

  Paths conv, norm, mlp; parameter scale (d,).

  Attributes:
    layer_scale: initial scale of the branch.
    drop_path: probability of dropping the branch of an example.
    dtype: type to compute in.
  """

  layer_scale: float
  drop_path: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    """Maps x (b, h, w, d) to the same shape."""
    d = x.shape[-1]
    conv = Conv(
      d,
      kernel=7,
      groups=d,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=INIT,
      name="conv",
    )
    y = LayerNorm(dtype=self.dtype, name="norm")(conv(x))
    y = MlpBlock(4 * d, dtype=self.dtype, name="mlp")(y, train=train)
    init = nn.initializers.constant(self.layer_scale)
    scale = self.param("scale", init, (d,), jnp.float32)
    y *= spread(scale, y.shape, y.dtype)
    return x + StochasticDepth(self.drop_path)(y, train=train)


class ConvNeXt(nn.Module):
  """ConvNeXt, with the published sizes at the bottom of this file.

  Paths: embedding, embedding_norm, stage1_block1, ..., down2_norm, down2,
  stage2_block1, ..., norm, head.

  Differs from the paper: an MLP's kernels start as Glorot's.

  Attributes:
    num_classes: k.
    stages: blocks in each stage.
    widths: features of each stage.
    patch: side of the stem's patches in pixels.
    layer_scale: initial scale of each branch.
    drop_path: stochastic depth of the last block; it grows linearly from 0.
      The paper has 0.1 (T), 0.4 (S) and 0.5 (B).
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters, the last norm and the head are
      float32.
  """

  num_classes: int
  stages: Sequence[int] = (3, 3, 9, 3)
  widths: Sequence[int] = (96, 192, 384, 768)
  patch: int = 4
  layer_scale: float = 1e-6
  drop_path: float = 0.0
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

    With features=True to the stages' results in place of logits, {"c2": ...,
    "c5": ...}, see `strides`; `norm` and `head` are then not created.
    """
    del mask  # no example sees another
    check_shape("image", x, "b h w c")
    norm = functools.partial(LayerNorm, dtype=self.dtype)
    x, maps = self._patches("embedding", self.widths[0], self.patch)(x), {}
    x = norm(name="embedding_norm")(x)
    for stage, width in enumerate(self.widths):
      if stage:
        name = f"down{stage + 1}"
        x = self._patches(name, width, 2)(norm(name=f"{name}_norm")(x))
      for i in range(self.stages[stage]):
        x = self._block(stage, i)(x, train)
      maps[f"c{stage + 2}"] = x
    if features:
      return maps
    x = LayerNorm(name="norm")(global_average(x))
    return Dense(self.num_classes, kernel_init=INIT, name="head")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a stage's map to the next, of "c2", "c3", ..."""
    return {f"c{i + 2}": self.patch * 2**i for i in range(len(self.stages))}

  def _patches(self, name: str, features: int, size: int) -> Conv:
    """Returns a convolution whose windows do not overlap."""
    return Conv(
      features,
      size,
      size,
      padding=0,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=INIT,
      name=name,
    )

  def _block(self, stage: int, i: int) -> Block:
    before = sum(self.stages[:stage]) + i
    return remat(Block, self.remat, static=(2,))(
      self.layer_scale,
      self.drop_path * before / max(sum(self.stages) - 1, 1),
      self.dtype,
      name=f"stage{stage + 1}_block{i + 1}",
    )


ConvNeXtT = ConvNeXt
ConvNeXtS = functools.partial(ConvNeXt, stages=(3, 3, 27, 3))
ConvNeXtB = functools.partial(
  ConvNeXt, stages=(3, 3, 27, 3), widths=(128, 256, 512, 1024)
)
