"""Captions: images and texts in one space, and texts written of images."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.mapped import gather_shards
from vision_jax.core.types import (
  Array,
  Batch,
  Mean,
  Nets,
  Objective,
  Output,
  Terms,
)
from vision_jax.errors import UserError
from vision_jax.losses.contrastive import Pairs, contrastive
from vision_jax.tasks.decoding import greedy, taught
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Captioning(OneNet):
  """Learns to find the captions of images, and to write them.

  A batch has `image` (b, h, w, c), `tokens` (b, n), the numbers of a caption's
  words with that of none behind, and `mask` (b,). The contrastive loss compares
  all examples of the batch, however many devices share it; microbatches are
  refused. Predicted are `text` (b, m), code points with zeros behind, as of
  reading, `score` (b,), its probability, and `features` (b, e) of the image.

  Attributes:
    model: as `models.captions.coca.CoCa`.
    words: the vocabulary; none of them is the number after the last.
    contrastive_weight, captioning_weight: of the two losses, as in the paper.
  """

  model: nn.Module
  words: Sequence[str]
  contrastive_weight: float = 1.0
  captioning_weight: float = 2.0
  whole_batch = "gathered"

  def __post_init__(self):
    if self.model.vocabulary != self.end + 1:
      raise UserError(
        f"Captioning: the net has {self.model.vocabulary} words; expected "
        f"{self.end + 1}, those of the vocabulary and none."
      )

  @property
  def end(self) -> int:
    """The number of no word, which begins and ends a caption."""
    return len(self.words)

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """Both losses, which the one net descends."""
    weights = (self.contrastive_weight, self.captioning_weight)
    names = ("contrastive", "captioning")
    return (Objective(NET, self._loss, dict(zip(names, weights, strict=True))),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and its statistics."""
    tokens = jnp.zeros((len(batch["image"]), self.model.length + 1), jnp.int32)
    return self.net.init(key, batch["image"], tokens)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `text`, the likeliest word after the others, and `features`."""
    del key
    net = self.net.given(params, stats)
    memory, features = net(batch["image"], train=False, method="encode")
    decode = lambda tokens: net(memory, tokens, train=False, method="decode")
    n = self.model.length
    tokens, log_prob = greedy(decode, len(memory), n, self.end)
    text = spelled(self.words, tokens)
    return {"text": text, "score": jnp.exp(log_prob), "features": features}

  def pairs(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns what `predict` does, and `text_features` (b, e) of captions."""
    found = self.predict(params, stats, batch, key)
    net = self.net.given(params, stats)
    tokens, _, _ = taught(batch["tokens"], self.end)
    features = net(tokens[:, None], method="describe")
    return found | {"text_features": features}

  def classifier(self, prompts: np.ndarray) -> Output:
    """Returns what tells classes apart that are described in words.

    Args:
      prompts: tokens (k, t, n) of t descriptions of each class.

    Returns:
      (params, stats, batch, key) -> `logits` (b, k), "zero-shot".
    """
    begun = np.pad(prompts, ((0, 0), (0, 0), (1, 0)), constant_values=self.end)

    def output(params, stats, batch, key):
      del key
      net = self.net.given(params, stats)
      _, images = net(batch["image"], train=False, method="encode")
      texts = net(jnp.asarray(begun), method="describe")
      return {"logits": net(method="scale") * images @ texts.T}

    return output

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask = batch["mask"]
    tokens, label, counts = taught(batch["tokens"], self.end)
    out, stats = self.net.run(
      *(params, stats, batch["image"], tokens), key=key, train=train, mask=mask
    )
    own = Pairs(out["image"], out["text"], batch["tokens"], mask)
    values = jax.nn.log_softmax(out["logits"])
    each = -jnp.take_along_axis(values, label[..., None], -1)[..., 0]
    return {
      "contrastive": contrastive(own, gather_shards(own), out["scale"]),
      "captioning": Mean.of(each, counts * mask[:, None]),
    }, stats


def spelled(words: Sequence[str], tokens: Array) -> Array:
  """Maps numbers of words (b, n) to texts (b, m), code points.

  Spaces part the words, zeros stand behind them; the number after the last one
  is no word.
  """
  wide = max(map(len, words)) + 1
  codes = np.zeros((len(words) + 1, wide), np.int32)
  for row, word in zip(codes, words, strict=False):
    row[: len(word) + 1] = [ord(x) for x in f" {word}"]
  text = jnp.asarray(codes)[tokens].reshape(len(tokens), -1)
  order = jnp.argsort(text == 0, axis=1, stable=True)
  return jnp.take_along_axis(text, order, 1)[:, 1:]
