"""CLIP and SigLIP: images and texts as vectors of one space."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.models.backbones.vit import ViT, variant
from vision_jax.models.text.tower import TextTower

Prompts = tuple[tuple[tuple[int, ...], ...], ...]  # class, template, token


class ImageText(nn.Module):
  """An image tower and a text tower (Radford et al., 2021, CLIP).

  Paths: image/..., text/..., image_projection, text_projection, logit_scale,
  logit_bias.

  Attributes:
    image: maps images to (b, d).
    text: maps tokens to (b, d).
    embedding: size of the space, e.
    sigmoid: whether it is SigLIP (Zhai et al., 2023): pairs have a probability
      each, logits a bias, the text's projection too, and the image has none.
    prompts: numbers of the tokens that describe each class, in one or several
      ways; () for none. With them the net classifies images, without training
      on any: "zero-shot".
  """

  image: nn.Module
  text: nn.Module
  embedding: int = 512
  sigmoid: bool = False
  prompts: Prompts = ()

  @property
  def num_classes(self) -> int:
    """How many classes the prompts describe."""
    return len(self.prompts)

  def setup(self):
    """Declares what is beside the towers."""
    project = lambda bias: Dense(self.embedding, use_bias=bias)
    if not self.sigmoid:
      self.image_projection = project(False)
    self.text_projection = project(self.sigmoid)
    scalar = lambda name, value: self.param(
      name, nn.initializers.constant(value), (), jnp.float32
    )
    self.logit_scale = scalar("logit_scale", jnp.log(1 / 0.07))
    if self.sigmoid:
      self.logit_bias = scalar("logit_bias", -10.0)

  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    tokens: Array | None = None,
    mask: Array | None = None,
  ) -> Array:
    """Maps images (b, h, w, c) to what they have in common with texts.

    Args:
      x: images.
      train: whether dropout is on.
      tokens: (t, l), of texts.
      mask: (b,), which images count; no layer needs it.

    Returns:
      Logits (b, t) of texts; (b, k) of the prompts' classes; of neither the
      images' vectors (b, e), of length 1. All float32.
    """
    del mask
    images = unit(self.encode_image(x, train=train))
    if tokens is not None:
      texts = unit(self.encode_text(tokens, train=train))
      return self.logits(images, texts)
    if self.prompts:
      return self.logits(images, self.describe(jnp.asarray(self.prompts)))
    if self.is_initializing():  # the text tower's parameters too
      self.encode_text(jnp.zeros((1, 1), jnp.int32), train=train)
    return images

  def encode_image(self, x: Array, *, train: bool = False) -> Array:
    """Maps images (b, h, w, c) to vectors (b, e) of any length."""
    y = self.image(x, train=train)
    return y if self.sigmoid else self.image_projection(y)

  def encode_text(self, tokens: Array, *, train: bool = False) -> Array:
    """Maps texts (t, l) to vectors (t, e) of any length."""
    return self.text_projection(self.text(tokens, train=train))

  def describe(self, tokens: Array) -> Array:
    """Maps prompts (k, t, l) to a vector of each class (k, e), of length 1.

    It is the mean of the vectors of its t descriptions.
    """
    return mean_text(self.encode_text, tokens)

  def logits(self, images: Array, texts: Array) -> Array:
    """Returns (b, t): scaled cosines of vectors of length 1."""
    y = images @ texts.T * jnp.exp(self.logit_scale)
    return y + self.logit_bias if self.sigmoid else y


def mean_text(encode: Callable[[Array], Array], tokens: Array) -> Array:
  """Returns vectors (k, e) of length 1, the means of those of t texts each.

  Args:
    encode: texts (n, l) -> vectors (n, e).
    tokens: (k, t, l), of the texts.
  """
  k, t, length = tokens.shape
  texts = unit(encode(tokens.reshape(k * t, length)))
  return unit(jnp.mean(texts.reshape(k, t, -1), axis=1))


def unit(x: Array) -> Array:
  """Returns vectors (..., e) of length 1."""
  return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


# Width and heads of the text tower by the image tower's size.
_TEXT = {"B": (512, 8), "L": (768, 12)}


def clip(name: str, side: int = 224, **fields: Any) -> ImageText:
  """Returns CLIP of a published size, such as "B/32".

  Args:
    name: "B/32", "B/16" or "L/14".
    side: of the images whose positions it has.
    **fields: of `ImageText`; `dtype` is that of both towers.
  """
  kind = {"mlp": "gelu_sigmoid", "epsilon": 1e-5}
  if "dtype" in fields:
    kind["dtype"] = fields.pop("dtype")
  size = variant(name)
  patches = side // size["patch"]
  image = ViT(
    **size,
    **kind,
    num_classes=0,
    grid=(patches, patches),
    interpolation="cubic",
    embedding_bias=False,
    pre_norm=True,
  )
  width, heads = _TEXT[name[0]]
  text = TextTower(features=width, heads=heads, **kind)
  return ImageText(image, text, **{"embedding": width, **fields})
