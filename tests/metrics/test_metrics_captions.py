"""Captions read back, and retrieval between images and captions."""

import numpy as np
import pytest

from vision_jax.data.text.letters import encoded
from vision_jax.errors import UserError
from vision_jax.metrics import retrieval
from vision_jax.metrics.captions import CaptionWords
from vision_jax.metrics.cross_retrieval import CrossRetrieval

RNG = np.random.default_rng(0)
KINDS = {
  "colours": ("red", "blue"),
  "places": ("above", "left"),
  "none": ("x",),
}


def measured(found, truth, kinds=KINDS):
  rows = {"found": found, "truth": truth}
  codes = {k: np.stack([encoded(t, 40) for t in x]) for k, x in rows.items()}
  return CaptionWords(kinds).result({}, codes)


def test_words_of_a_kind_by_hand():
  truth = ["a red dog", "a red dog above a blue cat", "a cat left of a red dog"]
  found = ["a red dog", "a blue dog above a blue dog", "a red cat"]
  got = measured(found, truth)
  assert {*got} == {*CaptionWords(KINDS).names}
  assert got["captions"] == pytest.approx(1 / 3)
  # Of red; red, blue; red: the second's first is wrong.
  assert got["colours"] == pytest.approx(3 / 4)
  assert got["places"] == pytest.approx(1 / 2) and got["none"] == 0
  edits = 0 + 2 + 6 - 2  # substitutions; "a red cat" to seven words
  assert got["wer"] <= (edits + 1) / 17
  assert measured(truth, truth, {}) == {"captions": 1, "wer": 0}


@pytest.fixture(params=[8, 1024])
def block(request, monkeypatch):
  """Blocks that the examples do not fill, and one of all."""
  monkeypatch.setattr(retrieval, "BLOCK", request.param)


def test_retrieval_both_ways_is_that_of_a_loop(block):
  n = 30
  text = RNG.normal(size=(n, 6)).astype(np.float32)
  image = text + 0.9 * RNG.normal(size=(n, 6)).astype(np.float32)
  caption = np.stack([np.arange(n), np.zeros(n, int)], 1)
  caption[7] = caption[3]  # two examples with one caption
  rows = {"image": image, "text": text, "caption": caption}
  got = CrossRetrieval((1, 3)).result({}, rows)
  names = [" ".join(map(str, x)) for x in caption]
  scale = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
  cosine = scale(image) @ scale(text).T
  for way, table in (
    ("image_to_text", cosine),
    ("text_to_image", cosine.T),
  ):
    for k in (1, 3):
      hits = [
        names[i] in [names[j] for j in np.argsort(-row)[:k]]
        for i, row in enumerate(table)
      ]
      assert got[f"{way}_recall_at_{k}"] == pytest.approx(np.mean(hits))
  assert 0 < got["image_to_text_recall_at_1"] < 1


def test_numbers_that_mean_nothing_are_refused():
  with pytest.raises(UserError, match=r"ks: got \(0,\); expected numbers from"):
    CrossRetrieval((0,))
