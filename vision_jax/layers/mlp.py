"""The MLP of a transformer's block: two layers, or gated."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.forms.choice import form
from vision_jax.layers.attention import XAVIER
from vision_jax.layers.dense import Dense
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
  "gelu": lambda x: jax.nn.gelu(x, approximate=False),  # by erf
  "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
  "gelu_sigmoid": lambda x: x * jax.nn.sigmoid(1.702 * x),  # CLIP's
}


def mlp(kind: str, hidden: int, dropout: float, dtype: DTypeLike, name: str):
  """Returns an MLP by the name of its kind: of ACTIVATIONS, or "swiglu".

  Args:
    kind: what it is.
    hidden, dropout, dtype: as of `MlpBlock`.
    name: of the module.

  Raises:
    UserError: for another kind.
  """
  if kind == "swiglu":
    return GatedMlp(hidden, dropout, dtype, name=name)
  if kind not in ACTIVATIONS:
    raise UserError(
      f"mlp: got {kind!r}; expected one of {', '.join(ACTIVATIONS)}, swiglu."
    )
  return MlpBlock(hidden, dropout, dtype, kind, name=name)


class MlpBlock(nn.Module):
  """Dense, GELU, Dense, with dropout after each (Dosovitskiy et al., 2021).

  Parameters dense1 (d, hidden) and dense2 (hidden, d). In the
  form "again" the backward pass computes GELU again, so that dense1's result
  alone is kept: of four arrays, the largest of a transformer, one.

  Attributes:
    hidden: features in between.
    dropout: probability of zeroing a value.
    dtype: type to compute in; parameters are float32.
    activation: one of ACTIVATIONS; "gelu" is exact.
  """

  hidden: int
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32
  activation: str = "gelu"

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, l, d) to the same shape."""
    y = self._dense(self.hidden, "dense1")(x)
    mode = "blocks" if form("gelu") == "again" else "none"
    second = remat(MlpBlock._second, mode, static=(2, 3))
    return second(self, y, x.shape[-1], train)

  def _second(self, y: Array, features: int, train: bool) -> Array:
    """Maps dense1's result (b, l, hidden) to the block's."""
    drop = lambda y: Dropout(self.dropout)(y, train=train)
    y = drop(ACTIVATIONS[self.activation](y))
    return drop(self._dense(features, "dense2")(y))

  def _dense(self, features: int, name: str) -> Dense:
    return _dense(features, self.dtype, name)


class GatedMlp(nn.Module):
  """SwiGLU (Shazeer, 2020): down(silu(gate(x)) * up(x)).

  Parameters gate and up (d, hidden) and down (hidden, d), each with a bias.

  Attributes:
    hidden: features in between.
    dropout: probability of zeroing a value, in between and at the end.
    dtype: type to compute in; parameters are float32.
  """

  hidden: int
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, l, d) to the same shape."""
    drop = lambda y: Dropout(self.dropout)(y, train=train)
    wide = lambda name: _dense(self.hidden, self.dtype, name)(x)
    y = drop(jax.nn.silu(wide("gate")) * wide("up"))
    return drop(_dense(x.shape[-1], self.dtype, "down")(y))


def _dense(features: int, dtype: DTypeLike, name: str) -> Dense:
  return Dense(
    features,
    dtype=dtype,
    kernel_init=XAVIER,
    bias_init=nn.initializers.normal(1e-6),
    name=name,
  )
