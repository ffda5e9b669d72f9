"""Schedules against torch's, optax's and closed forms."""

import jax
import numpy as np
import optax
import pytest

from tests.oracles import library
from vision_jax.optim import schedules

STEPS = 100


def sample(schedule, steps=STEPS):
  return np.asarray(jax.jit(jax.vmap(schedule))(np.arange(steps)))


def torch_rates(make, steps=STEPS, rate=0.4):
  torch = library("torch")
  weight = torch.nn.Parameter(torch.zeros(1))
  optimizer = torch.optim.SGD([weight], rate)
  scheduler = make(torch.optim.lr_scheduler, optimizer)
  rates = []
  for _ in range(steps):
    rates.append(optimizer.param_groups[0]["lr"])
    optimizer.step()
    scheduler.step()
  return np.asarray(rates)


TORCH = {
  "cosine": (
    schedules.warmup_cosine(0.4, STEPS, end=0.01),
    lambda s, o: s.CosineAnnealingLR(o, STEPS, eta_min=0.01),
  ),
  "step": (
    schedules.step_decay(0.4, [32, 48], factor=0.1),
    lambda s, o: s.MultiStepLR(o, [32, 48], 0.1),
  ),
  "linear": (
    schedules.linear(0.4, STEPS, end=0.1),
    lambda s, o: s.LinearLR(o, 1.0, 0.25, STEPS),
  ),
  "held": (  # as CycleGAN's authors have it
    schedules.linear(0.4, STEPS, hold=20),
    lambda s, o: s.LambdaLR(o, lambda e: 1 - max(0, e - 20) / (STEPS - 20)),
  ),
  "one_cycle": (
    schedules.one_cycle(0.4, STEPS),
    lambda s, o: s.OneCycleLR(o, 0.4, STEPS),
  ),
  "one_cycle_linear": (
    schedules.one_cycle(
      0.4, STEPS, rise=0.2, start_divisor=5, end_divisor=10, anneal="linear"
    ),
    lambda s, o: s.OneCycleLR(
      o,
      0.4,
      STEPS,
      pct_start=0.2,
      div_factor=5,
      final_div_factor=10,
      anneal_strategy="linear",
    ),
  ),
  "constant": (schedules.constant(0.4), lambda s, o: s.ConstantLR(o, 1.0)),
}


@pytest.mark.parametrize("name", TORCH)
def test_rates_are_torchs(name):
  ours, theirs = TORCH[name]
  np.testing.assert_allclose(sample(ours), torch_rates(theirs), rtol=2e-5)


def test_warmup_cosine_is_optaxs():
  theirs = optax.warmup_cosine_decay_schedule(0.0, 0.3, 10, STEPS, 0.02)
  ours = schedules.warmup_cosine(0.3, STEPS, warmup=10, end=0.02)
  steps = np.arange(STEPS + 20)
  want = [float(theirs(step)) for step in steps]
  np.testing.assert_allclose(sample(ours, STEPS + 20), want, rtol=1e-5)


WARMED = {
  "constant": schedules.constant(0.2, warmup=10),
  "warmup_cosine": schedules.warmup_cosine(0.2, STEPS, warmup=10),
  "linear": schedules.linear(0.2, STEPS, warmup=10),
  "piecewise": schedules.piecewise([0.2, 0.1], [50], warmup=10),
  "step_decay": schedules.step_decay(0.2, [50], warmup=10),
}


@pytest.mark.parametrize("name", WARMED)
def test_warmup_rises_in_a_line_to_the_peak(name):
  rates = sample(WARMED[name])
  np.testing.assert_allclose(rates[:11], 0.02 * np.arange(11), rtol=1e-5)
  assert rates.max() == rates[10]
  assert rates.dtype == np.float32


SHORT = {
  "one_cycle": lambda steps: schedules.one_cycle(0.4, steps),
  "cosine": lambda steps: schedules.warmup_cosine(0.4, steps),
  "linear": lambda steps: schedules.linear(0.4, steps),
  "halves": lambda steps: schedules.step_decay(
    0.4, [steps // 2, steps * 3 // 4]
  ),
}


@pytest.mark.parametrize("name", SHORT)
def test_the_shortest_runs_have_rates(name):
  for steps in (1, 2, 3, 4):
    rates = sample(SHORT[name](steps), steps)
    assert np.isfinite(rates).all() and (rates <= 0.4 + 1e-6).all()
    assert rates[0] > 0


def test_a_cycle_too_short_to_rise_begins_at_its_peak():
  rates = sample(schedules.one_cycle(0.4, 2), 2)
  np.testing.assert_allclose(rates, [0.4, 0.4 / 25 / 1e4], rtol=1e-5)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: schedules.warmup_cosine(0.1, 0), "steps: got 0"),
    (lambda: schedules.warmup_cosine(0.1, 5, warmup=5), "warmup: got 5 of 5"),
    (lambda: schedules.linear(-0.1, 5), "peak: got -0.1"),
    (lambda: schedules.linear(float("nan"), 5), "peak: got nan"),
    (lambda: schedules.constant(0.1, warmup=-1), "warmup: got -1"),
    (lambda: schedules.piecewise([1, 2], [3, 4]), "2 rates for 2 boundaries"),
    (lambda: schedules.step_decay(0.1, [20, 10]), "increasing"),
    (lambda: schedules.step_decay(0.1, [4], warmup=5), "after the warm-up"),
    (lambda: schedules.one_cycle(0.1, 100, rise=0.0), "rise: got 0.0"),
    (lambda: schedules.one_cycle(0.1, 100, anneal="cos"), "anneal: got 'cos'"),
  ],
)
def test_bad_lengths_are_named(make, message):
  with pytest.raises(ValueError, match=message):
    make()
