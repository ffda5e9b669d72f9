"""Metrics of generated images, against scipy, torchmetrics and scikit-learn."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from tests.oracles import library
from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.step import make_eval_step
from vision_jax.metrics import generation_distances as distances
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import MeanOf, Recognised

D = 12


def features(n, seed, offset=0.0):
  rng = np.random.default_rng(seed)
  mix = np.random.default_rng(7).normal(size=(D, D)) / 3
  return rng.normal(size=(n, D)) @ mix + offset + 0.2 * seed


def sqrtm_distance(x, y):
  """The published form."""
  root = scipy.linalg.sqrtm(np.cov(x.T) @ np.cov(y.T)).real
  gap = x.mean(0) - y.mean(0)
  return gap @ gap + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)


@pytest.mark.parametrize("n", [40, 500])
def test_frechet_distance_is_scipys(n):
  x, y = features(n, 0), features(n + 3, 1)
  got = distances.frechet_distance(*map(distances.Moments.of, (x, y)))
  np.testing.assert_allclose(got, sqrtm_distance(x, y), rtol=1e-9)
  same = distances.frechet_distance(*[distances.Moments.of(x)] * 2)
  assert abs(same) < 1e-9


def test_frechet_distance_of_known_normals():
  moments = lambda mean, var: distances.Moments(
    np.full(D, mean), np.eye(D) * var, 10
  )
  got = distances.frechet_distance(moments(0.0, 1.0), moments(2.0, 9.0))
  np.testing.assert_allclose(got, D * (4 + (3 - 1) ** 2), rtol=1e-12)


def test_a_singular_covariance_is_no_trouble():
  """Fewer examples than features: the root of a product may turn complex."""
  x, y = features(5, 0), features(6, 1)
  got = distances.frechet_distance(*map(distances.Moments.of, (x, y)))
  values = np.linalg.eigvals(np.cov(x.T) @ np.cov(y.T)).real
  cross = np.sqrt(np.maximum(values, 0)).sum()
  gap = x.mean(0) - y.mean(0)
  expected = gap @ gap + np.trace(np.cov(x.T) + np.cov(y.T)) - 2 * cross
  np.testing.assert_allclose(got, expected, rtol=1e-5)


def through_torchmetrics(name, x, y, **options):
  """What torchmetrics gives for features, handed to it as if images."""
  torch = library("torch")
  library("torchmetrics")
  import importlib

  module = importlib.import_module(f"torchmetrics.image.{name[0]}")

  class Same(torch.nn.Module):
    num_features = D

    def forward(self, x):
      return x

  metric = getattr(module, name[1])(feature=Same(), **options)
  if hasattr(metric, "set_dtype"):
    metric.set_dtype(torch.float64)
  for values, real in ((x, True), (y, False)):
    if values is not None:
      values = torch.tensor(values)
      metric.update(values, **({} if x is None else {"real": real}))
  return metric.compute()


def test_frechet_distance_is_torchmetrics():
  x, y = features(300, 0), features(300, 1)
  expected = through_torchmetrics(("fid", "FrechetInceptionDistance"), x, y)
  got = distances.frechet_distance(*map(distances.Moments.of, (x, y)))
  np.testing.assert_allclose(got, float(expected), rtol=1e-6)


def test_kernel_distance_is_torchmetrics():
  x, y = features(200, 0), features(200, 1)
  expected, _ = through_torchmetrics(
    ("kid", "KernelInceptionDistance"), x, y, subsets=1, subset_size=200
  )
  got, deviation = distances.kernel_distance(x, y, subsets=1, subset_size=200)
  np.testing.assert_allclose(got, float(expected), rtol=1e-6)
  assert deviation == 0
  mean, deviation = distances.kernel_distance(x, y, subsets=50, subset_size=50)
  assert abs(mean - got) < 4 * deviation / np.sqrt(50) + 0.02 and deviation > 0


def test_the_kernel_distance_of_one_law_is_zero_on_average():
  values = [
    distances.kernel_distance(
      np.random.default_rng(i).normal(size=(50, D)),
      np.random.default_rng(99 + i).normal(size=(50, D)),
      subsets=1,
      subset_size=50,
    )[0]
    for i in range(60)
  ]
  assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60)


def test_inception_score_is_torchmetrics():
  logits = 3 * features(100, 2)
  expected, _ = through_torchmetrics(
    ("inception", "InceptionScore"), None, logits, splits=1
  )
  got, _ = distances.inception_score(logits, splits=1)
  np.testing.assert_allclose(got, float(expected), rtol=1e-6)


def test_inception_score_of_the_extremes():
  sure = 1e3 * np.eye(D)[np.arange(10 * D) % D]
  np.testing.assert_allclose(distances.inception_score(sure, 1), (D, 0))
  np.testing.assert_allclose(distances.inception_score(0 * sure, 5), (1, 0))


def test_inception_score_does_not_see_the_order_of_the_classes():
  """Consecutive parts of images sorted by class would score 1, and not 10."""
  label = np.arange(500) // 50
  logits = 1e3 * np.eye(10)[label]
  mean, deviation = distances.inception_score(logits, 10)
  assert mean > 9 and 0 < deviation < 0.5
  random = np.random.default_rng(0).permutation(logits)
  assert abs(distances.inception_score(random, 10)[0] - mean) < 0.3


def test_precision_and_recall_are_those_of_nearest_neighbours():
  from sklearn.neighbors import NearestNeighbors

  x, y = features(300, 0), features(200, 1)

  def share(points, manifold, k=3):
    radius = NearestNeighbors(n_neighbors=k + 1).fit(manifold)
    radius = radius.kneighbors(manifold)[0][:, k]
    gaps = np.linalg.norm(points[:, None] - manifold[None], axis=-1)
    return (gaps <= radius).any(1).mean()

  got = distances.precision_recall(x, y)
  np.testing.assert_allclose(got, (share(y, x), share(x, y)))
  assert distances.precision_recall(x, x) == (1.0, 1.0)
  assert distances.precision_recall(x, x + 50) == (0.0, 0.0)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda x: distances.Moments.of(x[:1]), "got 1; expected at least 2"),
    (
      lambda x: distances.kernel_distance(x, x),
      "real examples: got 20; expected at least 1000",
    ),
    (lambda x: distances.precision_recall(x[:3], x), "at least 4"),
    (
      lambda x: distances.inception_score(x, 30),
      "got 20; expected at least 30",
    ),
    (lambda x: distances.inception_score(x, 0), "splits: got 0"),
  ],
)
def test_too_few_examples_are_an_error_with_the_minimum(call, message):
  with pytest.raises(ValueError, match=message):
    call(features(20, 0))


def flat(weights, image):
  """Features and logits that are the pixels, a long way from zero."""
  x = image.reshape(image.shape[0], -1) * weights
  return {"features": x + 1000.0, "logits": x}


def extractor(**options):
  load = lambda: (np.float32(1.0), np.full(D, 1000.0))
  return Extractor("flat", flat, load, **options)


def batches(n=96, size=32):
  real, fake = (np.tanh(features(n, s)).astype(np.float32) for s in (0, 1))
  for start in range(0, n + size, size):
    part = slice(start, start + size)
    count = len(real[part])
    pad = lambda x, p=part: np.concatenate(
      [x[p], np.full((size - len(x[p]), *x.shape[1:]), 7, x.dtype)]
    )
    yield {
      "image": pad(real).reshape(size, 2, 2, 3),
      "fake": pad(fake).reshape(size, 2, 2, 3),
      "label": pad((fake[:, 0] > 0).astype(np.int32)),
      "mask": (np.arange(size) < count).astype(np.float32),
      "index": np.arange(start, start + size, dtype=np.int32),
    }


class _NoTask:
  objectives = ()

  def predict(self, params, stats, batch, key):
    return {"image": batch["fake"], "bits_per_dim": batch["fake"][:, 0, 0, 0]}


EXECUTIONS = {
  "jit1": lambda: Jit(devices=jax.devices()[:1]),
  "jit8": lambda: Jit(),
  "pmap8": lambda: Pmap(),
}


def evaluate(metric, execution):
  """Runs a metric as an evaluation does; returns its metrics and sums."""
  step = execution.eval_step(make_eval_step(_NoTask(), {"m": metric}))
  states = execution.place({"m": metric.state})
  key, empty = execution.place(jax.random.key(0)), execution.place(({}, {}))
  total, rows = None, []
  for batch in batches():
    sums, row, _ = jax.device_get(
      step(*empty, states, execution.put(batch), key)
    )
    wide = {k: np.asarray(v, np.float64) for k, v in sums["m"].items()}
    total = wide if total is None else {k: total[k] + wide[k] for k in wide}
    rows.append(row["m"])
  joined = {k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
  if joined:
    real = joined.pop("mask") > 0
    order = np.argsort(joined.pop("index")[real])
    joined = {k: v[real][order] for k, v in joined.items()}
  return metric.result(total, joined), total


@pytest.mark.parametrize("name", EXECUTIONS)
def test_metrics_of_an_evaluation(name):
  metric = SampleQuality(
    extractor(),
    ("frechet", "kernel", "score", "precision_recall"),
    subsets=1,
    subset_size=96,
    splits=1,
  )
  got, _ = evaluate(metric, EXECUTIONS[name]())
  real, fake = (np.tanh(features(96, s)) for s in (0, 1))
  precision, recall = distances.precision_recall(real, fake)
  lifted = real + 1000, fake + 1000
  expected = {
    "frechet_flat": sqrtm_distance(real, fake),
    "score_flat": distances.inception_score(fake, 1)[0],
    "precision_flat": precision,
    "recall_flat": recall,
    "kernel_flat": distances.kernel_distance(
      *lifted, subsets=1, subset_size=96
    )[0],
  }
  for key, value in expected.items():
    # Features near 1000 in float32 are good to 6e-5, and the kernel cubes them.
    rtol = 0.05 if key == "kernel_flat" else 2e-3
    np.testing.assert_allclose(got[key], value, rtol=rtol, err_msg=key)
  assert set(got) == {*expected, "kernel_flat_std", "score_flat_std"}


def test_moments_a_long_way_from_zero_keep_their_covariance():
  """Without the shift, sums of squares near 1e6 lose all of it in float32."""
  metric = SampleQuality(extractor())
  _, sums = evaluate(metric, EXECUTIONS["jit1"]())
  got = metric.moments(sums, "fake")
  exact = distances.Moments.of(np.tanh(features(96, 1)) + 1000)
  np.testing.assert_allclose(got.mean, exact.mean, rtol=1e-7)
  np.testing.assert_allclose(got.covariance, exact.covariance, atol=5e-5)
  assert got.count == 96


def test_moments_from_sums_are_exact():
  x, shift = features(200, 0, offset=1e4), np.full(D, 1e4)
  parts = np.array_split(x - shift, 7)
  sums = [sum(f(p) for p in parts) for f in (len, lambda p: p.sum(0))]
  outer = sum(p.T @ p for p in parts)
  got = distances.Moments.from_sums(*sums, outer, shift)
  exact = distances.Moments.of(x)
  np.testing.assert_allclose(got.mean, exact.mean, rtol=1e-12)
  np.testing.assert_allclose(got.covariance, exact.covariance, rtol=1e-7)


@pytest.mark.parametrize("name", ["jit8", "pmap8"])
def test_recognised_counts_the_classifiers_hits(name):
  def first(weights, image):
    x = image[:, 0, 0, 0] * weights
    return {"logits": jnp.stack([-x, x], -1)}

  classifier = Extractor("sign", first, lambda: (np.float32(1), np.zeros(1)))
  got, _ = evaluate(Recognised(classifier), EXECUTIONS[name]())
  real, fake = (np.tanh(features(96, s))[:, 0] > 0 for s in (0, 1))
  np.testing.assert_allclose(got["recognised"], 1.0)
  np.testing.assert_allclose(got["recognised_real"], (real == fake).mean())


def test_a_mean_of_outputs():
  got, _ = evaluate(MeanOf(("bits_per_dim",)), EXECUTIONS["jit1"]())
  expected = np.tanh(features(96, 1))[:, 0].mean()
  np.testing.assert_allclose(got["bits_per_dim"], expected, rtol=1e-5)


@pytest.mark.parametrize(
  "metric",
  [
    SampleQuality(extractor(value_range=(-0.5, 0.5))),
    Recognised(extractor(value_range=(-0.5, 0.5))),
    MeanOf(value_range=(-0.5, 0.5)),
  ],
  ids=lambda m: type(m).__name__,
)
def test_pixels_outside_the_range_are_an_error(metric):
  with pytest.raises(
    ValueError, match=r"real images: \d+ pixel .*\[-0.5, 0.5\]"
  ):
    evaluate(metric, EXECUTIONS["jit1"]())


def test_names_carry_the_extractors():
  name = functools.partial(Extractor, "inception", flat, lambda: None)
  assert name().metric("frechet") == "frechet_inception"
  assert name(published=True).metric("frechet") == "fid"
  assert name(published=True).metric("kernel") == "kid"
  with pytest.raises(ValueError, match=r"got \['fid'\]; expected some of"):
    SampleQuality(extractor(), ("fid",))
