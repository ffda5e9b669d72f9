"""TensorBoard, W&B, the progress line, and the writer that feeds them."""

import glob
import io
import subprocess
import sys
import types

import numpy as np
import pytest

from vision_jax.report.advice import advice
from vision_jax.report.progress import Progress
from vision_jax.report.tensorboard import TensorBoard
from vision_jax.report.wandb import WandB
from vision_jax.train.log.metrics_file import MetricsFile
from vision_jax.train.log.writer import Writer, open_writer


def events(folder):
  """All events of a folder, decoded by tensorboardX's own protocol buffers."""
  from tensorboardX.proto.event_pb2 import Event

  found = []
  for file in sorted(glob.glob(f"{folder}/events.*")):
    with open(file, "rb") as f:
      while header := f.read(12):
        event = Event()
        event.ParseFromString(f.read(int.from_bytes(header[:8], "little")))
        f.read(4)
        found.append(event)
  return found


def scalars(folder):
  return [
    (event.step, value.tag, round(value.simple_value, 5))
    for event in events(folder)
    for value in event.summary.value
    if value.HasField("simple_value")
  ]


def test_tensorboard_scalars_read_back(tmp_path):
  board = TensorBoard(tmp_path)
  board.write(1, {"train/loss": np.float32(0.5), "x": float("nan")})
  board.write(2, {"train/loss": 0.25})
  board.close()
  assert scalars(tmp_path) == [(1, "train/loss", 0.5), (2, "train/loss", 0.25)]


def test_tensorboard_images_read_back(tmp_path):
  from PIL import Image

  pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
  board = TensorBoard(tmp_path)
  board.images(3, {"bytes": pixels, "floats": pixels / 255})
  board.close()
  found = [v for e in events(tmp_path) for v in e.summary.value]
  assert [v.tag for v in found] == ["bytes", "floats"]
  for value in found:
    image = Image.open(io.BytesIO(value.image.encoded_image_string))
    np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (1, 4, 4, 3)])
def test_tensorboard_refuses_what_is_no_image(tmp_path, shape):
  with pytest.raises(ValueError, match=r"expected \(h, w, 1 or 3\)"):
    TensorBoard(tmp_path).images(1, {"x": np.zeros(shape)})


def test_tensorboard_hides_what_a_resumed_run_repeats(tmp_path):
  board = TensorBoard(tmp_path, start=7)
  board.write(8, {"x": 1})
  board.close()
  restarts = [e.step for e in events(tmp_path) if e.HasField("session_log")]
  assert restarts == [8]


def test_tensorboard_comes_without_torch(tmp_path):
  code = (
    "import sys; from vision_jax.train.log.writer import open_writer\n"
    "assert 'tensorboardX' not in sys.modules and 'jax' not in sys.modules\n"
    "assert 'orbax' not in sys.modules and 'tqdm' not in sys.modules\n"
    f"open_writer({str(tmp_path)!r})(1, {{'x': 1.0}})\n"
    "assert 'tensorboardX' in sys.modules and 'torch' not in sys.modules"
  )
  subprocess.run([sys.executable, "-c", code], check=True)


class FakeRun:
  id = "run7"

  def __init__(self, **options):
    self.options, self.logged, self.finished = options, [], False

  def define_metric(self, name, step_metric):
    assert (name, step_metric) == ("*", "step")

  def log(self, values):
    self.logged.append(values)

  def finish(self):
    self.finished = True


@pytest.fixture
def wandb(monkeypatch):
  stub = types.ModuleType("wandb")
  stub.runs = []
  stub.init = lambda **x: stub.runs.append(FakeRun(**x)) or stub.runs[-1]
  stub.Image = lambda x: ("image", x.shape)
  monkeypatch.setitem(sys.modules, "wandb", stub)
  return stub


