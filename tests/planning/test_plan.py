"""Plans: what a step needs, without running it."""

import dataclasses
import json
import subprocess
import sys

import jax
import pytest

from tests.programs.command import ROOT
from vision_jax.errors import UserError
from vision_jax.main import main
from vision_jax.parallel.named import make_execution
from vision_jax.planning.devices import DEVICES, device_named, peak_flops
from vision_jax.planning.lines import lines
from vision_jax.planning.plan import Plan, largest_batch, plan

VIT = "configs/classification/mnist_vit.py:tiny"
CNN = "configs/classification/mnist_cnn.py"
SMALL = {"depth": "1", "batch_size": "32", "features": "64"}


@pytest.fixture(scope="module")
def plans():
  """The same step by each execution, over eight devices."""
  ways = {"jit": "", "fsdp": "data:2,fsdp:4", "pmap": ""}
  ways["tensor"] = "data:2,model:4"
  return {
    name: plan(VIT, SMALL, make_execution(name, mesh))
    for name, mesh in ways.items()
  }


@pytest.mark.slow
def test_all_executions_do_the_same_work(plans):
  jit, *others = plans.values()
  assert jit.devices == 8 and jit.batch_size == 32
  for other in others:
    for name in ("parameters", "flops", "state_bytes", "batch_size"):
      assert getattr(other, name) == getattr(jit, name)


@pytest.mark.slow
def test_a_sharded_state_is_a_part_of_it(plans):
  assert plans["jit"].own_bytes == plans["jit"].state_bytes
  fsdp = plans["fsdp"]
  assert fsdp.state_bytes / 4 <= fsdp.own_bytes < fsdp.state_bytes
  saved = fsdp.state_bytes - fsdp.own_bytes
  tensor = plans["tensor"]
  assert tensor.state_bytes / 4 < tensor.own_bytes < tensor.state_bytes
  assert (tensor.devices, tensor.parts, fsdp.parts) == (8, 2, 8)
  for mode, peak in plans["jit"].peaks.items():
    assert fsdp.peaks[mode] == peak - saved


@pytest.mark.slow
def test_gradients_are_what_data_parallel_training_sends(plans):
  for name in ("jit", "pmap"):
    sums = {c.kind: c for c in plans[name].collectives}
    gradients = 4 * plans[name].parameters
    assert gradients <= sums["all-reduce"].bytes < 1.05 * gradients + 4096
    assert sums["all-reduce"].sent == pytest.approx(
      1.75 * sums["all-reduce"].bytes, rel=0.01
    )
  assert "all-gather" in {c.kind for c in plans["fsdp"].collectives}
  assert {c.kind for c in plans["tensor"].collectives} == {"all-reduce"}


@pytest.mark.slow
def test_the_first_mode_is_the_configs_own(plans):
  assert list(plans["jit"].peaks) == ["none", "blocks", "dots"]
  assert plans["jit"].peaks["blocks"] <= plans["jit"].peaks["none"]


def test_a_batch_that_does_not_divide():
  with pytest.raises(UserError, match=r"batch of 12; .*batch_size=16"):
    plan(VIT, {**SMALL, "batch_size": "12"}, make_execution("jit"))


FOUND = Plan(
  batch_size=256,
  devices=4,
  parts=4,
  parameters=10**6,
  state_bytes=12 * 10**6,
  own_bytes=12 * 10**6,
  flops=10**12,
  peaks={},
  compiled_bytes=None,
  collectives=[],
)


def made(peaks, **others):
  return dataclasses.replace(FOUND, peaks=peaks, **others)


def test_what_fits_and_what_would():
  v100 = device_named("v100")
  fits = "\n".join(lines(made({"none": 10**9}), v100))
  assert "fits             7% of the 14.4 GB" in fits
  assert "at least 2 ms" in fits  # 10^12 / 4 / 125e12
  large = made({"none": 30 * 10**9, "blocks": 10**10, "dots": 2 * 10**10})
  text = "\n".join(lines(large, v100))
  assert "does not fit     30 GB of the 14.4 GB" in text
  assert "try --config.remat=blocks or --config.accumulate=4" in text
  none = made({"": 30 * 10**9}, batch_size=4)
  assert "take more devices" in "\n".join(lines(none, v100))


def test_the_largest_batch_grows_with_the_room():
  found = made({"": 1_016_000_000})  # 16 MB stay, 10^9 are of 64 examples
  assert largest_batch(found, 1_016_000_000, 1_016_000_000) == 64
  assert largest_batch(found, 1_016_000_000, 2_016_000_000) == 128
  assert largest_batch(found, 1_016_000_000, 10**6) == 0


def test_an_unknown_device_names_the_nearest():
  with pytest.raises(UserError, match=r"got 'h10'; .* such as 'h100'"):
    device_named("h10")
  assert len({d.name for d in DEVICES}) == len(DEVICES)
  for device in DEVICES:  # no kind hides another's rate
    assert peak_flops(device.kind) == device.flops


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    ([], "--config is missing"),
    ([f"--config={VIT}", "--device=gtx"], "--device: got 'gtx'"),
    ([f"--config={VIT}", "--devices=3"], "unset XLA_FLAGS"),
    ([f"--config={VIT}", "--devices=0"], "--devices"),
  ],
)
def test_bad_input(flags, message, capsys):
  jax.devices()  # eight of them, which cannot be others
  assert main(["--mode=plan", *flags]) == 2
  assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
  ("config", "batch"), [(VIT.removesuffix(":tiny"), 512), (CNN, 2048)]
)
def test_it_is_within_15_percent_of_what_is_measured(config, batch):
  """Of nets without convolutions and with them, where a step takes much."""
  program = ("-m", "tests.programs.measured_step")
  done = subprocess.run(
    [sys.executable, *program, config, str(batch)],
    capture_output=True,
    text=True,
    cwd=ROOT,
    check=True,
  )
  found = json.loads(done.stdout.splitlines()[-1])
  assert found["planned"] == pytest.approx(found["measured"], rel=0.15), found
