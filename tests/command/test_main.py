"""The command: help, checkpoints and weights, profile, W&B, kept configs."""

import dataclasses
import json
import logging
import os
import re
import subprocess
import sys
import time
import types

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.marks import with_slow
from tests.programs.command import (
  BLOBS,
  ROOT,
  assert_same,
  call,
  metrics,
  seconds_of_children,
  steps,
  stored,
  train,
)
from vision_jax.command.flags import parse
from vision_jax.core.execution import Jit
from vision_jax.main import MODES, main
from vision_jax.train.checkpoint import weights
from vision_jax.train.checkpoint.errors import CheckpointError
from vision_jax.train.checkpoint.reading import first_readable

HELP_SECONDS = 2.0  # of CPU; half of one is usual


EVERY = ("workdir", "mode", "execution", "mesh", "cpu_tuning", "process_id")
OWN = {
  "train": ("config", "init_from", "profile", "wandb", "debug"),
  "eval": ("checkpoint", "weights"),
  "predict": (
    *("checkpoint", "weights", "images", "output", "threshold", "format"),
    "every",
  ),
  "features": ("checkpoint", "weights", "images", "output", "layer"),
  "probe": (
    *("checkpoint", "weights", "output", "layer", "shots", "seed"),
    *("episodes", "neighbours", "dataset", "classes", "layout"),
  ),
  "explain": (
    *("checkpoint", "weights", "images", "output", "method", "layer"),
    "label",
  ),
  "export": (
    *("checkpoint", "weights", "images", "output", "format", "platforms"),
    "license",
  ),
  "filter": (
    *("checkpoint", "weights", "images", "output", "filters", "sigma"),
    *("low", "high"),
  ),
  "sample": ("checkpoint", "weights", "output", "num_samples", "label", "seed"),
  "search": (
    *("checkpoint", "weights", "images", "output", "layer", "query"),
    "neighbours",
  ),
  "stream": (
    *("checkpoint", "weights", "output", "stream", "window", "votes", "every"),
  ),
  "pairs": ("config", "images", "output", "style", "holdout", "size"),
  "stylize": (
    *("config", "content", "style", "output", "weights_file"),
    "random_features",
    *("optimizer", "steps", "every", "size", "content_weight"),
    *("style_weight", "variation_weight", "lr", "start", "seed", "pooling"),
  ),
  "track": (
    *("checkpoint", "weights", "images", "output", "threshold", "format"),
    *("every", "age", "hits", "least_iou"),
  ),
  "import": ("config", "source", "file", "download", "output"),
  "plan": ("config", "devices", "device"),
  "show": ("config",),
  "check": ("config", "output"),
}


@pytest.mark.parametrize("mode", MODES)
def test_help_of_a_mode_lists_just_its_flags(mode, capsys):
  assert main([f"--mode={mode}", "--help"]) == 0
  shown = capsys.readouterr().out
  listed = set(
    re.findall(r"^  (?:-\w,)?--(?:\[no\])?(\w+)", shown, re.MULTILINE)
  )
  assert {*EVERY, *OWN[mode]} <= listed
  others = {flag for flags in OWN.values() for flag in flags}
  assert not listed & (others - {*OWN[mode]} - {"config"})
  assert ("--sample.KEY=VALUE" in shown) is (mode == "sample")


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    ("--hits=5", "--hits is of --mode=track; leave it out of --mode=train"),
    ("--steps=5", "--steps is --sample.steps now, of --mode=sample"),
    ("--sampler=ddim", "--sampler is --sample.sampler now"),
    ("--mode=sample --guidance=2", "--guidance is --sample.guidance now"),
    ("--mode=sample --eta=1", "--eta is --sample.eta now"),
    ("--mode=sample --interpolate=1", "--interpolate is --sample.interpolate"),
    ("--sample.steps=5", "--sample.steps is of --mode=sample; leave it out"),
    ("--mode=eval --config=x", "--mode=eval takes its config from the workdir"),
    ("--mode=train --mode=best", "--mode: got 'best'; expected one of train, "),
  ],
)
def test_a_flag_of_another_mode_is_refused(flags, message, capsys):
  assert main(["--workdir=x", *flags.split()]) == 2
  assert message in capsys.readouterr().err


