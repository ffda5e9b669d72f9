"""Reading: the text of an image, by CTC or by attention.

A batch has `image` (b, h, w, c), `text` (b, n), code points of letters padded
with zeros, and `mask` (b,). Predicted are `text`, likewise, and `score` (b,),
the probability of what led to it; with a lexicon the likeliest of its words.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.ctc import ctc
from vision_jax.tasks.decoding import greedy, taught
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Letters:
  """An alphabet: letters are the classes 0, 1, ..., none is the last one.

  Attributes:
    alphabet: the letters, in the order of their classes.
  """

  alphabet: str

  @property
  def none(self) -> int:
    """The class of no letter: CTC's blank, or a text's end."""
    return len(self.alphabet)

  def classes(self, text: Array) -> Array:
    """Maps code points (..., n) to classes; what is no letter has none."""
    same = text[..., None] == self._codes[:-1]
    found = jnp.argmax(same, -1).astype(jnp.int32)
    return jnp.where(same.any(-1), found, self.none)

  def text(self, classes: Array) -> Array:
    """Maps classes to code points, int32; none is 0."""
    return jnp.asarray(self._codes)[classes]

  def words(self, words: Sequence[str]) -> np.ndarray:
    """Returns the classes (w, n) of words.

    Raises:
      UserError: for a word with a foreign letter, which nothing could read.
    """
    found = np.full((len(words), max(map(len, words))), self.none, np.int32)
    for row, word in zip(found, words, strict=True):
      foreign = [x for x in word if x not in self.alphabet]
      if foreign or not word:
        raise UserError(
          f"lexicon: has the word {word!r} with {foreign[:1] or 'no letter'}; "
          f"expected letters of the alphabet {self.alphabet!r}. Remove it."
        )
      row[: len(word)] = [self.alphabet.index(x) for x in word]
    return found

  @property
  def _codes(self) -> np.ndarray:
    return np.array([*map(ord, self.alphabet), 0], np.int32)


class _Reading(OneNet):
  """What both ways to read share.

  Attributes:
    alphabet: the letters, in the order of the net's classes; the last class is
      none of them.
    lexicon: words of which one is read; () reads any text.
  """

  alphabet: str
  lexicon: Sequence[str] = ()

  def __post_init__(self):
    if self.lexicon:
      self.letters.words(self.lexicon)

  @property
  def letters(self) -> Letters:
    """The alphabet."""
    return Letters(self.alphabet)

  def _closest(self, log_prob: Callable[[Array], Array]) -> dict[str, Array]:
    """Returns the likeliest word of the lexicon, and its probability.

    Args:
      log_prob: the classes of a word (n,) -> its log-probability in each
        example, (b,).
    """
    words = jnp.asarray(self.letters.words(self.lexicon))
    found_wb = jax.lax.map(log_prob, words)
    best = jnp.argmax(found_wb, 0)
    score = jnp.exp(jnp.max(found_wb, 0))
    return {"text": self.letters.text(words[best]), "score": score}

  def _check_classes(self, logits: Array) -> Array:
    if logits.shape[-1] != self.letters.none + 1:
      raise UserError(
        f"{type(self).__name__}: the net has {logits.shape[-1]} classes; "
        f"expected {self.letters.none + 1}, for each letter of the alphabet "
        f"{self.alphabet!r} and for none."
      )
    return logits


@dataclasses.dataclass(frozen=True)
class CtcReading(_Reading):
  """Reads by the likeliest letter of each column, the CRNN's way.

  Without a lexicon `score` is the probability of that one path.

  Attributes:
    model: (image, *, train, mask) -> logits of columns (b, t, k + 1).
    alphabet, lexicon: as of both.
  """

  model: nn.Module
  alphabet: str
  lexicon: Sequence[str] = ()

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """CTC's loss, a text's; which the one net descends."""
    return (Objective(NET, self._loss, {"ctc": 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `text` (b, t), of a lexicon (b, n), and `score` (b,)."""
    del key
    net = self.net.given(params, stats)
    logits = self._check_classes(net(batch["image"], train=False))
    if not self.lexicon:
      return self._best_path(jax.nn.log_softmax(logits))
    self._check_columns(logits.shape[1])

    def log_prob(word: Array) -> Array:
      label = jnp.broadcast_to(word, (len(logits), *word.shape))
      return -ctc(logits, label, label != self.letters.none)

    return self._closest(log_prob)

  def _check_columns(self, columns: int) -> None:
    """Refuses words of the lexicon that so many columns cannot spell."""
    for word in self.lexicon:
      blanks = sum(a == b for a, b in itertools.pairwise(word))
      if (needs := len(word) + blanks) > columns:
        raise UserError(
          f"lexicon: has the word {word!r:.80}, which needs {needs} columns; "
          f"expected {columns} at most, as the net gives of these images. "
          "Remove it, or use wider images."
        )

  def _best_path(self, log_probs: Array) -> dict[str, Array]:
    """Joins equal neighbours, and leaves blanks out, of (b, t, k + 1)."""
    best = jnp.argmax(log_probs, -1)
    before = jnp.pad(best, ((0, 0), (1, 0)), constant_values=-1)[:, :-1]
    kept = (best != self.letters.none) & (best != before)
    order = jnp.argsort(~kept, axis=1, stable=True)
    text = jnp.where(kept, self.letters.text(best), 0)
    return {
      "text": jnp.take_along_axis(text, order, 1),
      "score": jnp.exp(jnp.sum(jnp.max(log_probs, -1), 1)),
    }

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask, text = batch["mask"], batch["text"]
    logits, stats = self.net.run(
      params, stats, batch["image"], key=key, train=train, mask=mask
    )
    t, n = self._check_classes(logits).shape[1], text.shape[1]
    if t < 2 * n - 1:
      raise UserError(
        f"CtcReading: the net gives {t} columns for texts of up to {n} "
        f"letters; expected {2 * n - 1} or more, as equal letters need a blank "
        "between them. Use wider images, or less pooling along the line."
      )
    values = ctc(logits, self.letters.classes(text), text != 0)
    return {"ctc": Mean.of(values, mask)}, stats


