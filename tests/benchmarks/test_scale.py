"""The same step on more devices and processes."""

import json

import pytest

from benchmarks.scale import command

VIT = "--config=configs/classification/mnist_vit.py:tiny"


@pytest.mark.slow
def test_every_case_is_the_same_step(tmp_path):
  flags = ["--executions=pmap", "--devices=1,2", "--processes=1,2"]
  small = ["--config.depth=1", "--steps=1", f"--output={tmp_path}"]
  # A net that is large beside what it computes: the batch is not split.
  small += ["--config.features=64", "--config.batch_size=2"]
  assert command.main([VIT, *flags, *small]) == 0
  found = json.loads((tmp_path / "scale.json").read_text())
  places = [(row["processes"], row["devices"]) for row in found["rows"]]
  assert places == [(1, 1), (1, 2), (2, 2)]  # two processes need two devices
  losses = [row["loss"] for row in found["rows"]]
  assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)
  for row in found["rows"]:
    assert row["step_ms"] > 0 and len(row["blocks_ms"]) == 5
    assert bool(row["sent_bytes"]) is (row["devices"] > 1)
  assert (tmp_path / "scale.md").read_text() == command.page(found)


def test_a_number_is_how_many_devices_share_what_is_split():
  assert command.mesh_of("tensor:2", 8) == ("tensor", "data:4,model:2")
  assert command.mesh_of("fsdp:8", 8) == ("fsdp", "data:1,fsdp:8")
  assert command.mesh_of("jit", 8) == ("jit", "")


@pytest.mark.slow
def test_a_vit_over_two_devices(tmp_path):
  flags = ["--executions=jit,tensor:2", "--devices=2", "--processes=1"]
  small = ["--config.depth=1", "--steps=1", f"--output={tmp_path}"]
  # A net that is large beside what it computes: the batch is not split.
  small += ["--config.features=64", "--config.batch_size=2"]
  assert command.main([VIT, *flags, *small]) == 0
  jit, tensor = json.loads((tmp_path / "scale.json").read_text())["rows"]
  assert tensor["loss"] == pytest.approx(jit["loss"], rel=1e-4)
  assert tensor["device_bytes"] < jit["device_bytes"]


def test_a_case_that_fails_is_in_the_table():
  row = {"execution": "jit", "processes": 1, "devices": 3, "failed": "why | so"}
  whole = {"versions": {"jax": "1", "flax": "2"}, "config": "c", "date": "d"}
  whole |= {"command": "x", "git_commit": "", "rows": [row]}
  hardware = {"platform": "cpu", "device_kind": "cpu", "device_count": 1}
  whole["hardware"] = hardware | {"cpu": "Some CPU", "cpu_cores": 2}
  assert "| jit | 1 | 3 | failed: why \\| so |" in command.page(whole)


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--executions=xla"], "--executions: got 'xla'; expected some of jit"),
    (["--executions=jit:2"], "--executions: got 'jit:2'; expected some of"),
    (["--executions=tensor:0"], "--executions: got 'tensor:0'"),
    (["--devices=0"], "--devices: got [0]; expected >= 1"),
    (["--devices=3"], "3 do not divide the batch of 16"),
    (["--config.dept=3"], "depth"),
    (["--devices=two"], "--devices"),
  ],
)
def test_bad_input(flags, message, capsys):
  with pytest.raises(SystemExit) as stopped:
    command.main([VIT, *flags])
  assert stopped.value.code == 2
  assert message in " ".join(capsys.readouterr().err.split())
