"""Whole runs over several slices, and with statistics of groups of examples."""

import pytest

from tests.programs.command import by_step, steps, train
from vision_jax.core import mesh

STEPS = ("--config.steps=4", "--config.eval_every=2", "--config.save_every=2")


def assert_close(got, expected):
  """Asserts that two runs logged the same, up to the order of additions."""
  assert got.keys() == expected.keys()
  for step, line in expected.items():
    assert got[step] == pytest.approx(line, rel=1e-4, abs=1e-5), step


@pytest.fixture
def slices(monkeypatch):
  """Makes two slices of the devices, in an order that mixes them."""
  slice_of = lambda device: (device.id + 1) // 4 % 2
  monkeypatch.setattr(mesh, "slice_of", slice_of)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
  """The metrics of a run over the devices of one slice."""
  workdir = tmp_path_factory.mktemp("plain")
  train(workdir, *STEPS)
  return by_step(workdir)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("jit", "pmap")]


@pytest.mark.parametrize("name", ["fsdp", *SLOW])
def test_a_run_over_two_slices(slices, plain, tmp_path, name):
  flags = (*STEPS, f"--execution={name}")
  train(tmp_path, *flags, stop_at=3)
  assert steps(tmp_path)[-1] == 3
  train(tmp_path, *flags)
  got = by_step(tmp_path)
  assert_close({step: got[step] for step in (2, 4)}, {2: plain[2], 4: plain[4]})


def test_a_mesh_across_slices_is_refused(slices, tmp_path):
  flags = ("--execution=fsdp", "--mesh=data:1,fsdp:8")
  result = train(tmp_path / "run", *flags, code=2)
  assert "for 2 slices of [4] devices" in result.err
  assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_groups_are_the_same_on_any_devices(plain, tmp_path):
  group = (*STEPS, "--config.norm_group=2")
  found = []
  for flags, devices in (
    ((), 1),
    (("--execution=jit",), 8),
    (("--execution=pmap",), 8),
  ):
    workdir = tmp_path / f"{devices}{flags}"
    train(workdir, *group, *flags, devices=devices)
    found.append(by_step(workdir))
  assert_close(found[1], found[0])
  assert_close(found[2], found[0])
  assert found[0][4]["train/cross_entropy"] != pytest.approx(
    plain[4]["train/cross_entropy"], 1e-3
  )


def test_a_group_larger_than_a_devices_part_is_refused(tmp_path):
  result = train(tmp_path / "run", "--config.norm_group=4", code=2)
  assert "--config.norm_group: got 4 with 2 examples on each of 8" in result.err
  assert not (tmp_path / "run").exists()
