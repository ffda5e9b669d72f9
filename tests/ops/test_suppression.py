"""Non-maximum suppression against plain loops, and what it refuses."""

import jax
import numpy as np
import pytest

from tests.marks import with_slow
from vision_jax.errors import UserError
from vision_jax.ops import suppression


def crowded(b=2, p=60, seed=0):
  """Boxes that overlap, their scores (some 0) and labels of three classes."""
  rng = np.random.default_rng(seed)
  low = rng.uniform(0, 30, (b, p, 2))
  boxes = np.concatenate([low, low + rng.uniform(5, 25, (b, p, 2))], -1)
  score = rng.uniform(0.05, 1, (b, p)) * (rng.random((b, p)) < 0.9)
  label = rng.integers(0, 3, (b, p))
  kinds = (np.float32, np.float32, np.int32)
  given = zip((boxes, score, label), kinds, strict=True)
  return [x.astype(kind) for x, kind in given]


def overlap(a, b):
  sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
  both = np.prod(np.maximum(sides, 0))
  area = lambda x: np.prod(x[2:] - x[:2])
  return both / (area(a) + area(b) - both)


def plain(boxes, score, label, count, factor):
  """Takes the best box and lowers the others of its class, by hand."""
  left, taken = score.astype(float).copy(), []
  for _ in range(count):
    best = int(left.argmax())
    if left[best] == 0:
      break
    taken.append((best, left[best]))
    for i in range(len(left)):
      if label[i] == label[best]:
        left[i] *= factor(overlap(boxes[best], boxes[i]))
    left[best] = 0
  return taken


CASES = {
  "hard": (suppression.hard(0.5), lambda iou: float(iou <= 0.5)),
  "linear": (suppression.linear(0.3), lambda iou: 1 - iou * (iou > 0.3)),
  "gaussian": (suppression.gaussian(), lambda iou: np.exp(-(iou**2) / 0.5)),
}


@pytest.mark.parametrize("name", with_slow(CASES, "linear", "gaussian"))
def test_it_equals_a_plain_loop(name):
  decay, factor = CASES[name]
  given = crowded()
  run = jax.jit(lambda *x: suppression.suppress(*x, count=55, decay=decay))
  place, score = map(np.asarray, run(*given))
  assert place.shape == score.shape == (2, 55)
  for i in range(2):
    expected = plain(*(x[i] for x in given), 55, factor)
    number = len(expected)
    assert place[i, :number].tolist() == [x for x, _ in expected]
    np.testing.assert_allclose(
      score[i, :number], [x for _, x in expected], rtol=1e-4
    )
    assert (score[i, number:] == 0).all()
  assert name != "hard" or (score == 0).any()


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: suppression.hard(1.5), "threshold: got 1.5; expected an IoU"),
    (lambda: suppression.gaussian(0), "sigma: got 0; expected a number above"),
  ],
)
def test_what_it_refuses(make, message):
  with pytest.raises(UserError, match=message):
    make()
