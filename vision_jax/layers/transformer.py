"""The pre-norm block of transformers that read images, and text."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.attention import Attention
from vision_jax.layers.broadcast import spread
from vision_jax.layers.mlp import mlp
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.splits import Split, Splits
from vision_jax.layers.stochastic import Dropout, StochasticDepth


class Block(nn.Module):
  """A pre-norm transformer block; paths norm1, attention, norm2, mlp.

  Attributes:
    heads: attention heads.
    hidden: features within the MLP.
    dropout: probability of zeroing a value of each branch.
    drop_path: probability of dropping each branch of an example.
    dtype: type to compute in.
    mlp: kind of the MLP, see `layers.mlp`.
    epsilon: added to each norm's variance.
    layer_scale: initial factor of each feature of a branch (Touvron et al.,
      2021, CaiT), layer_scale1 and layer_scale2; 0 for none.
  """

  heads: int
  hidden: int
  dropout: float = 0.0
  drop_path: float = 0.0
  dtype: DTypeLike = jnp.float32
  mlp: str = "gelu"
  epsilon: float = 1e-6
  layer_scale: float = 0.0

  @nn.compact
  def __call__(self, x: Array, train: bool, mask: Array | None = None) -> Array:
    """Maps tokens x (b, l, d) to the same shape; `mask` as of `Attention`."""
    norm = lambda name: LayerNorm(self.epsilon, self.dtype, name=name)
    path = lambda y: StochasticDepth(self.drop_path)(y, train=train)
    attention = Attention(self.heads, self.dtype, name="attention")
    y = attention(norm("norm1")(x), mask=mask)
    y = self._scaled(Dropout(self.dropout)(y, train=train), "layer_scale1")
    x += path(y)
    block = mlp(self.mlp, self.hidden, self.dropout, self.dtype, "mlp")
    y = block(norm("norm2")(x), train=train)
    return x + path(self._scaled(y, "layer_scale2"))

  def _scaled(self, y: Array, name: str) -> Array:
    if not self.layer_scale:
      return y
    init = nn.initializers.constant(self.layer_scale)
    scale = self.param(name, init, y.shape[-1:], jnp.float32)
    return y * spread(scale, y.shape, y.dtype)


def block_splits(heads: int, hidden: int) -> Splits:
  """Returns how the arrays of `Block`s and `MapHead`s are split over devices.

  Each first layer by what it gives, heads or hidden features, and each second
  by what it takes: what lies between stays on its device, and each branch is
  added up once (Shoeybi et al., 2019, "Megatron-LM"). The rest is whole.

  Args:
    heads: of each attention.
    hidden: features within each MLP.
  """
  attention = lambda axis: Split(axis, heads, "heads")
  mlp = lambda axis: Split(axis, hidden, "features within the MLP")
  return {
    r"attention/(query|key|value)/(kernel|bias)$": attention(-1),
    r"attention/out/kernel$": attention(0),
    r"mlp/(dense1|gate|up)/(kernel|bias)$": mlp(-1),
    r"mlp/(dense2|down)/kernel$": mlp(0),
  }