def test_flags_are_read_once_into_a_frozen_mode():
  flags = "--mode=sample --workdir=x --output=y --sample.steps=5 --sample.eta 1"
  mode = parse([*flags.split(), "--config.on_bad_image=skip"])
  assert mode.sample == {"steps": "5", "eta": "1"}
  assert mode.overrides == {"on_bad_image": "skip"}
  assert mode.num_samples == 64 and mode.label is None
  assert mode.output.endswith("/y") and mode.output.startswith("/")
  with pytest.raises(dataclasses.FrozenInstanceError):
    mode.label = 3


def test_help_is_quick_and_lists_the_flags():
  before = seconds_of_children()
  done = subprocess.run(
    [sys.executable, "-m", "vision_jax.main", "--help"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert seconds_of_children() - before < HELP_SECONDS
  for flag in (
    *("config", "workdir", "mode", "execution", "mesh", "init_from", "profile"),
    *("wandb", "coordinator", "num_processes", "process_id", "cpu_tuning"),
    *("preempted_exit_code", "connect_timeout", "debug", "trust_workdir"),
    *("gpu_tuning", "deterministic", "compilation_cache"),
  ):
    assert f"--{flag}" in done.stdout or f"--[no]{flag}" in done.stdout, flag
  lines = "".join(done.stdout.split())  # absl breaks a long list of choices
  assert f"<{'|'.join(MODES)}>" in lines
  assert "--config=PATH[:VARIANT] --workdir=DIR" in done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """The workdir of a run that was evaluated and saved every 4 steps."""
  workdir = tmp_path_factory.mktemp("trained")
  train(workdir, "--config.eval_every=4", "--config.keep_every=4")
  assert steps(workdir) == [4, 8, 12, 13]
  return workdir


def metrics_at(workdir, step):
  """Returns what training has logged of the evaluation at a step."""
  lines = [line for line in metrics(workdir) if line["step"] == step]
  return {k: x for line in lines for k, x in line.items() if k[:4] == "val/"}


def best_step(workdir):
  """Returns the step of the highest accuracy, the later one of equals."""
  measured = [x for x in metrics(workdir) if "val/accuracy" in x]
  return max((x["val/accuracy"], x["step"]) for x in measured)[1]


@pytest.mark.parametrize("checkpoint", [None, "latest", "best", "4", "8"])
def test_evaluation_of_a_checkpoint(trained, checkpoint):
  flags = () if checkpoint is None else (f"--checkpoint={checkpoint}",)
  result = call("--mode=eval", f"--workdir={trained}", *flags)
  assert result.code == 0, result.err
  got = json.loads(result.out)
  step = {"best": best_step(trained), "4": 4, "8": 8}.get(checkpoint, 13)
  assert got.pop("checkpoint") == step
  expected = metrics_at(trained, step)
  assert got.keys() == expected.keys()
  for name, x in expected.items():
    np.testing.assert_allclose(got[name], x, rtol=1e-6, err_msg=name)
  kept = (trained / "evaluations.jsonl").read_text().splitlines()
  assert kept[-1] == result.out.strip()


def test_evaluation_while_a_run_replaces_its_checkpoint(trained, monkeypatch):
  calls = []

  def read(*args, **options):
    calls.append(args)
    if len(calls) == 1:
      raise CheckpointError("no readable checkpoint")
    return first_readable(*args, **options)

  monkeypatch.setattr(weights, "first_readable", read)
  result = call("--mode=eval", f"--workdir={trained}", "--weights=raw")
  assert result.code == 0, result.err
  assert len(calls) == 2


def test_an_evaluation_reads_one_step_once(trained, monkeypatch):
  """Beside a run that goes on, a line is of one step."""
  opened = []

  class Spy(weights.StoredState):
    def __init__(self, folder):
      opened.append(folder.name)
      super().__init__(folder)

  monkeypatch.setattr(weights, "StoredState", Spy)
  got = json.loads(call("--mode=eval", f"--workdir={trained}").out)
  assert opened == ["13"]
  assert {"val/accuracy", "val/ema/accuracy"} <= got.keys()


@pytest.mark.parametrize("which", ["raw", "ema"])
def test_evaluation_of_some_weights(trained, which):
  result = call("--mode=eval", f"--workdir={trained}", f"--weights={which}")
  got = json.loads(result.out)
  got.pop("checkpoint")
  averaged = lambda name: name.startswith("val/ema/")
  expected = {
    name: x
    for name, x in metrics_at(trained, 13).items()
    if averaged(name) is (which == "ema")
  }
  assert got == pytest.approx(expected)


@pytest.mark.parametrize("execution", ["fsdp", "pmap"])
def test_evaluation_on_another_execution(trained, execution):
  flags = ("--mode=eval", f"--workdir={trained}", f"--execution={execution}")
  got = json.loads(call(*flags).out)
  got.pop("checkpoint")
  assert got == pytest.approx(metrics_at(trained, 13), rel=1e-5)


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--checkpoint=5"], "no checkpoint 5 in .*; it has steps [4, 8, 12, 13]"),
    (["--checkpoint=newest"], "expected latest, best or a step"),
    (["--weights=mean"], "weights"),
    (["--config.lr=3"], "lr: 0.1 in the workdir, 3.0 now"),
    ([f"--config={BLOBS}"], "takes its config from the workdir"),
  ],
)
def test_evaluation_of_what_is_not_there(trained, flags, message):
  result = call("--mode=eval", f"--workdir={trained}", *flags)
  assert result.code == 2
  assert all(part in result.err for part in message.split(".*")), result.err


