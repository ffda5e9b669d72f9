"""CoCa, a contrastive captioner (Yu et al., 2022).

"CoCa: Contrastive Captioners are Image-Text Foundation Models",
arXiv:2205.01917.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import add, spread
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.pooling import AttentionPooling
from vision_jax.layers.remat import remat
from vision_jax.layers.transformer import Block
from vision_jax.models.text.image_text import mean_text, unit
from vision_jax.models.text.reader import DecoderBlock


class CoCa(nn.Module):
  """An image encoder, a text decoder, and one that sees both.

  Learned queries make of the image's tokens those that the second decoder
  attends to, and one more query makes of these the vector that is compared
  with texts ("cascade"). The first decoder sees text alone; a token behind a
  caption, `cls`, gives the caption's vector. The second goes on where the first
  ends, and attends to the image as well.

  Paths: image/..., pool, pool_image, image_projection, words, positions, cls,
  text_0, ..., text_norm, text_projection, logit_scale, decoder_0, ...,
  decoder_norm, head.

  Differs from the paper: `cls` has no position, so that a caption's vector does
  not depend on how far captions are padded.

  Attributes:
    image: (image, *, train) -> tokens (b, l, c), a `ViT(0, head="tokens")`.
    vocabulary: number of words, and the last one, which begins and ends a text.
    length: words of the longest caption.
    features: width of the decoders, d.
    layers: blocks of the decoder that sees text alone.
    decoder_layers: blocks of the one that sees the image, too.
    heads: attention heads.
    hidden: features within a block's MLP.
    queries: that the second decoder attends to.
    embedding: size of the vectors that are compared, e.
    dropout: probability of zeroing a value of each branch of the decoders.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters, vectors and the head are float32.
  """

  image: nn.Module
  vocabulary: int
  length: int
  features: int = 768
  layers: int = 12
  decoder_layers: int = 12
  heads: int = 12
  hidden: int = 3072
  queries: int = 256
  embedding: int = 768
  dropout: float = 0.0
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  def setup(self):
    """Declares all but the image encoder."""
    d, how = self.features, (self.heads, self.hidden, self.dropout)
    pool = lambda number: AttentionPooling(number, d, self.heads, self.dtype)
    self.pool, self.pool_image = pool(self.queries), pool(1)
    init = nn.initializers.normal(0.02)
    table = lambda name, n: self.param(name, init, (n, d), jnp.float32)
    self.words = table("words", self.vocabulary)
    self.positions = table("positions", self.length + 1)
    self.cls = table("cls", 1)
    block = remat(Block, self.remat, static=(2,))
    self.text = [block(*how, dtype=self.dtype) for _ in range(self.layers)]
    block = remat(DecoderBlock, self.remat, static=(3,))
    self.decoder = [block(*how, self.dtype) for _ in range(self.decoder_layers)]
    norm = lambda: LayerNorm(dtype=self.dtype)
    self.text_norm, self.decoder_norm = norm(), norm()
    project = lambda: Dense(self.embedding, use_bias=False)
    self.image_projection, self.text_projection = project(), project()
    self.head = Dense(self.vocabulary)
    init = nn.initializers.constant(jnp.log(1 / 0.07))
    self.logit_scale = self.param("logit_scale", init, (), jnp.float32)

  def __call__(
    self, x: Array, tokens: Array, *, train: bool, mask: Array | None = None
  ) -> dict[str, Array]:
    """Maps images (b, h, w, c) and their captions (b, n), n <= length + 1.

    Args:
      x: images.
      tokens: captions, begun by the last word of the vocabulary and filled up
        with it.
      train: whether dropout is on.
      mask: (b,), which examples count; no layer needs it.

    Returns:
      `image` and `text` (b, e), of length 1; `scale` (), of their cosines; and
      `logits` (b, n, k) of the words that follow the tokens.
    """
    del mask
    memory, image = self.encode(x, train=train)
    text, words = self._read(tokens, train)
    return {
      "image": image,
      "text": unit(text),
      "scale": self.scale(),
      "logits": self._write(memory, words, train),
    }

  def encode(self, x: Array, *, train: bool) -> tuple[Array, Array]:
    """Maps images (b, h, w, c) to (b, q, d), and to (b, e) of length 1."""
    memory = self.pool(self.image(x, train=train))
    vector = self.pool_image(memory)[:, 0].astype(jnp.float32)
    return memory, unit(self.image_projection(vector))

  def decode(self, memory: Array, tokens: Array, *, train: bool) -> Array:
    """Maps begun captions (b, n) that see memory (b, q, d) to logits."""
    _, words = self._read(tokens, train)
    return self._write(memory, words, train)

  def encode_text(self, tokens: Array, *, train: bool = False) -> Array:
    """Maps begun captions (b, n) to vectors (b, e) of any length."""
    return self._read(tokens, train)[0]

  def describe(self, tokens: Array) -> Array:
    """Maps begun prompts (k, t, n) to a vector of each class (k, e)."""
    return mean_text(self.encode_text, tokens)

  def scale(self) -> Array:
    """Returns what cosines are multiplied by, 100 at most."""
    return jnp.exp(jnp.minimum(self.logit_scale, jnp.log(100.0)))

  def _read(self, tokens: Array, train: bool) -> tuple[Array, Array]:
    """Maps captions (b, n) to their vectors (b, e), and to words (b, n, d)."""
    b, n = tokens.shape
    words = self.words[tokens].astype(self.dtype)
    words = add(words, self.positions[:n])
    cls = spread(self.cls, (b, 1, self.features), self.dtype)
    x, mask = jnp.concatenate([words, cls], axis=1), self._seen(tokens)
    for block in self.text:
      x = block(x, train, mask)
    vector = self.text_norm(x[:, -1]).astype(jnp.float32)
    return self.text_projection(vector), x[:, :-1]

  def _seen(self, tokens: Array) -> Array:
    """Returns who sees whom, (b, 1, n + 1, n + 1): `cls` sees no padding."""
    _, n = tokens.shape
    real = (tokens != self.vocabulary - 1).at[:, 0].set(True)
    real = jnp.pad(real, ((0, 0), (0, 1)), constant_values=True)
    before = jnp.tri(n + 1, dtype=bool)
    cls = (jnp.arange(n + 1) == n)[:, None]
    return (before & (real[:, None] | ~cls))[:, None]

  def _write(self, memory: Array, words: Array, train: bool) -> Array:
    for block in self.decoder:
      words = block(words, memory, train)
    return self.head(self.decoder_norm(words).astype(jnp.float32))
