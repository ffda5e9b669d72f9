"""MS-TCN: a class for each frame, refined in stages.

Abu Farha & Gall (2019), "MS-TCN: Multi-Stage Temporal Convolutional Network for
Action Segmentation".
"""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv3d import Conv3D, along_time
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout


class MSTCN(nn.Module):
  """Stages of dilated convolutions over time; the first one sees features.

  Those after it see the probs of the stage before. Paths: stage0, ...

  Attributes:
    num_classes: k.
    stages: how many there are.
    layers: of each; layer i looks 2^i frames ahead and back.
    features: channels within.
    dropout: probability of zeroing a value at the end of a layer's branch.
    dtype: type to compute in; parameters and logits are float32.
  """

  num_classes: int
  stages: int = 4
  layers: int = 10
  features: int = 64
  dropout: float = 0.5
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    frames: Array,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps sequences to logits of each stage (b, s, t, k), float32.

    Args:
      x: (b, t, ...) features of frames, joints (b, t, v, c) for example.
      frames: (b, t), 1 for frames that there are, 0 for padding.
      train: whether values are dropped.
      mask: not used; there are no statistics.
    """
    b, t = frames.shape
    if x.shape[:2] != (b, t):
      raise UserError(
        f"MSTCN: got features {x.shape} of frames {frames.shape}; expected "
        "both to begin with examples and frames, (b, t)."
      )
    x = x.reshape(b, t, math.prod(x.shape[2:]))
    counts = frames[..., None].astype(self.dtype)
    found = []
    for i in range(self.stages):
      x = x if not i else jax.nn.softmax(found[-1])
      stage = Stage(
        *(self.num_classes, self.layers, self.features, self.dropout),
        dtype=self.dtype,
        name=f"stage{i}",
      )
      found.append(stage(x * counts, counts, train=train))
    return jnp.stack(found, axis=1)


class Stage(nn.Module):
  """One stage; paths input, layer0_dilated, layer0_out, ..., head.

  Attributes:
    num_classes, layers, features, dropout, dtype: as of `MSTCN`.
  """

  num_classes: int
  layers: int
  features: int
  dropout: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, counts: Array, *, train: bool) -> Array:
    """Maps x (b, t, c) to logits (b, t, k), with counts (b, t, 1)."""
    dense = functools.partial(Dense, dtype=self.dtype)
    x = dense(self.features, name="input")(x.astype(self.dtype))
    for i in range(self.layers):
      dilated = Conv3D(
        *(self.features, (3, 1, 1)),
        dilation=2**i,
        use_bias=True,
        dtype=self.dtype,
        name=f"layer{i}_dilated",
      )
      y = jax.nn.relu(dilated(along_time(x))[:, :, 0, 0])
      y = dense(self.features, name=f"layer{i}_out")(y)
      y = Dropout(self.dropout)(y, train=train)
      x = (x + y) * counts
    logits = Dense(self.num_classes, name="head")(x.astype(jnp.float32))
    return logits * counts
