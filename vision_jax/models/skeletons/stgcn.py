"""ST-GCN: convolutions over a skeleton's joints, and over time.

Yan et al. (2018), "Spatial Temporal Graph Convolutional Networks for
Skeleton-Based Action Recognition".
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv3d import Conv3D, along_time
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.models.skeletons.graph import spatial_partition
from vision_jax.ops.shapes import check_shape

# Features and stride in time of the paper's layers.
PAPER: Sequence[tuple[int, int]] = (
  *((64, 1),) * 4,
  *((128, 2), (128, 1), (128, 1)),
  *((256, 2), (256, 1), (256, 1)),
)


class STGCN(nn.Module):
  """Classifies skeletons over time.

  Paths: input_bn, block0, ..., head; within a block joints (a product for each
  part of the graph), importance, bn1, temporal, bn2, projection.

  The last of a joint's channels says whether it was seen, as a confidence does
  in the authors' Kinetics. What was not seen counts as the average, whatever
  the other channels say.

  Attributes:
    num_classes: k.
    edges: pairs of joints that belong together.
    centre: the joint in the middle, see `spatial_partition`.
    layers: features and stride in time of each block; the first block has no
      shortcut.
    kernel: frames of a convolution over time.
    dropout: probability of zeroing a value at the end of a block's branch.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  edges: Sequence[tuple[int, int]]
  centre: int
  layers: Sequence[tuple[int, int]] = PAPER
  kernel: int = 9
  dropout: float = 0.5
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps joints x (b, t, v, c) to logits (b, k) float32."""
    b, t, v, c = check_shape("joints", x, "b t v c")
    graph = spatial_partition(self.edges, v, self.centre)
    seen = x[..., -1:] > 0
    x = jnp.where(seen, x, 0).reshape(b, t, v * c)
    norm = BatchNorm(dtype=self.dtype, name="input_bn")
    x = norm(x, train=train, mask=mask).reshape(b, t, v, c)
    x = jnp.where(seen, x, 0)
    for i, (features, stride) in enumerate(self.layers):
      x = Block(
        *(features, stride, self.kernel, self.dropout),
        shortcut=i > 0,
        dtype=self.dtype,
        name=f"block{i}",
      )(x, jnp.asarray(graph), train=train, mask=mask)
    x = jnp.mean(x, axis=(1, 2), dtype=jnp.float32)
    return Dense(self.num_classes, name="head")(x)


class Block(nn.Module):
  """A convolution over the graph, one over time, and a shortcut.

  Attributes:
    features: channels of the result, d.
    stride: in time.
    kernel: frames of the convolution over time.
    dropout: as of `STGCN`.
    shortcut: whether there is one.
    dtype: type to compute in.
  """

  features: int
  stride: int
  kernel: int
  dropout: float
  shortcut: bool
  dtype: DTypeLike

  @nn.compact
  def __call__(
    self, x: Array, graph: Array, *, train: bool, mask: Array | None
  ) -> Array:
    """Maps x (b, t, v, c) on a graph (p, v, v) to (b, t', v, d)."""
    norm = lambda y, name: BatchNorm(dtype=self.dtype, name=name)(
      y, train=train, mask=mask
    )
    y = jax.nn.relu(norm(self._over_joints(x, graph), "bn1"))
    conv = Conv3D(
      *(self.features, (self.kernel, 1, 1), (self.stride, 1)),
      use_bias=True,
      dtype=self.dtype,
      name="temporal",
    )
    y = norm(conv(along_time(y))[..., 0, :], "bn2")
    y = Dropout(self.dropout)(y, train=train)
    if not self.shortcut:
      return jax.nn.relu(y)
    if self.stride > 1 or x.shape[-1] != self.features:
      dense = Dense(self.features, dtype=self.dtype, name="projection")
      x = norm(dense(x[:, :: self.stride]), "projection_bn")
    return jax.nn.relu(x + y)

  def _over_joints(self, x: Array, graph: Array) -> Array:
    """Each part of the graph has weights of its own, over joints' features."""
    parts, ones = len(graph), nn.initializers.ones
    importance = self.param("importance", ones, graph.shape, jnp.float32)
    dense = Dense(parts * self.features, dtype=self.dtype, name="joints")
    y = dense(x).reshape(*x.shape[:3], parts, self.features)
    graph = (graph * importance).astype(self.dtype)
    return jnp.einsum("btvpd,pvw->btwd", y, graph)
