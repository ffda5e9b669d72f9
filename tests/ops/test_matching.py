"""The matcher against scipy's, and where it runs."""

import re
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from vision_jax.core.execution import Jit
from vision_jax.forms.choice import FORMS, use_forms
from vision_jax.ops.matching import match, match_one

CASES = 10_000
# Queries, boxes and how the costs look; padding is drawn for each case.
SHAPES = [
  (12, 5, "uniform"),
  (9, 9, "uniform"),
  (6, 10, "uniform"),
  (12, 7, "ties"),
  (20, 8, "detr"),
]


def random_cases(q, n, kind, count, seed):
  """Costs (count, q, n) and masks (count, n) with padding anywhere."""
  rng = np.random.default_rng(seed)
  mask = (rng.random((count, n)) < rng.random((count, 1))).astype(np.float32)
  if kind == "ties":
    cost = rng.integers(-3, 4, (count, q, n)).astype(np.float32)
  elif kind == "uniform":
    cost = rng.uniform(-5, 5, (count, q, n)).astype(np.float32)
  else:  # queries that are nearly alike, as at the start of training
    cost = (
      rng.normal(size=(count, 1, n)) + rng.normal(size=(count, q, n)) * 1e-3
    )
  return cost.astype(np.float32), mask


@pytest.mark.parametrize("matching", FORMS["matching"])
@pytest.mark.parametrize(("q", "n", "kind"), SHAPES)
def test_equals_scipy(q, n, kind, matching):
  count = CASES // len(SHAPES)
  cost, mask = random_cases(q, n, kind, count, seed=q)
  with use_forms(matching=matching):
    query = np.asarray(jax.jit(match)(cost, mask))
  for i in range(count):
    real = np.flatnonzero(mask[i])
    rows, columns = linear_sum_assignment(cost[i][:, real].astype(np.float64))
    best = cost[i][:, real][rows, columns].astype(np.float64).sum()
    matched = np.flatnonzero(query[i] >= 0)
    assert set(matched) <= set(real) and len(matched) == len(rows)
    assert len(set(query[i][matched])) == len(matched)
    got = cost[i][query[i][matched], matched].astype(np.float64).sum()
    assert abs(got - best) <= 1e-5 * max(1, abs(best)), i
    if kind == "uniform":  # one matching only is the best
      assert dict(zip(real[columns], rows, strict=True)) == dict(
        zip(matched, query[i][matched], strict=True)
      )


def test_costs_that_are_no_numbers_are_avoided():
  cost = jnp.array([[[jnp.nan, 1.0], [5.0, jnp.inf], [7.0, 9.0]]])
  assert match(cost, jnp.ones((1, 2))).tolist() == [[1, 0]]
  nothing = jnp.full((1, 3, 2), jnp.nan)
  assert sorted(match(nothing, jnp.ones((1, 2)))[0].tolist()) == [0, 1]


def test_nothing_to_match():
  assert (
    match(jnp.zeros((2, 3, 4)), jnp.zeros((2, 4))).tolist() == [[-1] * 4] * 2
  )
  assert (
    match(jnp.zeros((2, 0, 3)), jnp.ones((2, 3))).tolist() == [[-1] * 3] * 2
  )
  assert match(jnp.zeros((2, 3, 0)), jnp.ones((2, 0))).shape == (2, 0)


def test_a_mask_of_another_shape_is_an_error():
  with pytest.raises(ValueError, match="box_mask"):
    match(jnp.zeros((2, 3, 4)), jnp.zeros((2, 3)))


def test_one_loop_in_place_of_three():
  cost, mask = random_cases(100, 30, "detr", 4, seed=0)
  loops = {}
  for matching in FORMS["matching"]:
    with use_forms(matching=matching):
      text = jax.jit(lambda c, m: match(c, m)).lower(cost, mask).as_text()
    loops[matching] = len(re.findall(r"stablehlo\.while", text))
  assert loops == {"nested": 3, "turns": 1}


def loops_of(cost, mask, matching):
  """How often a loop's condition is asked, for the slowest of the images."""
  asked = 0

  def while_loop(condition, body, state):
    nonlocal asked
    while condition(state):
      asked += 1
      state = body(state)
    return state

  def fori_loop(low, high, body, state):
    nonlocal asked
    for i in range(low, int(high)):
      asked += 1
      state = body(i, state)
    return state

  most = 0
  with (
    use_forms(matching=matching),
    mock.patch.object(jax.lax, "while_loop", while_loop),
    mock.patch.object(jax.lax, "fori_loop", fori_loop),
  ):
    for one, real in zip(cost, mask, strict=True):
      asked = 0
      match_one(jnp.asarray(one), jnp.asarray(real))
      most = max(most, asked)
  return most


@pytest.mark.slow
def test_few_wide_turns():
  cost, mask = random_cases(30, 20, "uniform", 2, seed=0)
  mask = np.ones_like(mask)
  turns, nested = (loops_of(cost, mask, f) for f in ("turns", "nested"))
  assert turns * 10 < nested, (turns, nested)


def test_each_device_matches_its_own_images():
  cost, mask = random_cases(10, 6, "uniform", 16, seed=0)
  expected = np.asarray(jax.jit(match)(cost, mask))
  execution = Jit({"data": 2, "fsdp": 4})
  step = execution.eval_step(lambda batch: match(batch["cost"], batch["mask"]))
  batch = execution.put({"cost": cost, "mask": mask})
  np.testing.assert_array_equal(step(batch), expected)
  lowered = step.lower(batch)
  found = re.findall(
    r"all-(?:reduce|gather|to-all)(?:-start)?\(.*", lowered.compile().as_text()
  )
  # The result is wanted whole on every device, and nothing else is gathered.
  assert len(found) <= 1, found
  parts = cost.reshape(8, 2, 10, 6), mask.reshape(8, 2, 6)
  mapped = jax.pmap(match, axis_name="i")(*parts)
  np.testing.assert_array_equal(np.reshape(mapped, (16, 6)), expected)


def test_the_program_of_several_devices_is_the_same_each_time():
  # A pointer in it (custom_partitioning's) kept it out of the cache.
  cost, mask = random_cases(10, 6, "uniform", 16, seed=0)
  execution = Jit()
  batch = execution.put({"cost": cost, "mask": mask})
  texts = []
  for _ in range(2):
    step = lambda batch: match(batch["cost"], batch["mask"])
    texts.append(execution.eval_step(step).lower(batch).as_text())
  assert texts[0] == texts[1]
  assert "Partitioning" not in texts[0] and "backend_config" not in texts[0]
