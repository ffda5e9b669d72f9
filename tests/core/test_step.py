"""The step's arithmetic, on a task small enough to check by hand."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.tables import TASKS
from vision_jax.core.state import create_state
from vision_jax.core.step import make_eval_step, make_train_step
from vision_jax.core.types import Mean, Objective
from vision_jax.forms.choice import use_forms


@dataclasses.dataclass(frozen=True)
class Line:
  """Least squares y = w x, as one net, or two that add."""

  nets: tuple[str, ...] = ("model",)
  repeat: int = 1

  @property
  def objectives(self):
    return tuple(
      Objective(
        net,
        self._loss,
        {"square": 0.5},
        self.repeat,
      )
      for net in self.nets
    )

  def init(self, key, batch):
    del key, batch
    return {net: {"w": jnp.array(2.0)} for net in self.nets}, {}

  def predict(self, params, stats, batch, key):
    del stats, key
    return {"y": batch["x"] * sum(params[net]["w"] for net in self.nets)}

  def _loss(self, params, stats, batch, key, *, step, train):
    del step, train
    y = self.predict(params, stats, batch, key)["y"]
    square = (y - batch["y"]) ** 2
    seen = Mean.of(batch["index"].astype(jnp.float32), batch["mask"])
    terms = {"square": Mean.of(square, batch["mask"])}
    if len(self.nets) == 1:
      terms["seen"] = seen
    return terms, stats


def line_batch(n=8):
  rng = np.random.default_rng(0)
  x = rng.normal(size=n).astype(np.float32)
  mask = np.ones(n, np.float32)
  mask[-2:] = 0
  return {
    "x": jnp.asarray(x),
    "y": jnp.asarray(3 * x),
    "mask": jnp.asarray(mask),
    "index": jnp.arange(n),
  }


def start(task, tx=None, ema=()):
  txs = {o.net: tx or optax.sgd(0.1) for o in task.objectives}
  state = create_state(
    task, txs, jax.random.key(0), line_batch(), ema=dict.fromkeys(ema, 0.9)
  )
  return state, txs


def test_a_step_is_gradient_descent_on_the_masked_mean():
  task, batch = Line(), line_batch()
  state, txs = start(task)
  new, logs = make_train_step(task, txs)(state, batch)
  x, m = np.asarray(batch["x"]), np.asarray(batch["mask"])
  gradient = 0.5 * np.sum(2 * (2 * x - 3 * x) * x * m) / m.sum()
  np.testing.assert_allclose(new.params["model"]["w"], 2 - 0.1 * gradient, 1e-6)
  np.testing.assert_allclose(logs["grad_norm"], abs(gradient), rtol=1e-6)
  np.testing.assert_allclose(logs["update_norm"], 0.1 * abs(gradient), 1e-6)
  np.testing.assert_allclose(logs["param_norm"], 2.0)  # before the update
  np.testing.assert_allclose(logs["square"], np.sum(x**2 * m) / m.sum(), 1e-6)
  np.testing.assert_allclose(logs["loss"], 0.5 * logs["square"], rtol=1e-6)
  assert int(new.step) == 1 and int(new.bad_step) == -1


@pytest.mark.parametrize("accumulate", [2, 4, 8])
def test_accumulation_gives_the_whole_batch_gradient(accumulate):
  task, batch = Line(), line_batch()
  state, txs = start(task)
  whole, logs = make_train_step(task, txs)(state, batch)
  step = make_train_step(task, txs, accumulate=accumulate)
  parts, part_logs = jax.jit(step)(state, batch)
  np.testing.assert_allclose(
    parts.params["model"]["w"], whole.params["model"]["w"], rtol=1e-6
  )
  for key in logs:
    np.testing.assert_allclose(part_logs[key], logs[key], rtol=1e-6)


@pytest.mark.slow
def test_counting_before_accumulating_costs_no_forward_pass():
  case = TASKS[0]
  task, batch = case.make(), case.batch(32, 0)
  txs = {"model": optax.sgd(0.1)}
  state = create_state(task, txs, jax.random.key(0), batch)

  def convolutions(accumulate, nested):
    step = make_train_step(task, txs, accumulate=accumulate)
    with use_forms(nested=nested):
      hlo = jax.jit(step).lower(state, batch).compile().as_text()
    return hlo.count(" convolution(") + hlo.count("__onednn$conv")

  once = convolutions(1, "program")
  assert convolutions(2, "program") == once > 0
  assert convolutions(2, "flat") == 2 * once


def test_repeats_take_disjoint_strided_slices():
  task, batch = Line(repeat=2), line_batch()
  state, txs = start(task)
  new, logs = make_train_step(task, txs)(state, batch)
  assert float(logs["seen"]) == np.mean([1, 3, 5])  # 7 is masked
  once = state
  for turn in range(2):
    part = jax.tree.map(lambda x, t=turn: x[t::2], batch)
    once, _ = make_train_step(Line(), txs)(once, part)
  np.testing.assert_allclose(
    new.params["model"]["w"], once.params["model"]["w"], rtol=1e-6
  )


def test_objectives_apply_in_order_and_log_under_their_nets():
  task, batch = Line(nets=("a", "b")), line_batch()
  state, txs = start(task)
  new, logs = make_train_step(task, txs)(state, batch)
  assert logs.keys() == {
    *("square/a", "loss/a", "grad_norm/a", "update_norm/a", "param_norm/a"),
    *("square/b", "loss/b", "grad_norm/b", "update_norm/b", "param_norm/b"),
  }
  assert float(logs["loss/b"]) < float(logs["loss/a"])  # b saw a's update
  assert new.params["a"]["w"] != new.params["b"]["w"]


def test_averages_follow_with_a_decay_that_warms_up():
  task, batch = Line(), line_batch()
  state, txs = start(task, ema=["model"])
  step = make_train_step(task, txs, ema={"model": 0.15})
  average = 2.0
  for count in range(3):
    state, _ = step(state, batch)
    decay = min(0.15, (1 + count) / (10 + count))
    average = decay * average + (1 - decay) * float(state.params["model"]["w"])
  np.testing.assert_allclose(state.ema.params["model"]["w"], average, rtol=1e-6)
  assert int(state.ema.count) == 3
  params, _ = state.weights("ema")
  assert params["model"]["w"] == state.ema.params["model"]["w"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_step_keeps_the_state_and_says_which(bad):
  task, batch = Line(), line_batch()
  state, txs = start(task, optax.adam(0.1), ema=["model"])
  step = jax.jit(make_train_step(task, txs, ema={"model": 0.9}))
  good, _ = step(state, batch)
  broken = batch | {"x": batch["x"].at[0].set(bad)}
  kept, _ = step(good, broken)
  after, _ = step(kept, batch)
  for state in (kept, after):
    assert int(state.bad_step) == 1
    same = state.replace(bad_step=good.bad_step)
    equal = jax.tree.map(
      lambda a, b: bool((a == b).all()),
      *[s.replace(key=jax.random.key_data(s.key)) for s in (same, good)],
    )
    assert all(jax.tree.leaves(equal))


def test_a_value_of_weight_zero_never_counts():
  values = jnp.array([1.0, 3.0, jnp.nan])
  mean = Mean.of(values, jnp.array([1.0, 1.0, 0.0]))
  assert (float(mean.total), float(mean.count)) == (4.0, 2.0)
  assert float(Mean.of(values, jnp.zeros(3)).divide()) == 0.0


def test_wrong_nets_are_an_error():
  with pytest.raises(ValueError, match="optimizers name the nets"):
    create_state(
      Line(), {"other": optax.sgd(0.1)}, jax.random.key(0), line_batch()
    )
  with pytest.raises(ValueError, match="ema: got 'other'; did you mean 'mod"):
    start(Line(), ema=["other"])


def test_weights_without_averages_are_an_error():
  state, _ = start(Line())
  with pytest.raises(ValueError, match="no net of this run has averaged"):
    state.weights("ema")


def test_a_batch_that_does_not_split_is_an_error():
  task = Line()
  state, txs = start(task)
  with pytest.raises(ValueError, match="does not split into 3 parts"):
    make_train_step(task, txs, accumulate=3)(state, line_batch())


@dataclasses.dataclass(frozen=True)
class Two:
  """Two nets with statistics, whose losses name terms and stats as told."""

  terms: tuple[str, str] = ("same", "same")
  nets: str = "ab"  # whose the objectives are
  new: tuple[str, ...] = ("own",)  # whose statistics move: "own", "other"

  @property
  def objectives(self):
    return tuple(
      Objective(net, functools.partial(self._loss, net, term), {term: 1.0})
      for net, term in zip(self.nets, self.terms, strict=True)
    )

  def init(self, key, batch):
    del key, batch
    nets = ("a", "b")
    return (
      {net: {"w": jnp.array(2.0)} for net in nets},
      {net: {"n": jnp.array(0.0)} for net in nets},
    )

  def _loss(self, net, term, params, stats, batch, key, *, step, train):
    del key, step, train
    loss = Mean.of((params[net]["w"] * batch["x"]) ** 2, batch["mask"])
    moved = {"n": stats[net]["n"] + 1}
    names = {"own": net, "other": "b" if net == "a" else "a"}
    return {term: loss}, {**stats, **{names[name]: moved for name in self.new}}


def run_two(**options):
  task, batch = Two(**options), line_batch()
  state, txs = start(task)
  return jax.eval_shape(make_train_step(task, txs, accumulate=2), state, batch)


def test_a_task_may_hand_back_the_statistics_it_was_given():
  run_two()


@pytest.mark.parametrize("new", [("other",), ("own", "other")])
def test_new_statistics_of_another_net_are_an_error(new):
  with pytest.raises(ValueError, match="net 'a' returned new ones of 'b'"):
    run_two(new=new)


def test_terms_of_two_nets_carry_them_and_never_collide():
  _, logs = run_two()
  assert {"same/a", "same/b"} <= logs.keys()
  task = Two()
  step = make_eval_step(task, {}, output=lambda *_: {})
  params, stats = task.init(None, None)
  _, _, means = step(params, stats, {}, line_batch(), None)
  assert means.keys() == {"same/a", "same/b"}


@pytest.mark.parametrize(
  "nets, terms, name",
  [
    ("aa", ("one", "one"), "one"),
    ("ab", ("one", "grad_norm"), "grad_norm/b"),
    ("ab", ("one", "param_norm"), "param_norm/b"),
  ],
)
def test_two_terms_of_one_name_are_an_error(nets, terms, name):
  with pytest.raises(ValueError, match=f"are called '{name}'"):
    run_two(terms=terms, nets=nets)
  task = Two(terms=terms, nets=nets)
  params, stats = task.init(None, None)
  output = lambda *_: {}
  with pytest.raises(ValueError, match=f"are called '{name}'"):
    step = make_eval_step(task, {}, output=output)
    step(params, stats, {}, line_batch(), None)
