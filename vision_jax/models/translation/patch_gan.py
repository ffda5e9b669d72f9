"""PatchGAN: a discriminator of the patches of an image."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.models.translation.norms import INIT, has_bias, normalized
from vision_jax.ops.shapes import check_shape

_WIDEST = 8  # times the width
_KERNEL = 4


class PatchGAN(nn.Module):
  """A logit for each patch of 70 x 70 pixels (Isola et al., 2017).

  arxiv.org/abs/1611.07004, section 3.2.2: C64-C128-C256-C512 and a convolution
  to one number; 2,768,705 parameters of six channels (an image, and what it
  became), and 2,764,737 of three with norm="instance", as CycleGAN has it.
  Paths conv1, conv2, norm2, ..., head.

  Attributes:
    width: features of the first convolution; they double with each, up to 8
      times.
    layers: convolutions of stride 2: 3 for 70 pixels, 2 for 34, 1 for 16.
    norm: "batch", "instance" or "none".
    dtype: type to compute in; parameters and the head are float32.
  """

  width: int = 64
  layers: int = 3
  norm: str = "batch"
  dtype: DTypeLike = jnp.float32

  @property
  def receptive_field(self) -> int:
    """Side of a patch, in pixels."""
    side = 1
    for stride in (1, 1, *[2] * self.layers):
      side = (side - 1) * stride + _KERNEL
    return side

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h', w') float32.

    Raises:
      UserError: for images so small that there is no patch.
    """
    _, h, w, _ = check_shape("image", x, "b h w c")
    if min(h, w) >> self.layers < 3:
      raise UserError(
        f"PatchGAN: got images of {h} x {w} for {self.layers} layers, each of "
        f"which halves them; expected {3 << self.layers} pixels a side or "
        "more. Take fewer judge_layers, or a larger image_size."
      )
    for i in range(1, self.layers + 2):
      conv = Conv(
        self.width * min(2 ** (i - 1), _WIDEST),
        _KERNEL,
        2 if i <= self.layers else 1,
        1,
        use_bias=i == 1 or has_bias(self.norm),
        dtype=self.dtype,
        kernel_init=INIT,
        name=f"conv{i}",
      )
      x = conv(x)
      if i > 1:
        x = normalized(
          x,
          kind=self.norm,
          name=f"norm{i}",
          train=train,
          mask=mask,
          dtype=self.dtype,
        )
      x = jax.nn.leaky_relu(x, 0.2)
    head = Conv(
      *(1, _KERNEL, 1, 1), use_bias=True, kernel_init=INIT, name="head"
    )
    return head(x)[..., 0]
