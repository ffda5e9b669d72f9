"""Signals anywhere in a command, and saves out of turn."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time
from unittest import mock

import jax
import pytest

from tests.programs.command import (
  BLOBS,
  PATIENCE,
  ROOT,
  after_step,
  assert_same,
  by_step,
  call,
  metrics,
  steps,
  stored,
  train,
)
from vision_jax import signals
from vision_jax.command.modes.eval import Mode as Eval
from vision_jax.command.modes.train import Mode as Train
from vision_jax.errors import UserError
from vision_jax.train import evaluate, runs, stop
from vision_jax.train.timing import Compilation

SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


@pytest.fixture(autouse=True)
def heeded():
  """Signals as a terminal's process has them; a job behind it ignores some."""
  default = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
  }
  before = {number: signal.getsignal(number) for number in default}
  for number, handler in before.items():
    if handler is signal.SIG_IGN:
      signal.signal(number, default[number])
  yield
  for number, handler in before.items():
    signal.signal(number, handler)


def raising(name, then=lambda *args, **options: None):
  """Returns a function that raises a signal in this process."""

  def act(*args, **options):
    signal.raise_signal(getattr(signal, name))
    return then(*args, **options)

  return act


# Where a command may be outside of training -> what to put in its place.
PLACES = {
  "recipe": (Train, "load"),
  "data": (runs, "_first_batch"),
  "claim": (runs, "claim"),
  "compile": (Compilation, "__init__"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_outside_of_training(tmp_path, place, name):
  with mock.patch.object(*PLACES[place], raising(name)):
    result = call(f"--config={BLOBS}", f"--workdir={tmp_path}")
  assert result.code == 128 + getattr(signal, name)
  last = result.err.splitlines()[-1]
  assert last == (
    f"{name}: stopped; what was saved stays, and the same command goes on."
  )
  assert "Traceback" not in result.err and "error" not in result.err


def test_its_exit_code_can_be_chosen(tmp_path):
  with mock.patch.object(*PLACES["claim"], raising("SIGTERM")):
    train(tmp_path, "--preempted_exit_code=75", code=75)
  train(tmp_path, "--config.steps=1")


def test_a_signal_in_another_mode(tmp_path):
  train(tmp_path, "--config.steps=1")
  with mock.patch.object(Eval, "run", raising("SIGTERM")):
    result = call("--mode=eval", f"--workdir={tmp_path}")
  assert result.code == 128 + signal.SIGTERM
  assert result.err == "SIGTERM: stopped; the results are not complete.\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """The workdir of a run that nothing has stopped."""
  workdir = tmp_path_factory.mktemp("whole")
  train(workdir)
  return workdir


def assert_goes_on(workdir, whole):
  """Trains to the end; asserts that it ends as the run never stopped."""
  again = train(workdir)
  assert "Resuming at step 5 of 13." in again.err
  assert_same(stored(workdir), stored(whole))
  assert merged(workdir) == merged(whole)
  assert steps(workdir) == steps(whole)


@pytest.mark.slow
def test_a_signal_in_an_evaluation_leaves_at_once(tmp_path, whole):
  """The step is saved; the run that resumes there evaluates it."""
  add = raising("SIGHUP", evaluate.Total.add)
  with mock.patch.object(evaluate.Total, "add", add):
    result = train(tmp_path, "--preempted_exit_code=9", code=9)
  assert "SIGHUP: saved step 5 of 13; the same command" in result.err
  assert steps(tmp_path) == [5]
  assert not any("val/loss" in line for line in metrics(tmp_path))
  assert_goes_on(tmp_path, whole)


def merged(workdir):
  """Returns the metrics of steps, but for the first one of a resume."""
  return {k: x for k, x in by_step(workdir).items() if k != 6}


def test_the_second_ctrl_c_does_not_wait(tmp_path):
  twice = lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)]
  with after_step(7, twice):
    result = train(tmp_path, code=128 + signal.SIGINT)
  assert result.err.endswith(
    "SIGINT: stopped; what was saved stays, and the same command goes on.\n"
  )
  assert "Traceback" not in result.err and 5 in steps(tmp_path)


def test_outside_the_main_thread_training_has_no_handlers(tmp_path):
  results = []
  flags = (f"--config={BLOBS}", f"--workdir={tmp_path}", "--config.steps=3")
  thread = threading.Thread(target=lambda: results.append(call(*flags)))
  thread.start()
  thread.join()
  assert [result.code for result in results] == [0], results
  assert steps(tmp_path) == [3]


BLOCKED = """
import ctypes, sys
from vision_jax import signals
signals.GRACE = 0.2
def leave(number):
  print("left for", number, flush=True)
  signals.leave_at_once(75)
with signals.interrupting(leave):
  print("ready", flush=True)
  libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
  for _ in range(2):  # the second time it waits for itself, for good
    libc.pthread_mutex_lock(mutex)
"""


def wait_until_asleep(process):
  """Waits until a process's main thread waits for something."""
  stat = pathlib.Path(f"/proc/{process.pid}/stat")
  while True:
    time.sleep(0.1)
    if stat.read_text().rpartition(")")[2].split()[0] == "S":
      return


@pytest.mark.skipif(sys.platform != "linux", reason="a mutex of zeros")
def test_a_main_thread_that_stays_in_a_library_is_left():
  process = subprocess.Popen(
    [sys.executable, "-c", BLOCKED], cwd=ROOT, stdout=-1, text=True
  )
  assert process.stdout.readline() == "ready\n"
  for _ in range(5):  # it is in there once it only ever waits
    wait_until_asleep(process)
  process.terminate()
  assert process.communicate(timeout=PATIENCE)[0] == "left for 15\n"
  assert process.returncode == 75


def test_an_ignored_signal_stays_ignored():
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
  try:
    with signals.handled(signals.interrupt):
      signal.raise_signal(signal.SIGHUP)
  finally:
    signal.signal(signal.SIGHUP, before)


def test_saves_out_of_turn(tmp_path, whole, monkeypatch):
  """Between its own saves a run saves when enough time has gone by."""
  monkeypatch.setattr(stop, "SAVE_SECONDS", -1.0)  # after every step
  seen = []
  with after_step(8, lambda: seen.append(steps(tmp_path))):
    train(tmp_path, "--config.save_every=0", "--config.eval_every=0")
  assert seen[0][-1] in (6, 7)  # the save of 7 may be under way
  assert [x["step"] for x in metrics(tmp_path)] == [1, 3, 6, 9, 12, 13, 13]
  assert_same(stored(tmp_path), stored(whole))


class Store:
  """The key-value store of several processes, in one."""

  def __init__(self):
    self.values, self.changed = {}, threading.Condition()

  def key_value_set(self, key, value):
    with self.changed:
      if key in self.values:
        raise RuntimeError("ALREADY_EXISTS")
      self.values[key] = value
      self.changed.notify_all()

  def key_value_dir_get(self, folder):
    with self.changed:
      return [(k, x) for k, x in self.values.items() if k.startswith(folder)]

  def blocking_key_value_get(self, key, milliseconds):
    with self.changed:
      if not self.changed.wait_for(
        lambda: key in self.values, milliseconds / 1e3
      ):
        raise RuntimeError("DEADLINE_EXCEEDED")
      return self.values[key]


@pytest.mark.parametrize("seed", range(3))
def test_processes_agree_on_a_step(monkeypatch, seed):
  """However far apart they are, all act at one step that is new to all."""
  import random

  from vision_jax.cluster import agreement

  monkeypatch.setattr(agreement, "POLL", 0.01)
  store, acted = Store(), [{} for _ in range(3)]

  def run(number):
    rng = random.Random(seed * 10 + number)
    with contextlib.closing(agreement.Agreement(store, number, 3)) as agree:
      for step in range(1, 400):
        if (number, step) in ((0, 20), (2, 30)):
          agree.ask("save" if number == 0 else "SIGTERM")
        for what in agree():
          acted[number].setdefault(what, []).append(step)
        threading.Event().wait(rng.random() * 0.004)

  threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert acted[0] == acted[1] == acted[2]
  assert {k: len(x) for k, x in acted[0].items()} == {"save": 1, "SIGTERM": 1}


def test_an_error_in_an_evaluation_costs_no_training(tmp_path, whole):
  def fail(*args):
    raise UserError("a broken image")

  with mock.patch.object(evaluate.Total, "add", fail):
    result = train(tmp_path, code=2)
  assert "a broken image" in result.err
  assert steps(tmp_path) == [5]
  assert_goes_on(tmp_path, whole)


@pytest.mark.parametrize("execution", ["jit", "fsdp", "pmap"])
def test_evaluations_are_tried_before_anything_is_written(tmp_path, execution):
  """Their first batch is read and their step traced; nothing is compiled."""

  def measure(self, state, out, batch):
    raise TypeError("a metric that does not fit")

  flags = (f"--config={BLOBS}", f"--workdir={tmp_path / 'run'}")
  with (
    mock.patch("vision_jax.metrics.classification.Accuracy.measure", measure),
    pytest.raises(TypeError, match="does not fit"),
  ):
    call(*flags, f"--execution={execution}")
  assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_cannot_be_read_ends_the_run(tmp_path, monkeypatch):
  from vision_jax.train.checkpoint.reading import StoredState

  def read(self, wanted):
    got = before(self, wanted)
    return got | {("step",): got["step",] + 1}

  before = StoredState.read
  monkeypatch.setattr(StoredState, "read", read)
  result = train(tmp_path, code=3)
  assert "checkpoints/4 was written and holds other values" in result.err
  assert "step and 0 more. Fix: " in result.err
  monkeypatch.setattr(StoredState, "read", lambda *_: json.loads("["))
  result = train(tmp_path / "new", code=3)
  assert "was written and cannot be read back: JSONDecodeError" in result.err


def test_a_first_checkpoint_is_compared_bit_for_bit(tmp_path):
  from vision_jax.train.checkpoint.checkpoints import Checkpoints, SaveError
  from vision_jax.train.checkpoint.readback import read_back

  state = {"x": jax.numpy.array([0.0, jax.numpy.nan]), "k": jax.random.key(1)}
  with Checkpoints(tmp_path, best=None) as checkpoints:
    checkpoints.save(1, state)
    read_back(checkpoints, 1, state)
    with pytest.raises(SaveError, match="x and 0 more"):
      read_back(checkpoints, 1, state | {"x": -state["x"]})
