"""A run that is stopped and started again ends as one never stopped."""

import signal
import time

import pytest

from tests.programs.command import (
  BLOBS,
  assert_continues,
  assert_same,
  call,
  finish,
  metrics,
  spawn,
  steps,
  stored,
  train,
  wait_for,
)
from tests.programs.files import write_folder
from vision_jax.data.transforms import image
from vision_jax.recipe import sources

# 13 steps of the small config; it logs every 3, evaluates every 5 and saves
# every 4, and an epoch is 5.6 steps.
STEPS = 13
STOPS = {
  1: "the first",
  3: "logs",
  4: "saves",
  5: "evaluates",
  6: "first of the second epoch",
  7: "none of these",
  12: "logs and saves",
  13: "the last",
}
WHERE = {
  "one": {"devices": 1},
  "jit8": {},
  "fsdp8": {"flags": ["--execution=fsdp", "--mesh=data:2,fsdp:4"]},
  "pmap8": {"flags": ["--execution=pmap"]},
}
CASES = [("jit8", stop) for stop in STOPS]
CASES += [(w, stop) for w in ("one", "fsdp8", "pmap8") for stop in (3, 7)]
SLOW = {
  ("jit8", 7),
  ("pmap8", 7),
  ("jit8", 1),
  ("jit8", 3),
  ("jit8", 6),
  ("jit8", 12),
}
SLOW |= {("jit8", 4), ("one", 3), ("fsdp8", 3), ("fsdp8", 7), ("pmap8", 3)}


def run(workdir, where, *flags, **options):
  """Trains where a name says."""
  place = WHERE[where]
  return train(
    workdir,
    *place.get("flags", ()),
    *flags,
    devices=place.get("devices"),
    **options,
  )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """(where, flags) -> the workdir of a run never stopped, made once."""
  made = {}

  def make(where, *flags):
    if (where, flags) not in made:
      made[where, flags] = tmp_path_factory.mktemp("whole")
      run(made[where, flags], where, *flags)
    return made[where, flags]

  return make


@pytest.mark.parametrize(
  ("where", "stop"),
  [
    pytest.param(*case, marks=pytest.mark.slow if case in SLOW else ())
    for case in CASES
  ],
)
def test_stopped_by_sigterm_after_any_step(tmp_path, whole, where, stop):
  first = run(tmp_path, where, stop_at=stop)
  assert (
    f"SIGTERM: saved step {stop} of {STEPS}; the same command resumes there."
    in first.err
  )
  assert steps(tmp_path)[-1] == stop
  again = run(tmp_path, where)
  assert f"Resuming at step {stop} of {STEPS}." in again.err
  assert_continues(tmp_path, whole(where))


@pytest.mark.slow
def test_stopped_again_and_again(tmp_path, whole):
  for stop in (2, 5, 6, 10, 11):
    run(tmp_path, "jit8", stop_at=stop)
  run(tmp_path, "jit8")
  assert_continues(tmp_path, whole("jit8"))


@pytest.mark.slow
def test_with_adamw_on_eight_devices(tmp_path, whole):
  flags = ("--config.optimizer=adamw", "--config.lr=0.003")
  run(tmp_path, "jit8", *flags, stop_at=7)
  run(tmp_path, "jit8", *flags)
  assert_continues(tmp_path, whole("jit8", *flags))


@pytest.mark.slow
@pytest.mark.parametrize(
  ("first", "then"),
  [("jit8", "four"), ("fsdp8", "one"), ("pmap8", "jit8"), ("one", "fsdp8")],
)
def test_on_other_devices_to_rounding(
  tmp_path, whole, monkeypatch, first, then
):
  monkeypatch.setitem(WHERE, "four", {"devices": 4})
  run(tmp_path, first, stop_at=7)
  run(tmp_path, then)
  assert_same(stored(tmp_path), stored(whole(first)), rounding=2e-5)


def test_the_exit_code_of_a_stop_can_be_chosen(tmp_path):
  train(tmp_path, "--preempted_exit_code=75", stop_at=3, code=75)
  train(tmp_path, "--preempted_exit_code=75")


def test_more_steps_continue_a_run_that_has_ended(tmp_path, whole):
  train(tmp_path, "--config.steps=7")
  assert steps(tmp_path)[-1] == 7
  train(tmp_path, f"--config.steps={STEPS}")
  assert_same(stored(tmp_path), stored(whole("jit8")))
  last = metrics(tmp_path)[-1]
  assert last == metrics(whole("jit8"))[-1]
  again = train(tmp_path)  # a third time there is nothing to do
  assert "nothing is left to train" in again.err
  assert metrics(tmp_path)[-1] == last


def test_another_batch_size_is_an_error(tmp_path):
  train(tmp_path, "--config.steps=2")
  before = metrics(tmp_path)
  result = train(tmp_path, "--config.batch_size=32", code=2)
  assert "batch_size: 16 in the workdir, 32 now" in result.err
  assert metrics(tmp_path) == before


def test_without_the_config_flag(tmp_path, whole):
  train(tmp_path, stop_at=7)
  result = call(f"--workdir={tmp_path}")
  assert result.code == 0, result.err
  assert_continues(tmp_path, whole("jit8"))


