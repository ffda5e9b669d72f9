"""Statistics of a whole batch, whatever parts a step sees of it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.core.types import NO_NETS, Mean, Objective, Rows

BATCH, NEWEST = 16, 24


def seen(old, batch):
  """Means, one of each class too, a moving one, and two queues."""
  x, mask = batch["x"], batch["mask"]
  member = jax.nn.one_hot(batch["label"], 3) * mask[:, None]
  moving = 0.9 * old["moving"] + 0.1 * x
  return {
    "mean": Mean.of(x, mask),
    "classes": Mean(member.T @ x, member.sum(0)),
    "moving": Mean.of(moving, mask),
    "newest": Rows(x[:, None], batch["index"]),
    "last": Rows(batch["label"], batch["index"]),
    "count": old["count"],
  }


BEFORE = {
  "mean": np.float32(0),
  "classes": np.full(3, 7, np.float32),
  "moving": np.float32(2),
  "newest": np.zeros((NEWEST, 1), np.float32),
  "last": np.zeros(5, np.int32),
  "count": np.int32(0),
}


@dataclasses.dataclass(frozen=True)
class Watching:
  """One weight, and statistics that a function gives of a batch."""

  new: Callable[..., Any] = seen
  before: Mapping[str, Any] = dataclasses.field(default_factory=lambda: BEFORE)
  whose: str = "model"
  repeat: int = 1

  @property
  def objectives(self):
    return (Objective("model", self._loss, {"value": 1.0}, self.repeat),)

  def init(self, key, batch):
    del key, batch
    stats = jax.tree.map(jnp.asarray, self.before)
    return {"model": {"w": jnp.ones(())}}, {"model": stats}

  def _loss(self, params, stats, batch, key, *, step, train):
    del key, step, train
    loss = Mean.of(params["model"]["w"] * batch["x"], batch["mask"])
    return {"value": loss}, {self.whose: self.new(stats["model"], batch)}


def batch_of(step):
  """A batch whose order is not that of its index; two examples do not count.

  Nor is there one of the class 2.
  """
  rng = np.random.default_rng(step)
  mask = np.ones(BATCH, np.float32)
  mask[[3, 7]] = 0
  return {
    "x": rng.normal(size=BATCH).astype(np.float32),
    "label": rng.integers(0, 2, BATCH).astype(np.int32),
    "mask": mask,
    "index": rng.permutation(BATCH).astype(np.int32) + BATCH * step,
  }


def train(execution, task=None, accumulate=1):
  """The statistics after two steps."""
  task, txs = task or Watching(), {"model": optax.sgd(0.1)}
  make = lambda: create_state(task, txs, jax.random.key(0), batch_of(0))
  state = execution.init(make)
  step = make_train_step(task, txs, accumulate=accumulate)
  step = execution.train_step(step, state)
  for number in range(2):
    state, _ = step(state, execution.put(batch_of(number)), NO_NETS)
  execution.check_stats(state.stats)
  return jax.device_get(state.stats["model"])


def expected():
  """The same by hand."""
  first, second = batch_of(0), batch_of(1)
  ordered = lambda key: np.concatenate(
    [b[key][np.argsort(b["index"])] for b in (first, second)]
  )
  mean = lambda batch: batch["x"][batch["mask"] > 0].mean()
  classes = [
    second["x"][(second["label"] == k) & (second["mask"] > 0)].mean()
    for k in (0, 1)
  ]
  moving = 0.9 * (0.9 * 2 + 0.1 * mean(first)) + 0.1 * mean(second)
  return {
    "mean": mean(second),
    "classes": [*classes, 7.0],
    "moving": moving,
    "newest": ordered("x")[-NEWEST:, None],
    "last": ordered("label")[-5:],
    "count": 0,
  }


EXECUTIONS = {
  "one": lambda: Jit(devices=jax.devices()[:1]),
  "jit4": lambda: Jit(devices=jax.devices()[:4]),
  "pmap4": lambda: Pmap(devices=jax.devices()[:4]),
}


@pytest.mark.parametrize("accumulate", [1, 2, 4])
@pytest.mark.parametrize("name", EXECUTIONS)
def test_statistics_are_of_the_whole_batch(name, accumulate):
  got = train(EXECUTIONS[name](), accumulate=accumulate)
  for name, value in expected().items():
    np.testing.assert_allclose(got[name], value, rtol=1e-6, err_msg=name)


def test_each_of_several_updates_has_its_own():
  new = lambda old, batch: {"rows": Rows(batch["x"], batch["index"])}
  before = {"rows": np.zeros(BATCH, np.float32)}
  task = Watching(new, before, repeat=2)
  first, second = train(Pmap(devices=jax.devices()[:4]), task)["rows"].reshape(
    2, -1
  )
  batch = batch_of(1)
  for turn, got in enumerate((first, second)):
    part = {k: x[turn::2] for k, x in batch.items()}
    np.testing.assert_array_equal(got, part["x"][np.argsort(part["index"])])


@pytest.mark.parametrize(
  ("new", "message"),
  [
    (lambda x: Mean(x, jnp.ones(())), r"model/a, float32 \(16,\); expected "
     r"float32 \(3,\)"),
    (lambda x: Rows(x[:, None], x), r"model/a, float32 \(16, 1\); expected "
     r"float32 \(16,\)"),
    (lambda x: jnp.zeros(3, jnp.int32), r"model/a, int32 \(3,\)"),
    (lambda x: {"b": x}, "stats of 'model': got .*'b'.*; expected "),
  ],
)  # fmt: skip
def test_statistics_of_another_shape_are_an_error(new, message):
  before = {"a": np.zeros(3, np.float32)}
  with pytest.raises(ValueError, match=message):
    train(Jit(), Watching(lambda old, batch: {"a": new(batch["x"])}, before))


def test_statistics_that_init_does_not_have_are_an_error():
  new = lambda old, batch: {**old, "b": Mean.of(batch["x"], batch["mask"])}
  with pytest.raises(ValueError, match=r"got .*'a'.*'b'.*; expected .*'a'"):
    train(Jit(), Watching(new, {"a": np.zeros(3, np.float32)}))


def test_a_sum_of_each_device_is_refused_with_what_to_return():
  new = lambda old, batch: {"a": jnp.sum(batch["x"])}
  task = Watching(new, {"a": np.float32(0)})
  with pytest.raises(ValueError, match=r"disagree on model/a.*Mean or Rows"):
    train(Pmap(), task)
