"""A metric of each group is the metric of a data set of that group alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.metrics.by_group import ByGroup
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.curves import Curves

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(12, 3)).astype(np.float32)
BATCH = {
  "label": RNG.integers(0, 3, 12).astype(np.int32),
  "mask": (np.arange(12) < 10).astype(np.float32),
  "group": (np.arange(12) % 2).astype(np.int32),
  "index": np.arange(12),
}
METRIC = ByGroup(Accuracy(), ("hen", "ox"))


def results(metric, batch):
  measure = jax.jit(lambda x: metric.measure(None, {"logits": LOGITS}, x))
  sums, rows = jax.device_get(measure(batch))
  return metric.result(sums, rows)


def test_groups_are_measured_apart():
  found = results(METRIC, BATCH)
  assert {*found} == {*METRIC.names}
  assert found["accuracy"] == results(Accuracy(), BATCH)["accuracy"]
  for number, name in enumerate(("hen", "ox")):
    own = BATCH | {"mask": BATCH["mask"] * (BATCH["group"] == number)}
    expected = results(Accuracy(), own)["accuracy"]
    assert found[f"{name}/accuracy"] == pytest.approx(expected)


def test_bad_input():
  with pytest.raises(UserError, match="expected `group`"):
    results(METRIC, {k: x for k, x in BATCH.items() if k != "group"})
  with pytest.raises(UserError, match="got Curves, which gathers rows"):
    ByGroup(Curves(("a", "b", "c")), ("hen",)).measure(
      None, {"logits": jnp.asarray(LOGITS)}, BATCH
    )
  with pytest.raises(UserError, match="each name once"):
    ByGroup(Accuracy(), ("hen", "hen"))


def test_a_group_without_examples_is_an_error():
  alone = BATCH | {"group": np.zeros(12, np.int32)}
  with pytest.raises(UserError, match="No example has mask 1"):
    results(METRIC, alone)
