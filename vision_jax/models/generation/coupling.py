"""Affine coupling: part of x scaled and shifted by what the rest says."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.models.generation.flow_layers import ActNorm, Moved, ZeroConv

PATTERNS = ("channels", "checkerboard")
SCALES = ("tanh", "sigmoid")


class Coupling(nn.Module):
  """Affine coupling of Dinh et al., https://arxiv.org/abs/1605.08803.

  y = x exp(s) + t for one half of the values, where s and t are a net's of the
  other half, which stays. A layer of flows, see `flow_layers.py`; path net.

  Attributes:
    net: features -> module, which maps (b, h, w, c) with `train` and `mask` to
      as many features.
    pattern: what the halves are: "channels", the first and the last ones, or
      "checkerboard", pixels in turns.
    flip: whether the second half stays, or the white pixels.
    scale: how s is bounded: "tanh", times a parameter bound (c,) that begins as
      1, or "sigmoid", the logarithm of sigmoid(s + 2), as in Glow.
  """

  net: Callable[..., nn.Module]
  pattern: str = "channels"
  flip: bool = False
  scale: str = "sigmoid"

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    inverse: bool = False,
    train: bool = False,
    mask: Array | None = None,
  ) -> Moved:
    """Maps x (b, h, w, c) to the same shape."""
    check_name("pattern", self.pattern, PATTERNS)
    _, h, w, c = x.shape
    how = {"train": train, "mask": mask}
    if self.pattern == "checkerboard":
      kept = checkerboard(h, w, self.flip)
      s, t = self._affine(x * kept, c, **how)
      return _moved(x, s * (1 - kept), t * (1 - kept), inverse)
    kept, moved = jnp.split(x, 2, -1)[:: -1 if self.flip else 1]
    s, t = self._affine(kept, moved.shape[-1], **how)
    moved, log_det = _moved(moved, s, t, inverse)
    halves = (moved, kept) if self.flip else (kept, moved)
    return jnp.concatenate(halves, -1), log_det

  def _affine(self, x: Array, c: int, **how) -> tuple[Array, Array]:
    """Returns s and t (b, h, w, c) of what stays."""
    check_name("scale", self.scale, SCALES)
    s, t = jnp.split(self.net(2 * c, name="net")(x, **how), 2, -1)
    if self.scale == "sigmoid":
      return jax.nn.log_sigmoid(s + 2), t
    return self.param("bound", nn.initializers.ones, (c,)) * jnp.tanh(s), t


def checkerboard(h: int, w: int, flip: bool = False) -> Array:
  """Returns (h, w, 1), of which the first pixel is 1, or with `flip` 0."""
  number = jnp.arange(h)[:, None] + jnp.arange(w) + (0 if flip else 1)
  return (number % 2).astype(jnp.float32)[..., None]


def _moved(x: Array, s: Array, t: Array, inverse: bool) -> Moved:
  log_det = jnp.sum(s, (1, 2, 3))
  if inverse:
    return (x - t) * jnp.exp(-s), -log_det
  return x * jnp.exp(s) + t, log_det


class ThreeConvs(nn.Module):
  """Glow's net: 3x3, 1x1, and a 3x3 that begins as 0, each with `ActNorm`.

  Paths conv1, norm1, conv2, norm2, out.

  Attributes:
    features: of the result.
    width: features between the convolutions.
    dtype: type to compute in; results are float32.
  """

  features: int
  width: int = 512
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, features)."""
    for i, kernel in enumerate((3, 1), 1):
      x = Conv(self.width, kernel, dtype=self.dtype, name=f"conv{i}")(x)
      x, _ = ActNorm(name=f"norm{i}")(x, train=train, mask=mask)
      x = jax.nn.relu(x)
    return ZeroConv(self.features, dtype=self.dtype, name="out")(x)


class ResidualNet(nn.Module):
  """RealNVP's net: residual blocks between convolutions.

  Paths conv_in, block1_norm1, block1_conv1, ..., norm, out. Differs from the
  paper: `ActNorm` in the place of batch and weight normalisation, no skip
  connections besides the residuals' own, and the last convolution begins as 0.

  Attributes:
    features: of the result.
    width: features of the blocks.
    blocks: how many.
    dtype: type to compute in; results are float32.
  """

  features: int
  width: int = 32
  blocks: int = 8
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool = False, mask: Array | None = None
  ) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, features)."""
    conv = lambda name: Conv(self.width, dtype=self.dtype, name=name)
    norm = lambda name, x: jax.nn.relu(
      ActNorm(name=name)(x, train=train, mask=mask)[0]
    )
    x = conv("conv_in")(x)
    for i in range(1, self.blocks + 1):
      y = x
      for j in (1, 2):
        y = conv(f"block{i}_conv{j}")(norm(f"block{i}_norm{j}", y))
      x = x + y
    return ZeroConv(self.features, 1, self.dtype, name="out")(norm("norm", x))