@dataclasses.dataclass(frozen=True)
class AttentionReading(_Reading):
  """Writes a letter at a time, which sees those before it.

  In training these are the truth's ("teacher forcing"); else the likeliest
  ones, all in one program. `score` is the product of their probabilities.

  Attributes:
    model: (image, tokens, *, train, mask) -> logits (b, n, k + 1), see
      `models.text.reader.Reader`, with its `encode`, `decode` and `length`.
    alphabet, lexicon: as of both.
  """

  model: nn.Module
  alphabet: str
  lexicon: Sequence[str] = ()

  def __post_init__(self):
    super().__post_init__()
    most, room = max(map(len, self.lexicon), default=0), self.model.length
    if most > room:
      raise UserError(
        f"lexicon: has a word of {most} letters; expected {room} at most, as "
        "the net was made for. Remove longer ones."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """Cross entropy, a letter's; which the one net descends."""
    return (Objective(NET, self._loss, {"cross_entropy": 1.0}),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and its statistics."""
    tokens = jnp.zeros((len(batch["image"]), self.model.length + 1), jnp.int32)
    return self.net.init(key, batch["image"], tokens)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `text` (b, n) and `score` (b,)."""
    del key
    net = self.net.given(params, stats)
    memory = net(batch["image"], train=False, method="encode")
    decode = lambda tokens: self._check_classes(
      net(memory, tokens, train=False, method="decode")
    )
    end = self.letters.none
    if not self.lexicon:
      found, log_prob = greedy(decode, len(memory), self.model.length, end)
      return {"text": self.letters.text(found), "score": jnp.exp(log_prob)}

    def log_prob(word: Array) -> Array:
      given = jnp.broadcast_to(word, (len(memory), *word.shape))
      tokens, label, counts = taught(given, end)
      values = jax.nn.log_softmax(decode(tokens))
      each = jnp.take_along_axis(values, label[..., None], -1)[..., 0]
      return jnp.sum(each * counts, 1)

    return self._closest(log_prob)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    mask = batch["mask"]
    classes = self.letters.classes(batch["text"])
    tokens, label, counts = taught(classes, self.letters.none)
    logits, stats = self.net.run(
      *(params, stats, batch["image"], tokens),
      key=key,
      train=train,
      mask=mask,
    )
    values = jax.nn.log_softmax(self._check_classes(logits))
    each = -jnp.take_along_axis(values, label[..., None], -1)[..., 0]
    mean = jnp.sum(each * counts, 1) / jnp.sum(counts, 1)
    return {"cross_entropy": Mean.of(mean, mask)}, stats
