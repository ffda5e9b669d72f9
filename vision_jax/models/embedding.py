"""Nets that embed images, with what only training needs."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense


class WithProjection(nn.Module):
  """A net whose features are compared, and a head that the loss is of.

  What the loss wants of its vectors makes them poor for anything else: images
  of classes that are new are told apart better by what goes into the head
  (Khosla et al., 2020, section 3; Chen et al., 2020, section 4.2).

  Attributes:
    net: (image, *, train, mask) -> features (b, f).
    features: d, of the head's vectors.
    hidden: of a layer of the head before, with a ReLU; 0 is none.
  """

  net: nn.Module
  features: int = 128
  hidden: int = 0

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to `features` (b, f), `embedding` (b, d)."""
    features = vector = self.net(x, train=train, mask=mask)
    if self.hidden:
      vector = jax.nn.relu(Dense(self.hidden, name="hidden")(vector))
    vector = Dense(self.features, name="projection")(vector)
    return {"features": features, "embedding": vector}


class WithCentres(nn.Module):
  """A net that embeds, and a centre for each class that it is trained on.

  Attributes:
    net: (image, *, train, mask) -> (b, d), or what `WithProjection` gives.
    num_classes: k.
  """

  net: nn.Module
  num_classes: int

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to `embedding` (b, d) and `cosine` (b, k)."""
    out = self.net(x, train=train, mask=mask)
    out = out if isinstance(out, dict) else {"embedding": out}
    vector = out["embedding"]
    init = nn.initializers.xavier_normal()
    shape = (self.num_classes, vector.shape[-1])
    centres = self.param("centres", init, shape, jnp.float32)
    pair = _unit(vector.astype(jnp.float32)), _unit(centres)
    cosine = jnp.matmul(pair[0], pair[1].T, precision="highest")
    return out | {"cosine": cosine}


class WithPrototypes(nn.Module):
  """A net, and a head of directions that what it gives is compared with.

  DINO's head (Caron et al., 2021, appendix C): an MLP whose vector is taken to
  length 1, and prototypes of length 1.

  Attributes:
    net: (image, *, train, mask) -> features (b, f).
    prototypes: k.
    hidden: features of the MLP's two layers.
    bottleneck: of the vector that meets the prototypes.
  """

  net: nn.Module
  prototypes: int = 65_536
  hidden: int = 2048
  bottleneck: int = 256

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to `features` (b, f) and `logits` (b, k)."""
    features = vector = self.net(x, train=train, mask=mask)
    for name in ("hidden1", "hidden2"):
      vector = jax.nn.gelu(Dense(self.hidden, name=name)(vector))
    vector = Dense(self.bottleneck, name="bottleneck")(vector)
    init = nn.initializers.normal(1.0)
    shape = (self.prototypes, self.bottleneck)
    directions = _unit(self.param("prototypes", init, shape, jnp.float32))
    logits = _unit(vector.astype(jnp.float32)) @ directions.T
    return {"features": features, "logits": logits}


def _unit(x: Array) -> Array:
  square = jnp.sum(jnp.square(x), -1, keepdims=True)
  return x * jax.lax.rsqrt(jnp.maximum(square, 1e-12))
