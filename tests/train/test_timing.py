"""The reported rate, against a device whose steps take a known time.

Nothing runs here and nothing sleeps: the clocks read a number that the device
moves, so the load of the machine decides nothing.
"""

import functools
import io
import types

import numpy as np
import pytest

from vision_jax.report import clock as reported
from vision_jax.report import progress
from vision_jax.train import loop, prefetch
from vision_jax.train.plan import Plan
from vision_jax.train.stop import Stop

STEPS, BATCH_SIZE = 20, 32
# In seconds: a step on the device, to dispatch it, to write a log line, an
# evaluation.
STEP, DISPATCH, WRITE, EVALUATION = 0.4, 0.001, 0.01, 70.0


class Device:
  """Runs the steps in order; time passes only where somebody waits or works."""

  def __init__(self, inline):
    self.now, self.free, self.off = 0.0, 0.0, 0.0
    self.inline = inline  # whether a step is done once it is dispatched

  def step(self, state, batch, fixed):
    del batch, fixed
    self.now += DISPATCH
    self.free = max(self.free, self.now) + STEP
    if self.inline:
      self.now = self.free
    return state, {"loss": Value(self, self.free)}

  def evaluate(self, weights, costly=False):
    del weights, costly
    assert self.now >= self.free, "a step runs while the clock stands"
    self.now += EVALUATION
    self.off += EVALUATION
    return {}


class Value:
  """An array that is there once the device's clock has reached `ready`."""

  def __init__(self, device, ready):
    self.device, self.ready = device, ready

  def is_ready(self):
    return self.device.now >= self.ready

  def block_until_ready(self):
    self.device.now = max(self.device.now, self.ready)
    return self

  def __array__(self, dtype=None, copy=None):
    self.block_until_ready()
    return np.zeros((), dtype)


class Batches:
  """A `Prefetch` whose every batch takes `seconds` to come."""

  def __init__(self, device, seconds):
    self.device, self.seconds, self.waited = device, seconds, 0.0

  def __next__(self):
    self.device.now += self.seconds
    self.waited += self.seconds
    return {}

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass


@pytest.fixture
def train(monkeypatch):
  """Returns a function that trains; it gives the lines, rate and device."""

  def run(wait=0.0, inline=False, new=(1,), **cadences):
    device, lines = Device(inline), []
    clock = types.SimpleNamespace(perf_counter=lambda: device.now)
    for module in (reported, prefetch):
      monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(loop, "Prefetch", lambda *_: Batches(device, wait))
    programs = functools.partial(FakePrograms, device, new)
    monkeypatch.setattr(loop, "Programs", programs)
    monkeypatch.setattr(loop, "count_skipped", lambda _: {})

    def write(step, metrics):
      device.now += WRITE
      lines.append({"step": step, **metrics})

    shown = progress.Progress(
      STEPS, BATCH_SIZE, stream=io.StringIO(), clock=lambda: device.now
    )
    training = loop.Training(
      experiment=FakeExperiment(),
      config=Plan(STEPS, BATCH_SIZE, **cadences),
      execution=types.SimpleNamespace(
        devices=1,
        share=(0, 1),
        train_step=lambda *_: None,
        check_stats=lambda _: None,
      ),
      checkpoints=types.SimpleNamespace(
        save=lambda *_: device.evaluate(None),
        measure=lambda *_: None,
        wait=lambda: None,
        latest=0,
      ),
      write=write,
      progress=shown,
      stop=Stop(),
      evaluator=Evaluator(device),
    )
    state = types.SimpleNamespace(bad_step=np.array(-1), weights=None, stats={})
    training.run(state, 0)
    return lines, shown.rate, device

  return run


class FakePrograms:
  """Steps whose batches have another shape at some, numbered from 1."""

  metrics = {}

  def __init__(self, device, new, step, devices, pause):
    del step, devices
    self.device, self.new, self.pause, self.asked = device, new, pause, 0

  def __call__(self, state, batch, fixed):
    return self.device.step(state, batch, fixed)

  def compile(self, state, batch, fixed):
    self.asked += 1
    if self.asked in self.new:
      with self.pause("compiling"):
        self.device.evaluate(None)  # it takes as long


class FakeExperiment:
  task = best = None
  train_step = staticmethod(lambda **_: None)
  train_data = types.SimpleNamespace(shard=lambda *_: None)


class Evaluator:
  def __init__(self, device):
    self.device = device

  def __call__(self, weights, costly=False, stop=None):
    return self.device.evaluate(weights)

  def images(self, weights):
    self.device.evaluate(weights)
    return {}


@pytest.mark.parametrize("log_every", [1, 2, 5, 10])
@pytest.mark.parametrize("eval_every", [0, 3])
@pytest.mark.parametrize("inline", [False, True])
def test_the_reported_rate_is_the_wall_clocks(
  train, log_every, eval_every, inline
):
  lines, shown, device = train(
    inline=inline, log_every=log_every, eval_every=eval_every
  )
  # The last line's write and the last evaluation come after its metrics.
  seconds = device.now - device.off - WRITE
  expected = BATCH_SIZE * STEPS / seconds
  last = lines[-1]
  assert last["step"] == STEPS
  assert last["time/images_per_s"] == pytest.approx(expected, rel=0.05)
  assert last["time/step_p50_ms"] == pytest.approx(1e3 * STEP, rel=0.05)
  assert last["time/step_p95_ms"] == pytest.approx(1e3 * STEP, rel=0.05)
  assert shown == pytest.approx(expected, rel=0.05)
  for line in lines:  # also every window between
    assert line["time/images_per_s"] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("inline", [False, True])
def test_compiling_for_another_shape_is_no_training(train, inline):
  lines, shown, device = train(inline=inline, new=(1, 4, 11), log_every=5)
  assert device.off > 3 * EVALUATION
  for line in lines[1:]:
    assert line["time/images_per_s"] == pytest.approx(
      BATCH_SIZE / (STEP + WRITE / 5), rel=0.05
    )
    assert line["time/step_p95_ms"] == pytest.approx(1e3 * STEP, rel=0.05)
  assert shown == pytest.approx(BATCH_SIZE / STEP, rel=0.05)


@pytest.mark.parametrize("log_every", [1, 2, 5])
def test_the_share_of_waiting_for_data(train, log_every):
  lines, _, device = train(wait=3 * STEP, log_every=log_every)
  seconds = device.now - device.off - WRITE
  waited = 3 * STEP * (STEPS - 1)  # the first batch comes before the clock
  share = lines[-1]["time/data_wait_share"]
  assert share == pytest.approx(waited / seconds, rel=0.05)


def test_a_mean_of_rates_is_not_the_rate():
  """Steps of 0.1 and 1.9 seconds: one image a second, not 5.3."""
  now = [0.0]
  shown = progress.Progress(400, 1, stream=io.StringIO(), clock=lambda: now[0])
  for step in range(1, 401):
    now[0] += 0.1 if step % 2 else 1.9
    shown(step)
  assert shown.rate == pytest.approx(1.0, rel=0.1)
