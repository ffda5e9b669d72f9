"""An order of one's own, and one that balances classes."""

import numpy as np
import pytest

from tests.data_fixtures import Encoded, numbered
from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.order import Balanced
from vision_jax.data.sources.arrays import ArraySource


def rows(loader, start, stop):
  """The examples at the positions of a run from start until stop."""
  b = loader.batch_size
  steps = range(start // b, -(-stop // b))
  found = np.concatenate([loader.batch(step)["row"] for step in steps])
  return found[start - steps[0] * b : stop - steps[0] * b].tolist()


def backwards(seed, epoch):
  """Six examples of ten: the last ones first, turned by the epoch."""
  return np.roll(np.arange(9, 3, -1), epoch + seed)


def test_a_run_visits_what_the_order_gives():
  loader = Loader(numbered(10), (), 4, seed=1, order=backwards)
  for epoch in (0, 3, 1):
    expected = backwards(1, epoch).tolist()
    assert rows(loader, 6 * epoch, 6 * epoch + 6) == expected
  batch = loader.batch(5)
  assert batch["index"].tolist() == [20, 21, 22, 23] and batch["mask"].all()
  halves = [loader.shard(i, 2).batch(5)["row"] for i in range(2)]
  np.testing.assert_array_equal(np.concatenate(halves), batch["row"])
  every = [x for b in loader.epoch() for x in b["row"][b["mask"] > 0]]
  assert every == [*range(10)], "an evaluation sees each once, in order"


def test_an_order_is_in_the_fingerprint():
  source = numbered(10)
  of = lambda **options: Loader(source, (), 4, **options).fingerprint()
  other = lambda seed, epoch: np.flip(backwards(seed, epoch))
  assert of() == of(shuffle=False, seed=3) == source.fingerprint()
  assert of(order=backwards) == of(order=backwards, seed=3)
  assert len({of(), of(order=backwards), of(order=other)}) == 3


@pytest.mark.parametrize(
  "order, message",
  [
    (lambda seed, epoch: [0, 10], "index 10 in epoch 0; expected 0 to 9"),
    (lambda seed, epoch: [0, -1], "got the index -1"),
    (lambda seed, epoch: [], "shape \\(0,\\) for epoch 0; expected integers"),
    (lambda seed, epoch: [0.5], "got float64 of shape \\(1,\\)"),
    (lambda seed, epoch: [[1]], "shape \\(1, 1\\) for epoch 0"),
    (lambda seed, epoch: 3, "shape \\(\\) for epoch 0"),
    (lambda seed, epoch: [1] * (epoch + 1), "shape \\(2,\\) for epoch 1; exp"),
  ],
)  # fmt: skip
def test_an_order_that_is_none(order, message):
  loader = Loader(numbered(10), (), 4, order=order)
  with pytest.raises(DataError, match=f"order: .*{message}"):
    for step in range(3):
      loader.batch(step)


def test_classes_come_equally_often():
  label = np.repeat([0, 1, 2], [2, 17, 4])  # 23
  arrays = {"label": label, "row": np.arange(23)}
  source = ArraySource(arrays, 3)
  loader = Loader(source, (), 23, seed=1, order=Balanced(source))
  epochs = [loader.batch(step) for step in range(4)]
  for batch in epochs:
    counts = np.bincount(batch["label"])
    assert sorted(counts) == [7, 8, 8]
    times = np.bincount(batch["row"], minlength=23)
    for k in range(3):
      of_class = times[label == k]
      assert of_class.max() - of_class.min() <= 1
  assert len({tuple(batch["row"]) for batch in epochs}) == 4
  again = Loader(source, (), 23, seed=1, order=Balanced(source)).batch(2)
  np.testing.assert_array_equal(again["row"], epochs[2]["row"])


def test_what_cannot_be_balanced():
  with pytest.raises(DataError, match=r"got a Encoded, which has no labels"):
    Balanced(Encoded(3))
  several = ArraySource({"label": np.ones((4, 2))}, 2)
  with pytest.raises(DataError, match=r"labels of shape \(4, 2\); expected"):
    Balanced(several)(0, 0)
