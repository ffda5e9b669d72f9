"""Reading by CTC and by attention: paths, lexica, and what is refused."""

import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.data.text.letters import decoded, encoded
from vision_jax.errors import UserError
from vision_jax.models.text.crnn import CRNN
from vision_jax.models.text.reader import Reader
from vision_jax.tasks.reading import AttentionReading, CtcReading, Letters

KEY = jax.random.key(0)
SMALL = {"stages": ((4, (2, 2)),), "stride": 2}


class Given(nn.Module):
  """Gives its images as logits of columns."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    return x[:, 0] + self.param("nothing", nn.initializers.zeros, ())


class GivenReader(nn.Module):
  """Gives logits that depend on the image and the token before alone."""

  length: int = 4

  def setup(self):
    self.nothing = self.param("nothing", nn.initializers.zeros, ())

  def __call__(self, x, tokens, *, train, mask=None):
    return self.decode(self.encode(x, train=train), tokens, train=train)

  def encode(self, x, *, train, mask=None):
    return x[..., 0] + self.nothing  # (b, token before, token)

  def decode(self, memory, tokens, *, train):
    return jnp.take_along_axis(memory, tokens[..., None], 1)


def logits_of(paths, k=4):
  """Images (b, 1, t, k) whose columns are sure of the classes of paths."""
  image = 9.0 * jax.nn.one_hot(jnp.asarray(paths), k)
  return {"image": image[:, None], "mask": jnp.ones(len(paths))}


def predicted(task, batch):
  params, stats = jax.jit(task.init)(KEY, batch)
  out = jax.jit(task.predict)(params, stats, batch, KEY)
  return [decoded(x) for x in out["text"]], np.asarray(out["score"])


def test_letters_are_classes_and_back():
  letters = Letters("aé7")
  text = np.stack([encoded("7é", 3), encoded("axa", 3)])
  classes = letters.classes(jnp.asarray(text))
  np.testing.assert_array_equal(classes, [[2, 1, 3], [0, 3, 0]])
  assert [decoded(x) for x in letters.text(classes)] == ["7é", "aa"]


def test_the_best_path_joins_neighbours_and_leaves_blanks_out():
  paths = [[0, 0, 3, 0, 1, 1], [3, 3, 3, 3, 3, 3], [2, 3, 2, 2, 1, 2]]
  texts, score = predicted(CtcReading(Given(), "abc"), logits_of(paths))
  assert texts == ["aab", "", "ccbc"]
  sure = (np.exp(9) / (np.exp(9) + 3)) ** 6
  np.testing.assert_allclose(score, sure, rtol=1e-4)


def test_a_lexicon_gives_the_likeliest_word():
  paths = [[0, 0, 3, 0, 1, 1], [3, 1, 3, 3, 2, 3], [3, 3, 1, 3, 3, 3]]
  words = ("ab", "aac", "bc", "b")
  task = CtcReading(Given(), "abc", words)
  texts, score = predicted(task, logits_of(paths))
  assert texts[1:] == ["bc", "b"] and texts[0] in ("ab", "aac")
  assert (score > 0).all() and score[1] > 0.9 > 0.1 > score[0]
  one, two = (
    predicted(CtcReading(Given(), "abc", (w,)), logits_of(paths))[1]
    for w in words[:2]
  )
  assert texts[0] == words[int(two[0] > one[0])]


def chain(*texts, end=3):
  """Images (b, k, k, 1) of what follows each class, as texts have it."""
  image = np.zeros((len(texts), end + 1, end + 1, 1), np.float32)
  for i, text in enumerate(texts):
    for a, b in zip((end, *text), (*text, end), strict=True):
      image[i, a, b] = 9
  return {"image": image, "mask": np.ones(len(texts), np.float32)}


def test_attention_writes_until_the_end():
  batch = chain((0, 2, 1), (), (1,))
  texts, score = predicted(AttentionReading(GivenReader(), "abc"), batch)
  assert texts == ["acb", "", "b"]
  one = np.exp(9) / (np.exp(9) + 3)
  np.testing.assert_allclose(score, one ** np.array([4, 1, 2]), rtol=1e-4)
  endless = chain((0, 1))
  endless["image"][0, 1] = 0
  endless["image"][0, 1, 0] = 9  # a, b, a, b: there is no end
  texts, _ = predicted(AttentionReading(GivenReader(), "abc"), endless)
  assert texts == ["abab"]


def test_attention_takes_a_lexicon():
  words = ("ac", "acb", "b", "cc")
  task = AttentionReading(GivenReader(), "abc", words)
  texts, score = predicted(task, chain((0, 2, 1), (1,)))
  assert texts == ["acb", "b"] and (score > 0.9).all()


def images(task, texts=("01", "0123")):
  text = np.stack([encoded(x, 4) for x in texts])
  image = np.random.default_rng(0).normal(size=(len(texts), 16, 32, 1))
  return {
    "image": image.astype(np.float32),
    "text": text,
    "mask": np.ones(len(texts), np.float32),
  }


def small_reader(**fields):
  sizes = {"features": 8, "encoder_layers": 1, "decoder_layers": 2, "heads": 2}
  return Reader(5, 4, hidden=8, **SMALL, **(sizes | fields))


@pytest.mark.slow
def test_the_greedy_scan_is_the_plain_loop():
  """Each letter from a net that sees those before, found by a loop here."""
  task = AttentionReading(small_reader(), "0123")
  batch = images(task)
  params, stats = jax.jit(task.init)(jax.random.key(3), batch)
  params = jax.tree.map(lambda x: 3 * x, params)  # so that letters differ
  out = jax.jit(task.predict)(params, stats, batch, KEY)
  net = jax.jit(functools.partial(task.net.given(params, stats), train=False))
  tokens = np.full((2, 5), 4, np.int32)
  for i in range(4):
    logits = np.asarray(net(batch["image"], tokens))[:, i]
    ended = (tokens[:, 1 : i + 1] == 4).any(1)
    tokens[:, i + 1] = np.where(ended, 4, logits.argmax(-1))
  expected = task.letters.text(jnp.asarray(tokens[:, 1:]))
  np.testing.assert_array_equal(out["text"], expected)


def test_a_letter_does_not_see_those_after_it():
  model = small_reader()
  task = AttentionReading(model, "0123")
  batch = images(task)
  params, stats = jax.jit(task.init)(KEY, batch)
  net = jax.jit(functools.partial(task.net.given(params, stats), train=False))
  tokens = np.int32([[4, 0, 1, 2, 3], [4, 3, 2, 1, 0]])
  changed = tokens.copy()
  changed[:, 3:] = 0
  a, b = (net(batch["image"], x) for x in (tokens, changed))
  np.testing.assert_allclose(a[:, :3], b[:, :3], atol=1e-6)
  assert np.abs(a[:, 3:] - b[:, 3:]).max() > 1e-4


@pytest.mark.parametrize("way", ["ctc", "attention"])
def test_padding_and_what_is_masked_do_not_count(way):
  """A loss is a text's own, whatever stands beside it."""
  if way == "ctc":
    task = CtcReading(CRNN(5, hidden=4, layers=1, **SMALL), "0123")
  else:
    task = AttentionReading(small_reader(), "0123")
  params, stats = jax.jit(task.init)(KEY, images(task))
  (objective,) = task.objectives
  loss = jax.jit(functools.partial(objective.loss, step=0, train=False))

  def mean(texts, *mask):
    batch = images(task, texts) | {"mask": np.float32(mask)}
    (found,) = loss(params, stats, batch, KEY)[0].values()
    return found

  first, other = mean(("01", "0123"), 1, 0), mean(("01", "3"), 1, 0)
  assert first == other and first.count == 1
  assert mean(("01", "3"), 1, 1).total > first.total
  assert mean(("011", "3"), 1, 0).total != first.total