# Steps enough that a signal comes in the middle of them.
LONG = (
  "--config.steps=4000",
  "--config.save_every=50",
  "--config.log_every=50",
)
LONG += ("--config.eval_every=0", "--config.width=16", "--config.horizon=9000")


@pytest.mark.slow
@pytest.mark.parametrize(
  "number",
  [signal.SIGTERM, signal.SIGKILL],
)
def test_a_process_stopped_by_a_signal(tmp_path, number):
  """Whatever step the signal finds, both runs pass through the same states."""
  workdir, expected = tmp_path / "stopped", tmp_path / "whole"
  flags = (f"--config={BLOBS}", f"--workdir={workdir}", *LONG)
  process = spawn(*flags)
  wait_for(workdir / "checkpoints" / "50", process)
  time.sleep(0.1)
  process.send_signal(number)
  result = finish(process)
  if number == signal.SIGTERM:
    assert result.code == 0, result.err
    assert "SIGTERM: saved step" in result.err
  else:
    assert result.code == -signal.SIGKILL
  assert "Traceback" not in result.err
  at = steps(workdir)[-1]
  assert 50 <= at < 4000
  end = f"--config.steps={at + 7}"
  again = finish(spawn(*flags, end))
  assert again.code == 0, again.err
  assert f"Resuming at step {at} of {at + 7}." in again.err
  flags = (f"--config={BLOBS}", f"--workdir={expected}", *LONG, end)
  assert finish(spawn(*flags)).code == 0
  assert_continues(workdir, expected)


def test_data_that_changed_between_two_runs_are_logged(tmp_path):
  """As they are in an evaluation on its own; --strict refuses both."""
  files = write_folder(tmp_path / "data", each=15)
  flags = (f"--config.data_dir={tmp_path / 'data'}", "--config.eval_every=0")
  go_on = lambda number: (
    train(tmp_path / "run", *flags, f"--config.steps={number}", devices=1).err
  )
  evaluate = lambda *more: call(
    "--mode=eval", f"--workdir={tmp_path / 'run'}", *more, devices=1
  )
  go_on(1)
  assert "Not as" not in go_on(2) + evaluate("--strict").err
  files[0].with_name("new.jpg").write_bytes(files[0].read_bytes())
  begin = f"Not as in the run from step 1 of {tmp_path / 'run'}: "
  line = f"{begin}the files of the data 'val'. Metrics before and"
  assert line in evaluate().err
  refused = evaluate("--strict")
  assert (refused.code, refused.out) == (2, "")
  assert f"error: --strict: {line}" in refused.err
  again = (f"--config={BLOBS}", f"--workdir={tmp_path / 'run'}", *flags)
  refused = call(*again, "--config.steps=3", "--strict", devices=1)
  assert refused.code == 2 and f"error: --strict: {begin}" in refused.err
  both = "the files of the data 'train', the files of the data 'val'. Metrics"
  assert f"{begin}{both}" in go_on(3)
  assert "Not as" not in go_on(4) + evaluate().err


def test_a_pipeline_that_changed_is_logged_though_the_data_are_the_same(
  tmp_path, monkeypatch
):
  write_folder(tmp_path / "data", each=15)
  workdir = f"--workdir={tmp_path / 'run'}"
  flags = (f"--config.data_dir={tmp_path / 'data'}", "--config.eval_every=0")
  train(tmp_path / "run", *flags, "--config.steps=1", devices=1)
  other = lambda size: (
    lambda example, *rest: {
      k: 255 - x if k == "image" else x
      for k, x in resize(size)(example, *rest).items()
    }
  )
  resize = image.resize
  monkeypatch.setattr(image, "resize", other)
  result = call("--mode=eval", workdir, devices=1)
  assert result.code == 0
  assert ": the first batch of 'val'. Metrics" in result.err
  result = train(tmp_path / "run", *flags, "--config.steps=2", devices=1)
  both = "the first batch of 'train', the first batch of 'val'. Metrics"
  assert both in result.err


def test_predict_without_its_data_logs_files_that_changed(
  tmp_path, monkeypatch
):
  files = write_folder(tmp_path / "data", each=15)
  data = f"--config.data_dir={tmp_path / 'data'}"
  train(
    tmp_path / "run",
    data,
    "--config.steps=1",
    "--config.eval_every=0",
    devices=1,
  )
  images = (tmp_path / "data").rename(tmp_path / "images")
  predict = lambda *more: call(
    *("--mode=predict", f"--workdir={tmp_path / 'run'}"),
    *(
      f"--images={images / files[0].parent.name}",
      f"--output={tmp_path / 'out'}",
      *more,
    ),
    devices=1,
  )
  assert "Not as" not in (result := predict("--strict")).err
  assert result.code == 0, result.err
  read = sources.read

  def edited(file):
    sha, imports = read(file)
    return (sha[::-1] if file.name == "norm.py" else sha), imports

  monkeypatch.setattr(sources, "read", edited)
  result = predict("--strict")
  assert result.code == 2
  assert ": vision_jax/layers/norm.py. Metrics before" in result.err
