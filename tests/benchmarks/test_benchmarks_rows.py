"""Benchmark rows, their references, statistics and devices."""

import dataclasses
import math
import re

import numpy as np
import pytest
from scipy import stats

from benchmarks import environment, logged, references, statistics
from benchmarks.suite import SUITES, by_name
from vision_jax.errors import UserError
from vision_jax.planning import devices
from vision_jax.recipe import recipe

ROWS = [row for rows in SUITES.values() for row in rows]
# Without a goal: nobody knows what is good.
SHOWN = {"photos_cycle_cpu", "scenes_text_gan_cpu"}


def test_two_rows_of_a_name_are_refused():
  assert len({row.name for row in ROWS}) == len(ROWS)
  mine = {**SUITES, "mine": (ROWS[0],)}
  with pytest.raises(UserError, match=f"'mine': .* {ROWS[0].name!r} already"):
    by_name(mine)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_names_a_config_and_a_reference(row):
  assert (environment.ROOT / row.config).is_file()
  if not row.reference:  # then a target says what is good
    assert row.target is not None or row.name in SHOWN
    return
  reference = references.load()[row.reference]
  assert reference.source_url.startswith("http")
  assert reference.metric == row.metric.split("/")[-1]
  assert reference.higher_is_better == row.higher_is_better
  assert 0 < reference.value < (1 if row.unit == "%" else math.inf)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_takes_a_metric_that_its_config_measures(row):
  # Whether a file that only its owner may hand out is here does not matter.
  overrides = {k: x for k, x in row.overrides.items() if x != row.file}
  if row.source:  # whose data a tiny one does not have
    overrides = {}
  loaded = recipe.load(f"{row.config}:tiny", overrides)
  experiment = loaded.build()
  evaluation, *parts, metric = row.metric.split("/")
  averaged = [part for part in parts if part == "ema"]
  if evaluation in row.overrides.get("tests", "").lower().split(","):
    evaluation = "test"  # of the tiny one's, which has no sets by name
  measured = experiment.evals[evaluation]
  # A tiny bound has fewer samples, a tiny extractor other weights.
  # Classes of one's own data are others.
  of_class = row.own and parts != averaged
  if not (re.search(r"_k\d+$", metric) or row.file or of_class):
    name = "/".join([evaluation, *parts, metric])
    assert logged.gives(experiment, name)
  assert set(averaged) <= set(measured.weights)
  # One rule for weights: those that `best` is chosen by; where there is no
  # best, the averaged ones where they are evaluated.
  chosen = experiment.best and "/ema/" in experiment.best[0]
  kind = "averaged" if chosen is None and "ema" in measured.weights else "raw"
  assert row.weights == ("averaged" if chosen else kind)
  for name in row.also:
    assert ("/ema/" in name) == ("/ema/" in row.metric)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_on_a_lossy_copy_is_never_called_reproduced(row):
  if row.data == "cifar10":
    assert row.dataset == "cifar10_jpeg"
    assert "cifar10_jpeg" in row.differs


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"evidence": "hearsay"}, "evidence"),
    ({"source_url": ""}, "source_url"),
    ({"protocol": ""}, "protocol"),
  ],
)
def test_reference_without_source_is_refused(change, message):
  known = references.load()["mnist_lenet5_lecun1998"]
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(known, **change)


@pytest.mark.parametrize(
  "change", [{"needs": "npu"}, {"tolerance": -0.1}, {"source": "a:b"}]
)
def test_bad_row_is_refused(change):
  with pytest.raises(ValueError, match=ROWS[1].name):
    dataclasses.replace(ROWS[1], **change)


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_interval_equals_scipy(count):
  values = np.random.default_rng(count).normal(0.9, 0.01, count).tolist()
  summary = statistics.summarize(values)
  expected = stats.t.interval(
    0.95, count - 1, loc=np.mean(values), scale=stats.sem(values)
  )
  np.testing.assert_allclose(summary.ci95, expected, rtol=1e-12)
  sd = np.std(values, ddof=1) * np.sqrt(1 + 1 / count)
  further = stats.t.interval(0.95, count - 1, loc=np.mean(values), scale=sd)
  np.testing.assert_allclose(summary.pi95, further, rtol=1e-12)
  np.testing.assert_allclose(summary.mean, np.mean(values), rtol=1e-14)
  np.testing.assert_allclose(summary.sd, np.std(values, ddof=1), rtol=1e-12)


