"""The Inception v3 that FID is defined by (TensorFlow's of 2015-12-05).

Not the one that classifies today: 1008 outputs, average pooling that does not
count its padding, and a maximum in the last block. For inference: normalization
is by constants. Paths and shapes follow the file of weights that is in use
everywhere (pytorch-fid), so that reading it is a renaming.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array

EPSILON = 1e-3
SIZE = 299

Spec = tuple  # (name, features, (height, width), stride, "SAME" or "VALID")


class ConvNorm(nn.Module):
  """Convolution, normalization by constants, ReLU."""

  features: int
  kernel: tuple[int, int] = (1, 1)
  stride: int = 1
  padding: str = "SAME"

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', features)."""
    shape = (*self.kernel, x.shape[-1], self.features)
    kernel = self.param(
      "kernel", nn.initializers.lecun_normal(), shape, jnp.float32
    )
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    per_feature = lambda name, init: self.param(name, init, shape[-1:])
    scale, bias = per_feature("scale", ones), per_feature("bias", zeros)
    mean, var = per_feature("mean", zeros), per_feature("var", ones)
    y = jax.lax.conv_general_dilated(
      x,
      kernel,
      (self.stride, self.stride),
      self.padding,
      dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    factor = scale * jax.lax.rsqrt(var + EPSILON)
    return jax.nn.relu(y * factor + (bias - mean * factor))


class Block(nn.Module):
  """Branches side by side, concatenated.

  Attributes:
    branches: each a sequence of (name, features, kernel[, stride, padding]); a
      leading string pools first; several convolutions in the place of one, at
      the end, are a fork.
  """

  branches: Sequence[Sequence]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', features of all branches)."""
    results = []
    for branch in self.branches:
      y = x
      for part in branch:
        if isinstance(part, str):
          y = POOLS[part](y)
        elif isinstance(part[0], tuple):
          y = [self._conv(fork, y) for fork in part]
        else:
          y = self._conv(part, y)
      results += y if isinstance(y, list) else [y]
    return jnp.concatenate(results, axis=-1)

  def _conv(self, part: Spec, x: Array) -> Array:
    name, *rest = part
    return ConvNorm(*rest, name=name)(x)


class FIDInception(nn.Module):
  """Features (b, 2048) and logits (b, 1008) of images in [-1, 1].

  The logits are without fc's bias, as the published inception score has them:
  with it CIFAR-10's training images score 10.95, and not 11.23.
  """

  @nn.compact
  def __call__(self, x: Array, *, train: bool = False) -> dict[str, Array]:
    """Resizes x (b, h, w, 3) to 299 x 299, bilinearly, and looks at it."""
    del train  # there is nothing that differs
    x = jax.image.resize(
      x, (x.shape[0], SIZE, SIZE, 3), "bilinear", antialias=False
    )
    conv = lambda name, *spec: ConvNorm(*spec, name=name)
    x = conv("Conv2d_1a_3x3", 32, (3, 3), 2, "VALID")(x)
    x = conv("Conv2d_2a_3x3", 32, (3, 3), 1, "VALID")(x)
    x = conv("Conv2d_2b_3x3", 64, (3, 3))(x)
    x = _halve(x)
    x = conv("Conv2d_3b_1x1", 80)(x)
    x = conv("Conv2d_4a_3x3", 192, (3, 3), 1, "VALID")(x)
    x = _halve(x)
    for name, branches in BLOCKS.items():
      x = Block(branches, name=name)(x)
    x = jnp.mean(x, axis=(1, 2))
    # The published inception score multiplies by fc's kernel and adds no bias.
    logits = nn.Dense(1008, use_bias=False, name="fc")(x)
    return {"features": x, "logits": logits}


def _average(x: Array) -> Array:
  """3 x 3 means at stride 1, of the pixels that are there."""
  return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def _max(x: Array) -> Array:
  return nn.max_pool(x, (3, 3), (1, 1), "SAME")


def _halve(x: Array) -> Array:
  return nn.max_pool(x, (3, 3), (2, 2), "VALID")


POOLS = {"average": _average, "max": _max, "halve": _halve}


def block_a(pool: int) -> list[Spec]:
  """Returns the branches of 1x1, 5x5 and two 3x3; `pool` channels pooled."""
  return [
    [("branch1x1", 64)],
    [("branch5x5_1", 48), ("branch5x5_2", 64, (5, 5))],
    [
      ("branch3x3dbl_1", 64),
      ("branch3x3dbl_2", 96, (3, 3)),
      ("branch3x3dbl_3", 96, (3, 3)),
    ],
    ["average", ("branch_pool", pool)],
  ]


def block_c(d: int) -> list[Spec]:
  """Returns the branches of 1x7 and 7x1, of `d` channels within."""
  wide, tall = (1, 7), (7, 1)
  return [
    [("branch1x1", 192)],
    [
      ("branch7x7_1", d),
      ("branch7x7_2", d, wide),
      ("branch7x7_3", 192, tall),
    ],
    [
      ("branch7x7dbl_1", d),
      ("branch7x7dbl_2", d, tall),
      ("branch7x7dbl_3", d, wide),
      ("branch7x7dbl_4", d, tall),
      ("branch7x7dbl_5", 192, wide),
    ],
    ["average", ("branch_pool", 192)],
  ]


def block_e(pool: str) -> list[Spec]:
  """Returns the branches that end in 1x3 beside 3x1; `pool` is its kind."""
  wide, tall = (1, 3), (3, 1)
  return [
    [("branch1x1", 320)],
    [
      ("branch3x3_1", 384),
      [("branch3x3_2a", 384, wide), ("branch3x3_2b", 384, tall)],
    ],
    [
      ("branch3x3dbl_1", 448),
      ("branch3x3dbl_2", 384, (3, 3)),
      [("branch3x3dbl_3a", 384, wide), ("branch3x3dbl_3b", 384, tall)],
    ],
    [pool, ("branch_pool", 192)],
  ]


_HALVING = ((3, 3), 2, "VALID")
BLOCKS: dict[str, list[Spec]] = {
  "Mixed_5b": block_a(32),
  "Mixed_5c": block_a(64),
  "Mixed_5d": block_a(64),
  "Mixed_6a": [
    [("branch3x3", 384, *_HALVING)],
    [
      ("branch3x3dbl_1", 64),
      ("branch3x3dbl_2", 96, (3, 3)),
      ("branch3x3dbl_3", 96, *_HALVING),
    ],
    ["halve"],
  ],
  "Mixed_6b": block_c(128),
  "Mixed_6c": block_c(160),
  "Mixed_6d": block_c(160),
  "Mixed_6e": block_c(192),
  "Mixed_7a": [
    [("branch3x3_1", 192), ("branch3x3_2", 320, *_HALVING)],
    [
      ("branch7x7x3_1", 192),
      ("branch7x7x3_2", 192, (1, 7)),
      ("branch7x7x3_3", 192, (7, 1)),
      ("branch7x7x3_4", 192, *_HALVING),
    ],
    ["halve"],
  ],
  "Mixed_7b": block_e("average"),
  "Mixed_7c": block_e("max"),
}