def count(model, *inputs):
  shapes = jax.eval_shape(
    lambda key: model.init(key, *inputs, train=False), KEY
  )
  return sum(x.size for x in jax.tree.leaves(shapes["params"]))


def test_parameters_by_hand():
  image = jnp.zeros((1, 32, 100, 1))
  features = (1, 64, 128, 256, 256, 512, 512)
  pairs = itertools.pairwise(features)
  convolutions = sum(9 * a * b + 2 * b for a, b in pairs)
  lstm = lambda d: 2 * 4 * (d * 256 + 256 * 256 + 256)
  expected = convolutions + lstm(2 * 512) + lstm(512) + (512 + 1) * 37
  assert count(CRNN(37), image) == expected == 8_718_821
  d, block = 8, 4 * (8 * 8 + 8) + 8 * 8 + 8 + 8 * 8 + 8
  stem = 25 * 4 + 2 * 4 + 4 * d + d
  encoder = block + 2 * 2 * d + 2 * d
  decoder = 2 * (block + 4 * (d * d + d) + 3 * 2 * d) + 2 * d
  texts = 5 * d + 5 * d + (d + 1) * 5
  tokens = jnp.zeros((1, 5), jnp.int32)
  expected = stem + encoder + decoder + texts
  assert count(small_reader(), image, tokens) == expected


def test_what_cannot_be_read_is_refused():
  given = Given()
  with pytest.raises(
    UserError, match=r"word 'aBc' with .*'B'.*; expected lett"
  ):
    CtcReading(given, "abc", ("a", "aBc"))
  with pytest.raises(UserError, match="a word of 5 letters; expected 4 at mo"):
    AttentionReading(GivenReader(), "abc", ("abcab",))
  wide = CtcReading(Given(), "abc", ("abbb",))
  init = jax.eval_shape(wide.init, KEY, logits_of([[0] * 5]))
  with pytest.raises(
    UserError, match="'abbb', which needs 6 columns; expected 5 at m"
  ):
    jax.eval_shape(wide.predict, *init, logits_of([[0] * 5]), KEY)
  task = CtcReading(CRNN(7, hidden=4, layers=1, **SMALL), "0123")
  batch = images(task)
  trace = lambda task, batch: jax.eval_shape(
    lambda key: task.objectives[0].loss(
      *task.init(key, batch), batch, key, step=0, train=True
    ),
    KEY,
  )
  with pytest.raises(
    UserError, match="has 7 classes; expected 5, for each let"
  ):
    trace(task, batch)
  task = CtcReading(CRNN(5, hidden=4, layers=1, **SMALL), "0123")
  narrow = batch | {"image": batch["image"][:, :, :20]}
  with pytest.raises(UserError, match="5 columns for texts of up to 4 letters"):
    trace(task, narrow)
  low = batch | {"image": batch["image"][:, :2]}
  with pytest.raises(UserError, match="got 1 x 16 left of an image before a w"):
    trace(task, low)