def test_a_run_without_averages_has_no_averaged_weights(tmp_path):
  train(tmp_path, "--config.steps=1", config=f"{BLOBS}:tiny")
  result = call("--mode=eval", f"--workdir={tmp_path}", "--weights=ema")
  assert result.code == 2
  assert "has no averaged weights" in result.err


@pytest.mark.parametrize("kind", ["workdir", "checkpoint", "safetensors"])
def test_beginning_with_other_weights(tmp_path, trained, kind):
  step = 8 if kind == "checkpoint" else 13
  weights = stored(trained, step)
  path = {
    "workdir": trained,
    "checkpoint": trained / "checkpoints" / "8",
    "safetensors": tmp_path / "x.safetensors",
  }[kind]
  if kind == "safetensors":
    names = [n for n in weights if n.startswith(("params/", "stats/"))]
    save_file({name: weights[name] for name in names}, path)
  run = tmp_path / "run"
  train(run, f"--init_from={path}", "--config.steps=1")
  got = stored(run)  # the rate of the first step is 0, as the warm-up begins
  params = [name for name in weights if name.startswith("params/")]
  assert len(params) == 9
  assert_same(
    {name: got[name] for name in params},
    {name: weights[name] for name in params},
  )
  assert got["step"] == 1
  assert not np.array_equal(
    got["stats/model/batch_stats/norm/mean"],
    weights["stats/model/batch_stats/norm/mean"],
  )


@pytest.mark.parametrize(
  ("steps_", "stop"),
  with_slow([("3:4", None), ("2:9", 5), ("4:9", 6)], ("2:9", 5), ("4:9", 6)),
)
def test_a_profile(tmp_path, steps_, stop):
  """A trace is written even if the run ends before it, or resumes in it."""
  flags = (f"--profile={steps_}", "--config.steps=9")
  train(tmp_path, *flags, stop_at=stop)
  traces = lambda: sorted((tmp_path / "profile").rglob("*.xplane.pb"))
  assert len(traces()) == 1
  if stop:
    time.sleep(1)  # the folder of a trace is named by the second
    train(tmp_path, *flags)
    assert len(traces()) == 2


def wandb_stub(monkeypatch):
  """Installs a package `wandb` that keeps what it gets; returns that."""
  kept = {"log": []}

  class Run:
    id = "an-id"
    define_metric = staticmethod(lambda *_, **__: None)
    log = staticmethod(kept["log"].append)
    finish = staticmethod(lambda: kept.update(finished=True))

  def init(**options):
    kept["options"] = options
    return Run()

  stub = types.ModuleType("wandb")
  stub.init = init
  monkeypatch.setitem(sys.modules, "wandb", stub)
  return kept


