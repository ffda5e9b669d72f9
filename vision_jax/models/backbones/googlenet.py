"""GoogLeNet, with BatchNorm as torchvision has it."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import adaptive_average, global_average, max_pool
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.shapes import check_shape

SIDES = (4, 4)  # of the map that an auxiliary head sees
NORMAL = nn.initializers.normal(0.01)
EPSILON = 1e-3

# Features: 1x1; 3x3 and those before it; 5x5 and those before it; pooled.
BLOCKS = {
  "3a": (64, 96, 128, 16, 32, 32),
  "3b": (128, 128, 192, 32, 96, 64),
  "4a": (192, 96, 208, 16, 48, 64),
  "4b": (160, 112, 224, 24, 64, 64),
  "4c": (128, 128, 256, 24, 64, 64),
  "4d": (112, 144, 288, 32, 64, 64),
  "4e": (256, 160, 320, 32, 128, 128),
  "5a": (256, 160, 320, 32, 128, 128),
  "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARY = {"4a": "aux1", "4d": "aux2"}  # the heads after these


class Inception(nn.Module):
  """Branches side by side: 1x1, 3x3, the "5x5", and a maximum.

  Paths branch1, branch2_1, branch2_2, branch3_1, branch3_2, branch4.

  Attributes:
    features: a row of `BLOCKS`.
    layer: as `conv_norms` makes it.
  """

  features: tuple[int, ...]
  layer: Callable[..., Callable[[Array], Array]]

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, features of all branches)."""
    one, before3, three, before5, five, pooled = self.features
    layer = self.layer
    second = layer(before3, 1, name="branch2_1")(x)
    third = layer(before5, 1, name="branch3_1")(x)
    branches = [
      layer(one, 1, name="branch1")(x),
      layer(three, 3, name="branch2_2")(second),
      layer(five, 3, name="branch3_2")(third),
      layer(pooled, 1, name="branch4")(max_pool(x, 3, 1, 1)),
    ]
    return jnp.concatenate(branches, axis=-1)


class AuxiliaryHead(nn.Module):
  """A classifier on a map in the middle of a net; paths conv, fc1, fc2.

  Attributes:
    num_classes: k.
    dropout: probability of zeroing a feature before the last layer.
    layer: as `conv_norms` makes it.
    dtype: type to compute in; the logits are float32.
  """

  num_classes: int
  dropout: float
  layer: Callable[..., Callable[[Array], Array]]
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Maps x (b, h, w, c) to logits (b, k) float32."""
    dense = functools.partial(Dense, kernel_init=NORMAL)
    x = self.layer(128, 1, name="conv")(adaptive_average(x, SIDES))
    x = dense(1024, dtype=self.dtype, name="fc1")(x.reshape(len(x), -1))
    x = Dropout(self.dropout)(jax.nn.relu(x), train=train)
    return dense(self.num_classes, name="fc2")(x)


class GoogLeNet(nn.Module):
  """GoogLeNet (Szegedy et al., 2014), arxiv.org/abs/1409.4842.

  Paths conv1, conv2, conv3, inception3a, ..., aux1, aux2, fc. As torchvision
  has it: BatchNorm in place of local response normalisation, and 3x3 where the
  paper has 5x5.

  Attributes:
    num_classes: k.
    auxiliary: whether there are classifiers in the middle, for training alone:
      with train=True logits are then {"logits": ..., "aux1": ..., "aux2": ...},
      of which `tasks.classification` adds up losses.
    dropout: probability of zeroing a feature before the head.
    auxiliary_dropout: likewise in the auxiliary heads.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and the heads are float32.
  """

  num_classes: int
  auxiliary: bool = False
  dropout: float = 0.2
  auxiliary_dropout: float = 0.7
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
      kernel_init=NORMAL,
    )
    x = _halve(layer(64, 7, 2, name="conv1")(x))
    x = layer(192, 3, name="conv3")(layer(64, 1, name="conv2")(x))
    logits, x = {}, _halve(x)
    for name, features in BLOCKS.items():
      if name == "4a":
        x = _halve(x)
      elif name == "5a":
        x = max_pool(x, 2, 2, ceil=True)
      x = Inception(features, layer, name=f"inception{name}")(x)
      if name in AUXILIARY and self._runs_auxiliary(train):
        logits[AUXILIARY[name]] = self._head(AUXILIARY[name], x, layer, train)
    x = Dropout(self.dropout)(global_average(x), train=train)
    x = Dense(self.num_classes, kernel_init=NORMAL, name="fc")(x)
    return {"logits": x, **logits} if train and logits else x

  def _runs_auxiliary(self, train: bool) -> bool:
    return self.auxiliary and (train or self.is_initializing())

  def _head(self, name: str, x: Array, layer, train: bool) -> Array:
    head = AuxiliaryHead(
      *(self.num_classes, self.auxiliary_dropout, layer, self.dtype), name=name
    )
    return head(x, train=train)


def _halve(x: Array) -> Array:
  return max_pool(x, 3, 2, ceil=True)
