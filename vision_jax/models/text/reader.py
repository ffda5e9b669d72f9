"""A small vision transformer that reads, with a decoder that attends to it.

As TrOCR (Li et al., 2021) has it: the encoder sees the image as tokens, the
decoder writes a letter at a time and looks at what it has written and at them.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.attention import Attention
from vision_jax.layers.broadcast import add
from vision_jax.layers.dense import Dense
from vision_jax.layers.embeddings import sincos2d
from vision_jax.layers.mlp import mlp
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.transformer import Block
from vision_jax.models.text.stem import Stage, Stem
from vision_jax.ops.shapes import check_shape


class DecoderBlock(nn.Module):
  """Pre-norm causal self-attention, attention to an image, and an MLP.

  Paths norm1, attention, norm2, cross, norm3, mlp.

  Attributes:
    heads: attention heads.
    hidden: features within the MLP.
    dropout: probability of zeroing a value of each branch.
    dtype: type to compute in.
  """

  heads: int
  hidden: int
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, memory: Array, train: bool) -> Array:
    """Maps tokens x (b, n, d), which see memory (b, l, d), to their shape."""
    norm = lambda name, x: LayerNorm(dtype=self.dtype, name=name)(x)
    drop = lambda y: Dropout(self.dropout)(y, train=train)
    attention = lambda name: Attention(self.heads, self.dtype, name=name)
    before = jnp.tri(x.shape[1], dtype=bool)[None, None]
    x += drop(attention("attention")(norm("norm1", x), mask=before))
    x += drop(attention("cross")(norm("norm2", x), memory))
    block = mlp("gelu", self.hidden, self.dropout, self.dtype, "mlp")
    return x + block(norm("norm3", x), train=train)


class Reader(nn.Module):
  """Encoder and decoder of texts; the last class ends a text, and begins it.

  The stem makes tokens (Xiao et al., 2021, "Early Convolutions Help
  Transformers See Better") of fixed sine positions; letters have learned ones.
  Paths: stem, embedding, encoder_0, ..., encoder_norm, letters, positions,
  decoder_0, ..., decoder_norm, head.

  Attributes:
    num_classes: letters, and the end.
    length: letters of the longest text that is read.
    stages, stride: of the stem.
    features: width of a token, d.
    encoder_layers, decoder_layers: blocks of each.
    heads: attention heads.
    hidden: features within a block's MLP.
    dropout: probability of zeroing a value of each branch.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  length: int
  stages: Sequence[Stage] = ((64, (2, 2)), (128, (2, 2)), (256, (2, 2)))
  stride: int = 1
  features: int = 256
  encoder_layers: int = 6
  decoder_layers: int = 3
  heads: int = 8
  hidden: int = 1024
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  def setup(self):
    """Declares both halves."""
    norm = lambda: LayerNorm(dtype=self.dtype)
    how = (self.heads, self.hidden, self.dropout)
    init, d = nn.initializers.normal(0.02), self.features
    self.stem = Stem(self.stages, self.stride, self.dtype)
    self.embedding = Dense(d, dtype=self.dtype)
    self.encoder = [
      Block(*how, dtype=self.dtype) for _ in range(self.encoder_layers)
    ]
    self.encoder_norm, self.decoder_norm = norm(), norm()
    shape = (self.num_classes, d)
    self.letters = self.param("letters", init, shape, jnp.float32)
    shape = (self.length + 1, d)
    self.positions = self.param("positions", init, shape, jnp.float32)
    self.decoder = [
      DecoderBlock(*how, self.dtype) for _ in range(self.decoder_layers)
    ]
    self.head = Dense(self.num_classes)

  def __call__(
    self,
    x: Array,
    tokens: Array,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps images (b, h, w, c) and tokens (b, n) to logits (b, n, k).

    Token 0 is the one that begins, and logits i are those of token i + 1;
    `mask` (b,) as in BatchNorm.
    """
    memory = self.encode(x, train=train, mask=mask)
    return self.decode(memory, tokens, train=train)

  def encode(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to tokens (b, l, d)."""
    check_shape("image", x, "b h w c")
    x = self.embedding(self.stem(x, train=train, mask=mask))
    b, h, w, d = x.shape
    x = add(x.reshape(b, h * w, d), sincos2d((h, w), d))
    for block in self.encoder:
      x = block(x, train)
    return self.encoder_norm(x)

  def decode(self, memory: Array, tokens: Array, *, train: bool) -> Array:
    """Maps tokens (b, n) that see memory (b, l, d) to logits (b, n, k)."""
    _, n = tokens.shape
    x = self.letters[tokens].astype(self.dtype)
    x = add(x, self.positions[:n])
    for block in self.decoder:
      x = block(x, memory, train)
    return self.head(self.decoder_norm(x).astype(jnp.float32))