def test_one_seed_has_no_spread():
  assert statistics.summarize([0.5]) == statistics.Summary(0.5, None, None)


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf]])
def test_unusable_values_are_refused(values):
  with pytest.raises(ValueError):
    statistics.summarize(values)


@pytest.mark.parametrize(
  ("mean", "comparable", "higher", "expected"),
  [
    (0.9025, True, True, statistics.REPRODUCED),  # exactly at the tolerance
    (0.9024, True, True, statistics.MISSED),
    (0.99, True, True, statistics.REPRODUCED),  # better is fine
    (0.99, False, True, statistics.NOT_COMPARABLE),
    (None, True, True, statistics.NOT_RUN),
    (None, False, True, statistics.NOT_RUN),
    (0.9225, True, False, statistics.REPRODUCED),
    (0.93, True, False, statistics.MISSED),
    (0.1, True, False, statistics.REPRODUCED),
  ],
)
def test_verdict(mean, comparable, higher, expected):
  summary = None if mean is None else statistics.summarize([mean])
  got = statistics.verdict(
    summary, 0.9125, 0.01, comparable=comparable, higher_is_better=higher
  )
  assert got == expected


@pytest.mark.parametrize(
  ("values", "higher", "expected"),
  [
    ([0.95, 0.951, 0.952], True, statistics.BETTER),  # low end 0.9485
    ([0.94, 0.951, 0.962], True, statistics.REPRODUCED),  # low end 0.9237
    ([0.94, 0.951, 0.952], False, statistics.MISSED),
    ([0.85, 0.851, 0.852], False, statistics.BETTER),
  ],
)
def test_what_is_too_good_is_said(values, higher, expected):
  got = statistics.verdict(
    statistics.summarize(values),
    0.92,
    0.01,
    comparable=True,
    higher_is_better=higher,
  )
  assert got == expected


@pytest.mark.parametrize(
  ("mean", "expected"),
  [
    (0.9035, statistics.REPRODUCED),
    (0.9045, statistics.REPRODUCED),
    (0.9034, statistics.MISSED),
    (0.9046, statistics.MISSED),  # of given weights, better is as wrong
  ],
)
def test_verdict_of_what_is_exact(mean, expected):
  summary = statistics.summarize([mean])
  got = statistics.verdict(summary, 0.904, 0.0005, comparable=True, exact=True)
  assert got == expected


@pytest.mark.parametrize(
  ("kind", "flops"),
  [
    ("NVIDIA H200", 989e12),
    ("NVIDIA H100 PCIe", 756e12),
    ("NVIDIA A100-SXM4-40GB", 312e12),
    ("TPU v5 lite", 197e12),
    ("TPU v5p", 459e12),
    ("TPU v4", 275e12),
    ("cpu", None),
    ("NVIDIA GeForce RTX 9090", None),
  ],
)
def test_peak_by_device_kind(kind, flops):
  assert devices.peak_flops(kind) == flops


def test_utilisation():
  assert devices.utilisation(275e9, 10.0, "TPU v4", 1) == pytest.approx(0.1)
  assert devices.utilisation(275e9, 10.0, "TPU v4", 4) == pytest.approx(0.025)


@pytest.mark.parametrize(
  ("flops", "step_ms", "kind"),
  [(None, 1.0, "TPU v4"), (1e9, None, "TPU v4"), (1e9, 1.0, "cpu")],
)
def test_utilisation_is_never_guessed(flops, step_ms, kind):
  assert devices.utilisation(flops, step_ms, kind, 1) is None
