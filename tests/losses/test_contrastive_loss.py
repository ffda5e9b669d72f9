"""The contrastive loss is CLIP's, and knows captions that are alike."""

import functools

import jax
import numpy as np
import pytest
from scipy.special import log_softmax

from tests.oracles import library
from vision_jax.core.mapped import gather_shards, mapped
from vision_jax.losses.contrastive import Pairs, contrastive

RNG = np.random.default_rng(0)
B, SCALE = 16, np.float32(7.0)


def unit(x):
  return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


IMAGE, TEXT = unit(RNG.normal(size=(2 * B, 5))).reshape(2, B, 5)
CAPTION = np.stack([np.arange(B) // 4, np.arange(B) % 4, 0 * np.arange(B)], 1)
ALL = Pairs(IMAGE, TEXT, CAPTION.astype(np.int32), np.ones(B, np.float32))


@jax.jit
def whole(pairs):
  return contrastive(pairs, pairs, SCALE)


def by_hand(image, text):
  """The mean of both cross entropies, where all captions differ."""
  logits = np.float64(SCALE) * (image @ text.T)
  both = [np.diag(log_softmax(logits, i)) for i in (0, 1)]
  return -np.mean(both)


def test_it_is_the_mean_of_both_ways():
  loss = whole(ALL)
  assert loss.count == B
  expected = by_hand(IMAGE, TEXT)
  np.testing.assert_allclose(loss.divide(), expected, rtol=1e-5)


@pytest.mark.slow
def test_it_is_clips():
  """By torch: the mean of cross entropies along both axes."""
  torch = library("torch")
  logits = torch.tensor(TEXT @ IMAGE.T * SCALE)
  entropy = torch.nn.functional.cross_entropy
  ways = [entropy(x, torch.arange(B)) for x in (logits, logits.T)]
  expected = (sum(ways) / 2).numpy()
  np.testing.assert_allclose(whole(ALL).divide(), expected, rtol=1e-5)


def test_what_is_masked_does_not_count():
  mask = np.float32(np.arange(B) < 11)
  junk = np.where(mask[:, None] > 0, TEXT, 100 * TEXT)
  loss = whole(ALL._replace(text=junk, mask=mask))
  expected = by_hand(IMAGE[:11], TEXT[:11])
  assert loss.count == 11
  np.testing.assert_allclose(loss.divide(), expected, rtol=1e-5)


def test_an_equal_caption_is_not_wrong():
  """Two examples of one caption: neither's loss sees the other."""
  caption = ALL.caption.copy()
  caption[1] = caption[0]
  found = whole(ALL._replace(caption=caption)).total
  logits = np.float64(SCALE) * (IMAGE @ TEXT.T)
  logits[0, 1] = logits[1, 0] = -np.inf
  both = [np.diag(log_softmax(logits, i)).sum() for i in (0, 1)]
  np.testing.assert_allclose(found, -np.sum(both) / 2, rtol=1e-5)


def test_shards_add_up_with_their_gradients():
  def total(image, text):
    own = ALL._replace(image=image, text=text)
    return contrastive(own, gather_shards(own), SCALE).total

  def shard(own):
    with mapped("batch"):
      loss = lambda image, text: (
        contrastive(
          own._replace(image=image, text=text),
          gather_shards(own._replace(image=image, text=text)),
          SCALE,
        ).total
      )
      return jax.value_and_grad(loss, (0, 1))(own.image, own.text)

  split = jax.tree.map(lambda x: x.reshape(4, 4, *x.shape[1:]), ALL)
  run = functools.partial(
    jax.pmap, axis_name="batch", devices=jax.devices()[:4]
  )
  totals, gradients = run(shard)(split)
  value, expected = jax.jit(jax.value_and_grad(total, (0, 1)))(IMAGE, TEXT)
  np.testing.assert_allclose(totals.sum(), value, rtol=1e-5)
  for got, want in zip(gradients, expected, strict=True):
    np.testing.assert_allclose(got.reshape(B, -1), want, atol=1e-5)
