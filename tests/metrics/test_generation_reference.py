"""Statistics of real images in a file: the same numbers, and no second look."""

import dataclasses

import numpy as np
import pytest

from tests.metrics.test_metrics_generation import (
  EXECUTIONS,
  evaluate,
  extractor,
  features,
  sqrtm_distance,
)
from vision_jax.errors import UserError
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.generation_reference import (
  digest,
  read_reference,
)


def quality(path, *metrics, seen=None):
  options = {"subsets": 1, "subset_size": 96}
  return SampleQuality(seen or extractor(), metrics, **options, reference=path)


def counted():
  """An extractor that counts how often it is traced."""
  seen, calls = extractor(), []

  def apply(weights, image):
    calls.append(image.shape)
    return seen.apply(weights, image)

  return dataclasses.replace(seen, apply=apply), calls


@pytest.mark.parametrize(
  "metrics",
  [("frechet",), ("kernel",), ("frechet", "kernel", "precision_recall")],
)
def test_what_is_kept_gives_the_same(tmp_path, metrics):
  path, run = str(tmp_path / "new" / "real.npz"), EXECUTIONS["jit1"]()
  expected, _ = evaluate(quality("", *metrics), run)
  first, _ = evaluate(quality(path, *metrics), run)
  seen, calls = counted()
  again, sums = evaluate(quality(path, *metrics, seen=seen), run)
  assert first == expected and again == expected
  assert len(calls) == 1 and "outer_real" not in sums
  kept = read_reference(path, "flat", digest(extractor().state["weights"]))
  assert kept.count == 96 and (kept.features is None) == (
    metrics == ("frechet",)
  )


def test_pytorch_fids_file_will_do(tmp_path):
  path, real = tmp_path / "real.npz", np.tanh(features(300, 5))
  lifted = real.mean(0) + 1000  # as the extractor does
  np.savez(path, mu=lifted, sigma=np.cov(real.T))
  got, _ = evaluate(quality(str(path), "frechet"), EXECUTIONS["jit1"]())
  expected = sqrtm_distance(real, np.tanh(features(96, 1)))
  np.testing.assert_allclose(got["frechet_flat"], expected, rtol=1e-4)


def others(tmp_path, **arrays):
  real = features(300, 5)
  whole = {"mu": real.mean(0), "sigma": np.cov(real.T)} | arrays
  path = tmp_path / "real.npz"
  np.savez(path, **{key: x for key, x in whole.items() if x is not None})
  return str(path)


@pytest.mark.parametrize(
  ("arrays", "metric", "message"),
  [
    ({"mu": None}, "frechet", "real.npz cannot be read .*expected an .npz"),
    ({"sigma": np.ones(3)}, "frechet", r"mu \(12,\) and sigma \(3,\); expect"),
    ({"extractor": "vgg"}, "frechet", "made by extractor vgg; expected flat"),
    ({"weights": "0"}, "frechet", "made by weights 0; expected"),
    ({"count": 50}, "frechet", "of 50 real images, and there are 96 here"),
    ({"pixel": 0.7}, "frechet", "pixels are 0.7 on average, and here they are"),
    ({}, "kernel", "has no features; expected them, as kernel"),
    ({"mu": np.ones(3), "sigma": np.eye(3)}, "frechet", "of 3 and 12 numbers"),
  ],
)
def test_other_statistics_are_refused(tmp_path, arrays, metric, message):
  path = others(tmp_path, **arrays)
  with pytest.raises(UserError, match=message):
    evaluate(quality(path, metric), EXECUTIONS["jit1"]())


def test_a_file_that_is_none_is_refused(tmp_path):
  path = tmp_path / "real.npz"
  path.write_bytes(b"PK no archive")
  with pytest.raises(UserError, match="cannot be read"):
    evaluate(quality(str(path), "frechet"), EXECUTIONS["jit1"]())
