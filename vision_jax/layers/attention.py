"""Multi-head attention by the fastest exact kernel of the backend."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.dense import Dense

XAVIER = nn.initializers.xavier_uniform()


class Attention(nn.Module):
  """Multi-head scaled dot-product attention (Vaswani et al., 2017).

  Parameters query, key, value, out: a Dense (d, d) each.

  Attributes:
    heads: number of heads, m; divides the features d of the queries.
    dtype: type to compute in; parameters are float32.
  """

  heads: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, context: Array | None = None, *, mask: Array | None = None
  ) -> Array:
    """Attends from x (b, q, d) to context (b, l, c), or to itself.

    Args:
      x: what asks.
      context: what is attended to; None for x itself.
      mask: bool, broadcast to (b, m, q, l); False is not attended to.
    """
    b, q, d = x.shape
    if d % self.heads:
      raise UserError(
        f"Attention: got {d} features and {self.heads} heads; expected a "
        "number of heads that divides the features."
      )
    context = x if context is None else context

    def split(name, values):
      y = Dense(d, dtype=self.dtype, kernel_init=XAVIER, name=name)(values)
      return y.reshape(*y.shape[:2], self.heads, d // self.heads)

    y = attend(
      split("query", x), split("key", context), split("value", context), mask
    )
    out = Dense(d, dtype=self.dtype, kernel_init=XAVIER, name="out")
    return out(y.reshape(b, q, d))


def attend(
  query: Array, key: Array, value: Array, mask: Array | None = None
) -> Array:
  """Softmax of query·key / sqrt(d) times value; all (b, l, m, d).

  On a CPU flax's function, the faster backward there; on GPUs cuDNN's fused
  kernel where it takes the shapes, else XLA's.
  """
  if jax.default_backend() == "cpu":
    return nn.dot_product_attention(query, key, value, mask=mask)
  if mask is not None:  # cuDNN takes no mask that stands for all queries
    shape = (query.shape[0], mask.shape[1], query.shape[1], key.shape[1])
    mask = jnp.broadcast_to(mask, shape)
  kernel = "cudnn" if fits_cudnn(query, key, mask) else "xla"
  return jax.nn.dot_product_attention(
    query, key, value, mask=mask, implementation=kernel
  )


def fits_cudnn(query: Array, key: Array, mask: Array | None) -> bool:
  """Whether cuDNN's fused attention takes these arrays on any NVIDIA GPU.

  It wants 16 bits, and heads of at most 128 features in multiples of 8; with a
  mask, which becomes a bias, even numbers of tokens. Not on AMD's GPUs.
  """
  if jax.default_backend() != "gpu" or not is_cuda():
    return False
  half = query.dtype in (jnp.bfloat16, jnp.float16)
  head = query.shape[-1]
  even = query.shape[1] % 2 == 0 and key.shape[1] % 2 == 0
  return half and head <= 128 and head % 8 == 0 and (mask is None or even)


def is_cuda() -> bool:
  """Whether the GPUs are NVIDIA's."""
  return "rocm" not in jax.devices()[0].client.platform_version.lower()
