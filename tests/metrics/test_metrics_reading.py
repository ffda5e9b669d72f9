"""Error rates of texts equal a plain statement of Levenshtein's distance."""

import functools

import numpy as np
import pytest

from vision_jax.data.text.letters import encoded
from vision_jax.metrics.reading import TextErrors, edit_distance

RNG = np.random.default_rng(0)


@functools.cache
def levenshtein(a, b):
  """The distance, as it is defined."""
  if not a or not b:
    return len(a) + len(b)
  if a[0] == b[0]:
    return levenshtein(a[1:], b[1:])
  return 1 + min(
    levenshtein(a[1:], b), levenshtein(a, b[1:]), levenshtein(a[1:], b[1:])
  )


def measured(found, truth):
  codes = lambda texts, n: np.stack([encoded(x, n) for x in texts])
  metric = TextErrors()
  out, batch = {"text": codes(found, 24)}, {"text": codes(truth, 20)}
  sums, rows = metric.measure(None, out, batch)
  return metric.result(sums, {k: np.asarray(x) for k, x in rows.items()})


def test_the_distance_is_levenshteins():
  assert edit_distance("kitten", "sitting") == 3
  for _ in range(200):
    a, b = ("".join(RNG.choice([*"abc"], RNG.integers(0, 7))) for _ in "12")
    assert edit_distance(a, b) == levenshtein(a, b) == edit_distance(b, a)


def test_rates_by_hand():
  found = ["12345", "1234", "55", "the cat sat", "", "é1"]
  truth = ["12345", "12346", "5", "a cat sits", "17", "é1"]
  got = measured(found, truth)
  assert {*got} == {*TextErrors.names}
  assert got["strings"] == pytest.approx(2 / 6)
  edits = sum(levenshtein(a, b) for a, b in zip(found, truth, strict=True))
  assert got["cer"] == pytest.approx(edits / sum(map(len, truth)))
  words = 1 + 1 + 2 + 1  # of 1, 1, 1, 3, 1 and 1 words
  assert got["wer"] == pytest.approx(words / 8)


def test_all_right_and_all_wrong():
  right = measured(["1", "23"], ["1", "23"])
  assert right == {"strings": 1, "cer": 0, "wer": 0}
  wrong = measured(["4567", "8"], ["1", "23"])
  assert wrong["strings"] == 0 and wrong["cer"] == 2.0 and wrong["wer"] == 1
