"""Swin transformers (Liu et al., 2021, https://arxiv.org/abs/2103.14030)."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.layers.mlp import MlpBlock
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout, StochasticDepth
from vision_jax.models.backbones.swin_windows import INIT, WindowAttention
from vision_jax.ops.shapes import check_shape

EPSILON = 1e-5  # of the norms


class Block(nn.Module):
  """A pre-norm block of a window's attention; norm1, attention, norm2, mlp.

  Attributes:
    heads, window, shift: see `WindowAttention`.
    hidden: features within the MLP.
    dropout: probability of zeroing a value of each branch.
    drop_path: probability of dropping each branch of an example.
    dtype: type to compute in.
  """

  heads: int
  window: int
  shift: int
  hidden: int
  dropout: float
  drop_path: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    """Maps x (b, h, w, d) to the same shape."""
    norm = lambda name: LayerNorm(EPSILON, self.dtype, name=name)
    path = lambda y: StochasticDepth(self.drop_path)(y, train=train)
    attention = WindowAttention(
      self.heads, self.window, self.shift, self.dtype, name="attention"
    )
    y = attention(norm("norm1")(x))
    x += path(Dropout(self.dropout)(y, train=train))
    mlp = MlpBlock(self.hidden, self.dropout, self.dtype, name="mlp")
    return x + path(mlp(norm("norm2")(x), train=train))


class Merge(nn.Module):
  """Each 2 x 2 pixels become one of twice the features: norm, reduction."""

  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to (b, ceil(h / 2), ceil(w / 2), 2 d)."""
    b, h, w, d = x.shape
    x = jnp.pad(x, ((0, 0), (0, h % 2), (0, w % 2), (0, 0)))
    x = x.reshape(b, -(-h // 2), 2, -(-w // 2), 2, d)
    # Of the four pixels the left two come first, the upper before the lower.
    x = x.transpose(0, 1, 3, 4, 2, 5).reshape(b, x.shape[1], x.shape[3], 4 * d)
    x = LayerNorm(EPSILON, self.dtype, name="norm")(x)
    dense = Dense(
      2 * d,
      use_bias=False,
      dtype=self.dtype,
      kernel_init=INIT,
      name="reduction",
    )
    return dense(x)


class Swin(nn.Module):
  """Swin transformer, with the published sizes at the bottom of this file.

  Paths: embedding, embedding_norm, stage1_block1, ..., merge2, stage2_block1,
  ..., norm, head.

  Differs from the paper: an MLP's kernels start as Glorot's.

  Attributes:
    num_classes: k.
    stages: blocks in each stage; every second one's windows are shifted.
    features: width of the first stage; it doubles with each.
    heads: attention heads in each stage.
    window: side of a window, in patches.
    patch: side of a patch in pixels.
    mlp_ratio: features within a block's MLP over its width.
    dropout: probability of zeroing a value, at the end of each attention and
      MLP layer.
    drop_path: stochastic depth of the last block; it grows linearly from 0.
      The paper has 0.2 (T), 0.3 (S) and 0.5 (B).
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[int] = (2, 2, 6, 2)
  features: int = 96
  heads: Sequence[int] = (3, 6, 12, 24)
  window: int = 7
  patch: int = 4
  mlp_ratio: float = 4
  dropout: float = 0.0
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
    x, maps = self._embed(x), {}
    x = Dropout(self.dropout)(x, train=train)
    for stage in range(len(self.stages)):
      if stage:
        x = Merge(self.dtype, name=f"merge{stage + 1}")(x)
      for i in range(self.stages[stage]):
        x = self._block(stage, i)(x, train)
      maps[f"c{stage + 2}"] = x
    if features:
      return maps
    x = global_average(LayerNorm(EPSILON, self.dtype, name="norm")(x))
    return Dense(self.num_classes, kernel_init=INIT, name="head")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a stage's map to the next, of "c2", "c3", ..."""
    return {f"c{i + 2}": self.patch * 2**i for i in range(len(self.stages))}

  def _embed(self, x: Array) -> Array:
    embedding = Conv(
      self.features,
      self.patch,
      self.patch,
      padding=0,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=nn.initializers.lecun_normal(),
      name="embedding",
    )
    norm = LayerNorm(EPSILON, self.dtype, name="embedding_norm")
    return norm(embedding(x))

  def _block(self, stage: int, i: int) -> Block:
    width = self.features * 2**stage
    before = sum(self.stages[:stage]) + i
    return remat(Block, self.remat, static=(2,))(
      self.heads[stage],
      self.window,
      self.window // 2 if i % 2 else 0,
      int(self.mlp_ratio * width),
      self.dropout,
      self.drop_path * before / max(sum(self.stages) - 1, 1),
      self.dtype,
      name=f"stage{stage + 1}_block{i + 1}",
    )


SwinT = Swin
SwinS = functools.partial(Swin, stages=(2, 2, 18, 2))
SwinB = functools.partial(
  Swin, stages=(2, 2, 18, 2), features=128, heads=(4, 8, 16, 32)
)
