"""A table of vectors: the nearest, and how it moves, beside plain numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.marks import with_slow
from vision_jax.core.stats import joined, split
from vision_jax.metrics.codes import CodeUse
from vision_jax.ops import codebook
from vision_jax.ops.codebook import Table

KEY = jax.random.key(3)


def drawn(size=4, features=3, seed=0):
  """A table in the middle of a run, and a batch of 6 maps of 5 places."""
  rng = np.random.default_rng(seed)
  vectors = rng.normal(size=(size, features)).astype(np.float32)
  use = rng.dirichlet(np.ones(size)).astype(np.float32)
  table = Table(vectors, use, rng.normal(size=(7, features)).astype(np.float32))
  batch = {
    "index": np.arange(6, dtype=np.int32) + 10,
    "mask": np.array([1, 1, 1, 1, 1, 0], np.float32),
  }
  return table, rng.normal(size=(6, 5, features)).astype(np.float32), batch


def after(table, parts):
  """What the step makes of the statistics that parts of a batch give."""
  old = {"model": table._asdict()}
  found = [split("model", {"model": x._asdict()}, old) for x in parts]
  stacked = jax.tree.map(lambda *x: jnp.stack(x), *(p for _, p in found))
  new = joined("model", old, found[0][0], stacked)["model"]
  return Table(**jax.device_get(new))


def test_nearest_is_the_least_distance():
  table, x, _ = drawn(20)
  distance = np.sum((x[..., None, :] - table.vectors) ** 2, -1)
  got = codebook.nearest(x, table.vectors)
  np.testing.assert_array_equal(got, distance.argmin(-1))
  assert got.dtype == jnp.int32


@pytest.mark.parametrize("parts", with_slow([1, 3], 3))
def test_vectors_are_the_papers_averages(parts):
  """N and m of its appendix A.1, by plain numpy, in how many parts ever."""
  decay, (table, x, batch) = 0.9, drawn()
  codes = np.asarray(codebook.nearest(x, table.vectors))
  count = np.zeros(4)
  total = np.zeros((4, 3))
  for example in range(5):  # the last one is padding
    for place in range(5):
      count[codes[example, place]] += 1
      total[codes[example, place]] += x[example, place]
  # As if the batch before had as many places, 25.
  number = decay * table.use * 25 + (1 - decay) * count
  sums = decay * (table.use * 25)[:, None] * table.vectors
  sums += (1 - decay) * total
  pieces = [
    codebook.moved(
      *(table, x[i::parts], codes[i::parts]),
      {k: v[i::parts] for k, v in batch.items()},
      KEY,
      decay,
    )
    for i in range(parts)
  ]
  got = after(table, pieces)
  np.testing.assert_allclose(got.vectors, sums / number[:, None], rtol=1e-5)
  np.testing.assert_allclose(got.use, number / 25, rtol=1e-5)
  # Newest last: one place of each example, in order of index.
  np.testing.assert_array_equal(got.candidates[0], table.candidates[-1])
  for candidate, example in zip(got.candidates[1:], x, strict=True):
    assert (example == candidate).all(-1).any()


def test_dead_vectors_become_the_newest_candidates():
  table, *_ = drawn()
  table = table._replace(use=np.array([0.5, 0.01, 0.47, 0.02], np.float32))
  got = codebook.renewed(table, 0.2)  # of a quarter: 0.05
  np.testing.assert_array_equal(got.vectors[1], table.candidates[-1])
  np.testing.assert_array_equal(got.vectors[3], table.candidates[-2])
  np.testing.assert_array_equal(got.vectors[::2], table.vectors[::2])
  np.testing.assert_allclose(got.use, [0.5, 0.05, 0.47, 0.05])
  same = codebook.renewed(table, 0.0)
  np.testing.assert_array_equal(same.vectors, table.vectors)


def test_a_vector_that_nothing_is_near_stays():
  table, x, batch = drawn()
  codes = np.zeros((6, 5), np.int32)
  got = after(table, [codebook.moved(table, x, codes, batch, KEY, 0.5)])
  np.testing.assert_allclose(got.vectors[1:], table.vectors[1:], rtol=1e-6)
  np.testing.assert_allclose(got.use[1:], table.use[1:] / 2, rtol=1e-6)


def test_perplexity_is_the_number_of_vectors_used_alike():
  assert codebook.perplexity(np.ones(8)) == pytest.approx(8, rel=1e-6)
  use = np.array([1, 1, 0, 0], np.float32)
  assert codebook.perplexity(use) == pytest.approx(2, rel=1e-6)
  use = np.array([1, 1, 0.01, 0.01], np.float32)
  assert codebook.perplexity(use, 0.1) == pytest.approx(2, rel=1e-6)


def test_use_of_a_set_and_its_collapse(caplog):
  metric = CodeUse(8)
  codes = np.array([[0, 1], [2, 3], [4, 4]], np.int32)
  mask = np.array([1, 1, 0], np.float32)
  sums, rows = metric.measure(None, {"codes": codes}, {"mask": mask})
  got = metric.result(jax.device_get(sums), rows)
  assert got["code_perplexity"] == pytest.approx(4)
  assert got["codes_used"] == 0.5 and not caplog.records
  got = metric.result({"codes": np.array([99, 1, *[0] * 6])}, {})
  assert got["code_perplexity"] < 1.1
  assert "codebook has collapsed: perplexity 1.1 of 8" in caplog.text
