"""CRNN: convolutions, then recurrence along the line (Shi et al., 2015).

"An End-to-End Trainable Neural Network for Image-based Sequence Recognition".
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.models.text.stem import Stage, Stem
from vision_jax.ops.shapes import check_shape

# The paper's, of images 32 pixels high.
PAPER: Sequence[Stage] = (
  *((64, (2, 2)), (128, (2, 2)), (256, (1, 1)), (256, (2, 1))),
  *((512, (1, 1)), (512, (2, 1))),
)


class CRNN(nn.Module):
  """Reads a column at a time: what stands there, or nothing, the last class.

  Paths: stem/conv1, ..., forward1, backward1, ..., head.

  Differs from the paper: BatchNorm after each convolution and not two of them,
  and no seventh one, so that two rows are left of 32 pixels, which a column
  joins.

  Attributes:
    num_classes: letters, and nothing.
    stages: of the stem.
    stride: of the first convolution; above 1 it saves most of the time.
    hidden: features of an LSTM in each direction.
    layers: number of bidirectional LSTMs.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[Stage] = PAPER
  stride: int = 1
  hidden: int = 256
  layers: int = 2
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits of columns (b, t, k), float32."""
    b, *_ = check_shape("image", x, "b h w c")
    stem = Stem(self.stages, self.stride, self.dtype, name="stem")
    x = stem(x, train=train, mask=mask)
    x = x.swapaxes(1, 2).reshape(b, x.shape[2], -1)  # a column's rows joined
    for i in range(self.layers):
      x = jnp.concatenate([self._lstm(x, i, back) for back in (0, 1)], axis=-1)
    return Dense(self.num_classes, name="head")(x.astype(jnp.float32))

  def _lstm(self, x: Array, i: int, back: bool) -> Array:
    """Runs along x (b, t, d) from its first or its last column."""
    name = f"{'backward' if back else 'forward'}{i + 1}"
    cell = nn.OptimizedLSTMCell(self.hidden, dtype=self.dtype, name=name)
    return nn.RNN(cell, reverse=back, keep_order=back)(x)
