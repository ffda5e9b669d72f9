"""VGG nets, with and without BatchNorm."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, adaptive_average, avg_pool, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.shapes import check_shape

SIDES = (7, 7)  # of the map that the dense layers see
NORMAL = nn.initializers.normal(0.01)


class VGG(nn.Module):
  """VGG (Simonyan & Zisserman, 2014), arxiv.org/abs/1409.1556.

  Paths follow the authors' release: conv1_1, ..., fc6, fc7, fc8, and bn1_1, ...
  with BatchNorm. As torchvision has it: convolutions keep their biases beside
  BatchNorm, and means over windows stand in place of a fixed size of the image.

  Attributes:
    num_classes: k.
    stages: features of the convolutions, a tuple for each stage.
    norm: whether BatchNorm follows each convolution.
    hidden: features of fc6 and fc7.
    dropout: probability of zeroing a feature after fc6 and fc7.
    momentum: decay of BatchNorm's running moments.
    ceil: stages after which a rest of the map is pooled too, such as (3,).
    average: whether stages are pooled by means and not by the largest value, as
      Gatys et al. (2016) do for style.
    layers: what features=True gives, such as ("relu1_1", "relu4_2"), the
      activations of conv1_1 and conv4_2; () for the stages' results.
    remat: what stages compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[Sequence[int]] = (
    (64,) * 2,
    (128,) * 2,
    (256,) * 3,
    (512,) * 3,
    (512,) * 3,
  )
  norm: bool = False
  hidden: int = 4096
  dropout: float = 0.5
  momentum: float = 0.9
  ceil: Sequence[int] = ()
  average: bool = False
  layers: Sequence[str] = ()
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    features: bool = False,
  ) -> Array | dict[str, Array]:
    """Maps images x (b, h, w, c) to logits (b, k) float32.

    With features=True to the stages' results before their pooling in place of
    logits, {"c1": ..., "c5": ...}, see `strides`, or to those of `layers`;
    dense layers are then not created.

    Raises:
      UserError: for a layer that there is not.
    """
    b, *_ = check_shape("image", x, "b h w c")
    run = remat(VGG._stage, self.remat, static=(1, 3))
    maps = {}
    for stage in range(1, len(self.stages) + 1):
      x, own = run(self, stage, x, train, mask)
      maps |= {**own, f"c{stage}": x}
      if features and stage == len(self.stages):
        names = self.layers or self.strides
        return {check_name("layers", name, maps): maps[name] for name in names}
      x = avg_pool(x) if self.average else max_pool(x, ceil=stage in self.ceil)
    x = adaptive_average(x, SIDES).reshape(b, -1)
    dense = functools.partial(Dense, kernel_init=NORMAL)
    for name in ("fc6", "fc7"):
      x = jax.nn.relu(dense(self.hidden, dtype=self.dtype, name=name)(x))
      x = Dropout(self.dropout)(x, train=train)
    return dense(self.num_classes, name="fc8")(x)

  @property
  def strides(self) -> dict[str, int]:
    """Pixels from one place of a stage's map to the next, of "c1", "c2", ..."""
    return {f"c{i + 1}": 2**i for i in range(len(self.stages))}

  def _stage(
    self, stage: int, x: Array, train: bool, mask: Array | None
  ) -> tuple[Array, dict[str, Array]]:
    """Returns a stage's result, and those of `layers` that are in it."""
    maps = {}
    for i, features in enumerate(self.stages[stage - 1], 1):
      name = f"{stage}_{i}"
      x = Conv(features, use_bias=True, dtype=self.dtype, name=f"conv{name}")(x)
      if self.norm:
        norm = BatchNorm(self.momentum, dtype=self.dtype, name=f"bn{name}")
        x = norm(x, train=train, mask=mask)
      x = jax.nn.relu(x)
      if f"relu{name}" in self.layers:
        maps[f"relu{name}"] = x
    return x, maps


def _vgg(*convolutions: int) -> functools.partial:
  widths = (64, 128, 256, 512, 512)
  stages = zip(widths, convolutions, strict=True)
  return functools.partial(VGG, stages=tuple((w,) * n for w, n in stages))


VGG11 = _vgg(1, 1, 2, 2, 2)
VGG13 = _vgg(2, 2, 2, 2, 2)
VGG16 = _vgg(2, 2, 3, 3, 3)
VGG19 = _vgg(2, 2, 4, 4, 4)
