"""What nets of translation have in common: their norms and initial weights."""

import flax.linen as nn
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.norm import BatchNorm

NORMS = ("batch", "instance", "instance_affine", "none")
INIT = nn.initializers.normal(0.02)  # of all kernels, as in both papers
EPSILON = 1e-5


def normalized(
  x: Array,
  *,
  kind: str,
  name: str,
  train: bool,
  mask: Array | None,
  per_image: bool = False,
  dtype: DTypeLike,
) -> Array:
  """Normalizes x (b, h, w, c) by a module of the calling one.

  Args:
    x: the map.
    kind: "batch", "instance" (each image and channel by itself, without
      parameters: Ulyanov et al., 2016, arxiv.org/abs/1607.08022),
      "instance_affine" (the same with a scale and a bias) or "none".
    name: of the module.
    train, mask: as for `BatchNorm`.
    per_image: of "batch": whether with train=False each image's own moments
      normalize it.
    dtype: type of the result.

  Raises:
    UserError: for another kind.
  """
  check_name("norm", kind, NORMS)
  if kind == "none":
    return x
  if kind.startswith("instance"):
    c, affine = x.shape[-1], kind == "instance_affine"
    return GroupNorm(c, EPSILON, dtype, affine=affine, name=name)(x)
  norm = BatchNorm(epsilon=EPSILON, per_image=per_image, dtype=dtype, name=name)
  return norm(x, train=train, mask=mask)


def has_bias(kind: str) -> bool:
  """Whether a convolution before such a norm has a bias of its own."""
  return kind != "batch"  # which has one, and an instance's has no parameters
