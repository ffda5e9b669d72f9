"""The diffusion transformer (Peebles & Xie, https://arxiv.org/abs/2212.09748).

Tokens are patches of a noisy image; time and class steer each block's norms and
gates (adaLN-zero).
"""

import re
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import XAVIER, Attention
from vision_jax.layers.dense import Dense
from vision_jax.layers.embeddings import sincos2d
from vision_jax.layers.mlp import MlpBlock
from vision_jax.layers.remat import remat
from vision_jax.layers.time_embedding import TimeEmbedding
from vision_jax.layers.upsample import depth_to_space, space_to_depth
from vision_jax.models.generation.ddpm_blocks import NOTHING
from vision_jax.ops.shapes import check_shape

SINUSOIDS = 256  # of the time, at every size


class DiT(nn.Module):
  """Predicts, from a noisy image and its time, an image's worth of numbers.

  Fields of the published sizes come from `variant`. Paths: embedding, time,
  label, block0, ..., modulation, out.

  Differs from the paper: what begins as zero there begins as nearly that, so
  that gradients pass from the first step; and dropping classes is the task's.

  Attributes:
    num_classes: k of a class-conditional model, else 0. Label k means no class
      (classifier-free guidance).
    patch: side of a patch in pixels.
    features: width of a token, d.
    depth: number of blocks.
    heads: attention heads.
    mlp_ratio: features within a block's MLP over d.
    learned_variance: whether twice the channels come out, the second half for
      the variance, as in the paper.
    times: how many times it is given, see `layers.time_embedding`; 2 for an
      average velocity (https://arxiv.org/abs/2505.13447).
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  num_classes: int = 0
  patch: int = 2
  features: int = 1152
  depth: int = 28
  heads: int = 16
  mlp_ratio: int = 4
  learned_variance: bool = False
  times: int = 1
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    t: Array | None = None,
    condition: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps noisy images x (b, h, w, c) to predictions, float32.

    Args:
      x: images.
      t: times (b,), or several (b, n); what is not given is 0.
      condition: classes int (b,), k for none, where None is none.
      train: not needed: nothing drops.
      mask: (b,), not needed: no example sees another.

    Returns:
      (b, h, w, c), or (b, h, w, 2 c) where the variance is learned.
    """
    del train, mask
    b, h, w, c = check_shape("image", x, "b h w c")
    if h % self.patch or w % self.patch:
      raise UserError(
        f"image: got {h} x {w}; expected sides that are multiples of the "
        f"patch, {self.patch}. Resize the images, or give another patch."
      )
    steer = jax.nn.silu(
      self._steer(jnp.zeros(b) if t is None else t, condition)
    )
    x = self._embed(x)
    block = remat(Block, self.remat)
    for i in range(self.depth):
      make = block(self.heads, self.mlp_ratio, self.dtype, name=f"block{i}")
      x = make(x, steer)
    shift, scale = self._modulation(steer)
    x = modulated(x, shift, scale, jnp.float32)
    out = c * self.patch**2 * (2 if self.learned_variance else 1)
    x = Dense(out, kernel_init=NOTHING, name="out")(x)
    grid = (h // self.patch, w // self.patch)
    return depth_to_space(x.reshape(b, *grid, out), self.patch)

  def _embed(self, x: Array) -> Array:
    """Maps images to tokens with their positions, (b, l, d)."""
    x = space_to_depth(x, self.patch)
    b, h, w, c = x.shape
    dense = Dense(
      self.features, dtype=self.dtype, kernel_init=XAVIER, name="embedding"
    )
    positions = sincos2d((h, w), self.features, last=False)
    return dense(x.reshape(b, h * w, c)) + positions.astype(self.dtype)

  def _steer(self, t: Array, label: Array | None) -> Array:
    """The vector (b, d) of time and class."""
    embed = TimeEmbedding(
      SINUSOIDS, self.features, self.dtype, self.times, name="time"
    )
    time = embed(t)
    if not self.num_classes:
      return time
    if label is None:
      label = jnp.full(t.shape[:1], self.num_classes, jnp.int32)
    start = nn.initializers.normal(0.02)
    table = nn.Embed(
      self.num_classes + 1, self.features, embedding_init=start, name="label"
    )
    # Cast after: a class's gradient adds up over examples in float32.
    return time + table(label).astype(self.dtype)

  def _modulation(self, steer: Array) -> list[Array]:
    dense = Dense(2 * self.features, kernel_init=NOTHING, name="modulation")
    return jnp.split(dense(steer)[:, None], 2, -1)


class Block(nn.Module):
  """Attention and MLP whose norms and gates are steered (adaLN-zero).

  Parameters modulation (d, 6 d), attention and mlp; it begins as (nearly) the
  identity.
  """

  heads: int
  mlp_ratio: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, steer: Array) -> Array:
    """Maps tokens x (b, l, d), steered by (b, d), to the same shape."""
    d = x.shape[-1]
    dense = Dense(
      6 * d, dtype=self.dtype, kernel_init=NOTHING, name="modulation"
    )
    parts = jnp.split(dense(steer)[:, None], 6, -1)
    attention = Attention(self.heads, self.dtype, name="attention")
    mlp = MlpBlock(self.mlp_ratio * d, 0.0, self.dtype, "gelu_tanh", name="mlp")
    shift, scale, gate = parts[:3]
    x = x + gate * attention(modulated(x, shift, scale, self.dtype))
    shift, scale, gate = parts[3:]
    return x + gate * mlp(modulated(x, shift, scale, self.dtype), train=False)


def modulated(x: Array, shift: Array, scale: Array, dtype: DTypeLike) -> Array:
  """Normalises tokens x (b, l, d) without parameters, and scales and shifts."""
  x = x.astype(jnp.float32)
  x = x - jnp.mean(x, -1, keepdims=True)
  x = x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
  return x.astype(dtype) * (1 + scale) + shift


_SIZES = {
  "S": {"features": 384, "depth": 12, "heads": 6},
  "B": {"features": 768, "depth": 12, "heads": 12},
  "L": {"features": 1024, "depth": 24, "heads": 16},
  "XL": {"features": 1152, "depth": 28, "heads": 16},
}


def variant(name: str) -> dict[str, Any]:
  """Returns the fields of "S", "B", "L" or "XL" with a patch: "XL/2".

  Raises:
    UserError: for another name.
  """
  match = re.fullmatch(r"(\w+)/(\d+)", name)
  if not match or match[1] not in _SIZES or int(match[2]) == 0:
    raise UserError(
      f"variant: got {name!r}; expected one of {', '.join(_SIZES)}, a slash "
      "and the side of a patch in pixels, such as 'XL/2'."
    )
  return {**_SIZES[match[1]], "patch": int(match[2])}