def test_wandb_logs_and_resumes(wandb, tmp_path):
  workdir = tmp_path / "lenet"
  with open_writer(workdir, wandb="p", config={"lr": 1}) as write:
    write(3, {"train/loss": np.float32(0.5)})
    write.images(4, {"x": np.zeros((2, 2, 3), np.uint8)})
  run = wandb.runs[0]
  assert run.options == {
    "project": "p", "name": "lenet", "config": {"lr": 1}, "id": None,
    "resume": "allow",
  }  # fmt: skip
  assert run.logged == [
    {"train/loss": 0.5, "step": 3},
    {"x": ("image", (2, 2, 3)), "step": 4},
  ]
  assert run.finished
  open_writer(workdir, wandb="p").close()
  assert wandb.runs[1].options["id"] == "run7"


def test_wandb_missing(monkeypatch, tmp_path):
  monkeypatch.setitem(sys.modules, "wandb", None)
  with pytest.raises(ValueError, match="pip install wandb"):
    WandB("p", tmp_path)


def test_writer_cuts_back_and_writes_everywhere(tmp_path):
  with open_writer(tmp_path) as write:
    for step in (1, 2, 3):
      write(step, {"x": step})
  with open_writer(tmp_path, start=2) as write:
    write(3, {"x": 30})
  assert [x["x"] for x in MetricsFile(tmp_path).read()] == [1, 2, 30]
  assert (3, "x", 30.0) in scalars(tmp_path)


def test_only_the_first_process_writes(tmp_path, wandb):
  with open_writer(tmp_path, process_index=1, wandb="p") as write:
    write(1, {"x": 1})
    write.images(1, {"x": np.zeros((2, 2, 3))})
  assert list(tmp_path.iterdir()) == []
  assert wandb.runs == []


def test_writer_closes_all_sinks_before_it_fails():
  closed = []

  class Sink:
    def close(self):
      closed.append(self)
      raise OSError("disk")

  writer = Writer([Sink(), Sink()])
  with pytest.raises(OSError, match="disk"):
    writer.close()
  writer.close()
  assert len(closed) == 2


class Terminal(io.StringIO):
  def isatty(self):
    return True


def run_progress(stream, seconds, pause=0.0, **options):
  """100 steps of 32 images, each of as many seconds as the clock is given."""
  now = [0.0]
  progress = Progress(100, 32, stream=stream, clock=lambda: now[0], **options)
  for step in range(progress.step + 1, 101):
    now[0] += 60.0 if step == 1 else seconds
    progress(step)
    if step == 50:
      with progress.paused("evaluating"):
        now[0] += pause
      progress.write(50, {"train/loss": 0.125, "val/accuracy": 0.5, "x/y/z": 1})
      progress.log("evaluated")
  progress.close()
  return progress


def test_progress_without_a_terminal():
  stream = io.StringIO()
  progress = run_progress(stream, 0.5)
  lines = stream.getvalue().splitlines()
  assert progress.rate == pytest.approx(64)
  assert lines[0] == "step 1/100"
  assert lines[1] == "step 22/100  64 images/s  0:00:39 left"
  assert "evaluated" in lines
  assert lines[-1] == (
    "step 100/100  64 images/s  0:00:00 left  train/loss 0.125  "
    "val/accuracy 0.5"
  )
  assert len(lines) <= 8
  assert "\r" not in stream.getvalue()


def test_progress_on_a_terminal():
  stream = Terminal()
  run_progress(stream, 0.5)
  shown = stream.getvalue()
  assert "\r" in shown and "100/100" in shown and "64 images/s" in shown
  assert "evaluated\n" in shown


def test_progress_names_what_it_waits_for():
  stream, now = io.StringIO(), [0.0]
  progress = Progress(100, 1, stream=stream, clock=lambda: now[0])
  with progress.paused("compiling"):
    now[0] += 60
  for step in range(1, 7):
    now[0] += 1
    progress(step)
    with progress.paused("evaluating"):
      now[0] += 0.5
  shown = stream.getvalue().splitlines()
  assert shown[0] == "step 0/100  compiling ..."
  assert shown[1] == "step 1/100"
  assert shown[2] == "step 1/100  evaluating ..."
  assert len(shown) == 3  # again only where none was shown for a while
  now[0] += 20
  with progress.paused("evaluating"):
    pass
  assert stream.getvalue().splitlines()[3].startswith("step 6/100  evaluating")