def test_wandb_gets_the_metrics(tmp_path, monkeypatch):
  kept = wandb_stub(monkeypatch)
  train(tmp_path, "--wandb=digits", "--config.steps=3")
  assert kept["options"]["project"] == "digits"
  assert kept["options"]["config"]["batch_size"] == 16
  assert kept["finished"]
  lines = metrics(tmp_path, without=())
  assert [line["step"] for line in kept["log"]] == [1, 3, 3]
  for line, logged in zip(lines, kept["log"], strict=True):
    del line["time"]
    assert logged == pytest.approx(line)


def test_wandb_has_to_be_installed(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "wandb", None)
  result = train(tmp_path, "--wandb=digits", code=2)
  assert "pip install wandb" in result.err


@pytest.fixture
def own_config(tmp_path):
  """A copy of the small config that a test may change."""
  path = tmp_path / "own.py"
  path.write_text((ROOT / BLOBS).read_text())
  return path


@pytest.mark.parametrize("change", ["missing", "changed"])
@pytest.mark.parametrize("named", [True, False])
def test_a_config_that_is_gone_is_kept(
  tmp_path, own_config, trained, change, named
):
  run = tmp_path / "run"
  train(run, config=own_config, stop_at=7)
  if change == "missing":
    own_config.unlink()
  else:
    text = own_config.read_text()
    own_config.write_text(text.replace("momentum", "m") + "\nMORE = ()\n")
  why = "is missing" if change == "missing" else "has changed since"
  message = f"{own_config} {why}: using the copy in {run}."
  flags = (f"--config={own_config}",) if named else ()
  result = call(f"--workdir={run}", *flags)
  assert result.code == 0, result.err
  assert message in result.err
  assert result.out == ""
  assert_same(stored(run), stored(trained))
  result = call("--mode=eval", f"--workdir={run}")
  assert message in result.err
  assert result.out.startswith('{"checkpoint": 13, "val/')


def test_a_resumed_command_has_to_repeat_its_values(tmp_path):
  train(tmp_path, "--config.lr=0.05", stop_at=2)
  result = train(tmp_path, code=2)
  assert "lr: 0.05 in the workdir, 0.1 now" in result.err
  result = train(tmp_path, "--config.lr=0.05", "--config.steps=3")
  assert "steps: 13 in the workdir, 3 now" in result.err
  assert "learning rate jumps" in result.err
  config = json.loads((tmp_path / "config.json").read_text())
  assert config["values"]["steps"] == 3
  train(tmp_path, "--config.lr=0.05", "--config.steps=4")
  config = json.loads((tmp_path / "config.json").read_text())
  assert config["changes"] == [
    {"step": 2, "steps": [13, 3]},
    {"step": 3, "steps": [3, 4]},
  ]


def test_a_batch_that_is_not_on_the_devices_raises(tmp_path, monkeypatch):
  monkeypatch.setattr(Jit, "put", lambda self, batch: batch)
  with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
    call(f"--config={BLOBS}", f"--workdir={tmp_path}")


def test_a_traceback_is_shown_when_asked_for(tmp_path):
  flags = ("--config.batch_size=0", "--traceback")
  result = train(tmp_path, *flags, code=2)
  assert "Traceback" in result.err


def test_the_workdir_tells_what_was_run(trained):
  config = json.loads((trained / "config.json").read_text())
  assert config["path"] == str(ROOT / BLOBS) and config["variant"] == "full"
  assert config["values"]["eval_every"] == 4
  assert config["batch"]["image"] == [[16, 8, 8, 3], "uint8"]
  assert (trained / "config.py").read_text() == (ROOT / BLOBS).read_text()
  run = json.loads((trained / "manifest.json").read_text())["runs"][0]
  assert run["step"] == 0
  assert run["devices"]["count"] == jax.device_count()
  assert run["data"].keys() == {"train", "val"}
  assert any(name.startswith("events.") for name in os.listdir(trained))


def test_warnings_are_plain_lines_whatever_libraries_set_up(monkeypatch):
  monkeypatch.setattr(logging.root, "handlers", [])
  call("--mode=show", "--config=configs/classification/digits_cnn.py:tiny")
  logging.basicConfig()  # as a library's logging.warning does
  record = {"msg": "left out 3 .xml", "levelname": "WARNING", "name": "a"}
  (handler,) = logging.root.handlers
  assert handler.format(logging.makeLogRecord(record)) == "left out 3 .xml"
