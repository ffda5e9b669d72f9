"""Inception v3, the classifier of torchvision and timm."""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import avg_pool, global_average, max_pool
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout
from vision_jax.models.backbones import fid_inception
from vision_jax.models.backbones.fid_inception import block_e
from vision_jax.ops.shapes import check_shape

EPSILON = 1e-3
SIZE = 299
# The FID's graph has these blocks too, but for its last one's maximum.
BLOCKS = {**fid_inception.BLOCKS, "Mixed_7c": block_e("average")}
POOLS = {
  "average": lambda x: avg_pool(x, 3, 1, 1),
  "halve": lambda x: max_pool(x, 3, 2),
}
Layer = Callable[..., Callable[[Array], Array]]


class Block(nn.Module):
  """Branches side by side, concatenated.

  Attributes:
    branches: as in `fid_inception.Block`.
    layer: as `conv_norms` makes it.
  """

  branches: Sequence[Sequence]
  layer: Layer

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', features of all branches)."""
    results = []
    for branch in self.branches:
      ys = [x]
      for part in branch:
        if isinstance(part, str):
          ys = [POOLS[part](ys[0])]
        else:
          fork = part if isinstance(part[0], tuple) else [part]
          ys = [self._conv(*spec)(ys[0]) for spec in fork]
      results += ys
    return jnp.concatenate(results, axis=-1)

  def _conv(self, name, features, kernel=(1, 1), stride=1, padding="SAME"):
    sides = {"SAME": None, "VALID": 0}[padding]
    return self.layer(features, kernel, stride, sides, name=name)


class AuxiliaryHead(nn.Module):
  """A classifier on the 17 x 17 maps; paths conv0, conv1, fc.

  Attributes:
    num_classes: k.
    layer: as `conv_norms` makes it.
  """

  num_classes: int
  layer: Layer

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to logits (b, k) float32."""
    x = self.layer(128, 1, name="conv0")(avg_pool(x, 5, 3))
    narrow = nn.initializers.normal(0.01)
    x = self.layer(768, 5, 1, 0, kernel_init=narrow, name="conv1")(x)
    init = nn.initializers.normal(0.001)
    head = Dense(self.num_classes, kernel_init=init, name="fc")
    return head(global_average(x))


class InceptionV3(nn.Module):
  """Inception v3 (Szegedy et al., 2015), arxiv.org/abs/1512.00567.

  For images of 299 x 299, and of 75 x 75 at least. Paths are torchvision's:
  Conv2d_1a_3x3, ..., Mixed_5b/branch1x1, ..., AuxLogits, fc.

  Attributes:
    num_classes: k.
    auxiliary: whether there is a classifier in the middle, for training alone:
      with train=True logits are then {"logits": ..., "aux": ...}, of which
      `tasks.classification` adds up losses.
    dropout: probability of zeroing a feature before the head.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and the heads are float32.
  """

  num_classes: int
  auxiliary: bool = False
  dropout: float = 0.5
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array | dict[str, Array]:
    """Maps images x (b, h, w, c) to logits (b, k) float32."""
    check_shape("image", x, "b h w c")
    layer = conv_norms(
      train=train,
      mask=mask,
      epsilon=EPSILON,
      momentum=self.momentum,
      dtype=self.dtype,
      kernel_init=nn.initializers.truncated_normal(0.1),
    )
    x = self._stem(x, layer)
    auxiliary = self.auxiliary and (train or self.is_initializing())
    logits = {}
    for name, branches in BLOCKS.items():
      if auxiliary and name == "Mixed_7a":
        head = AuxiliaryHead(self.num_classes, layer, name="AuxLogits")
        logits["aux"] = head(x)
      x = Block(branches, layer, name=name)(x)
    x = Dropout(self.dropout)(global_average(x), train=train)
    init = nn.initializers.truncated_normal(0.1)
    x = Dense(self.num_classes, kernel_init=init, name="fc")(x)
    return {"logits": x, **logits} if train and logits else x

  def _stem(self, x: Array, layer: Layer) -> Array:
    x = layer(32, 3, 2, 0, name="Conv2d_1a_3x3")(x)
    x = layer(32, 3, 1, 0, name="Conv2d_2a_3x3")(x)
    x = max_pool(layer(64, 3, name="Conv2d_2b_3x3")(x), 3, 2)
    x = layer(80, 1, name="Conv2d_3b_1x1")(x)
    return max_pool(layer(192, 3, 1, 0, name="Conv2d_4a_3x3")(x), 3, 2)