@pytest.mark.parametrize("compiling", [0.0, 500.0])
@pytest.mark.parametrize("first", [1.0, 30.0])
def test_the_time_left_is_right_after_ten_steps(compiling, first):
  """Steps of 0.8 to 1.2 s, of which the first is slow; compilation is none."""
  now = [0.0]
  progress = Progress(1000, 1, stream=io.StringIO(), clock=lambda: now[0])
  seconds = np.random.default_rng(0).uniform(0.8, 1.2, 1000)
  seconds[0] = first
  with progress.paused("compiling"):
    now[0] += compiling
  for step, taken in enumerate(seconds, 1):
    now[0] += taken
    progress(step)
    if step in (10, 500, 900):
      left = seconds[step:].sum()
      assert progress.seconds_left == pytest.approx(left, rel=0.2)


def test_the_time_left_has_the_evaluations_to_come():
  """One of 50 s after every 100 steps of 1 s: half as long again."""
  now = [0.0]
  progress = Progress(1000, 1, stream=io.StringIO(), clock=lambda: now[0])
  for step in range(1, 501):
    now[0] += 1
    progress(step)
    if step % 100 == 0:
      with progress.paused("evaluating"):
        now[0] += 50
      assert progress.seconds_left == pytest.approx((1000 - step) * 1.5)


def test_the_line_keeps_the_metrics_of_evaluations():
  stream, now = io.StringIO(), [0.0]
  progress = Progress(
    9, 1, stream=stream, clock=lambda: now[0], best="val/ema/f1"
  )
  progress.write(1, {"train/loss": 1.0, "train/grad_norm": 3.0})
  progress.write(1, {"val/miou": 0.25, "val/ema/f1": 0.5, "val/iou/car": 0.1})
  progress.write(2, {"train/loss": 0.75})
  assert progress.line() == (
    "step 0/9  train/loss 0.75  val/miou 0.25  val/ema/f1 0.5"
  )


def test_a_long_run_says_what_to_change():
  stream, now = io.StringIO(), [0.0]
  values = {"batch_size": 1, "image_size": 64, "lr": 0.1}
  config = types.SimpleNamespace(values=values, smaller="")
  progress = Progress(
    *(14410, 1),
    stream=stream,
    clock=lambda: now[0],
    advise=lambda seconds: advice(seconds, 14400, config),
  )
  for step in range(1, 30):
    now[0] += 1
    progress(step)
  (line,) = [x for x in stream.getvalue().splitlines() if "This run" in x]
  assert line == (
    "This run takes about 4:00 hours on this machine. Shorter: "
    "--config.steps=7200 (two hours), smaller --config.image_size or "
    "--config.batch_size, or a faster machine; in a new --workdir."
  )
  assert advice(7199.0, 10) is None
  assert "Shorter: --config.steps=5 (two hours), or" in advice(14400.0, 10)
  config.values |= {"epochs": 30.0, "steps": 16000}  # 1,600 are done
  config.smaller = "configs/own.py:cpu"
  line = advice(4 * 3600.0, 14400, config)
  assert "Shorter: --config=configs/own.py:cpu, --config.epochs=14 (" in line
  assert "--config.steps" not in line  # which epochs would overrule


def test_progress_of_a_resumed_run():
  stream = io.StringIO()
  run_progress(stream, 0.5, start=90)
  assert stream.getvalue().startswith("step 91/100")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_progress_quiet(stream):
  run_progress(stream, 0.5, quiet=True)
  assert stream.getvalue() == ""


def test_a_failed_run_ends_quietly(tmp_path):
  code = (
    "from vision_jax.train.log.writer import open_writer\n"
    f"open_writer({str(tmp_path)!r})(1, {{'x': 1.0}})\n"
    "raise ValueError('raised once')"
  )
  command = [sys.executable, "-c", code]
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.stderr.splitlines()[-1] == "ValueError: raised once"
  assert done.stderr.count("Traceback") == 1
  assert scalars(tmp_path) == [(1, "x", 1.0)]
