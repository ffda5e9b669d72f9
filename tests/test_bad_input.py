"""Bad input: exit code 2, what, got, expected and the fix; nothing is lost."""

import contextlib
import json
import re
import resource
import signal

import jax
import numpy as np
import pytest

from tests.programs.command import (
  BLOBS,
  ROOT,
  after_step,
  assert_same,
  call,
  finish,
  free_port,
  metrics,
  spawn,
  steps,
  stored,
  train,
  wait_for,
)
from tests.programs.files import content, cut_short, write_folder, write_npz
from vision_jax.train.loop import Training

FOLDER_CONFIG = "--config=configs/classification/folder_resnet18.py:full"


def refuse(workdir, *flags, config=BLOBS):
  """Runs a command that has to fail at once and to leave nothing behind."""
  before = content(workdir)
  named = any(flag.startswith("--config=") for flag in flags)
  config = () if named or config is None else (f"--config={config}",)
  result = call(*config, f"--workdir={workdir}", *flags)
  assert result.code == 2, (result.out, result.err)
  assert "Traceback" not in result.err
  assert result.err.startswith("error: "), result.err
  assert content(workdir) == before, "something was written"
  return result.err


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.bach_size=3", r"bach_size: no such key; did you mean "
     r"--config\.batch_size\? Expected one of "),
    ("--config.steps=many", r"steps: got 'many'; expected a value of type int"),
    ("--config.lr=high", r"lr: got 'high'; expected a value of type float"),
    ("--config.convolutional=maybe", r"got 'maybe'; expected .* type bool"),
    ("--config.names=(1", r"names: got '\(1'; expected a value of type tuple"),
    ("--config.batch_size=0", r"batch_size: got 0; expected at least 1"),
    ("--config.batch_size=12", r"batch_size: 12 examples .* do not divide by "
     r"its 8 devices; expected a multiple of 8, for example 16"),
    ("--config.on_bad_image=hide", r"got 'hide'; expected error or skip"),
    ("--config.data_dir=/no/where", r"/no/where: does not exist; expected a "),
    ("--config.data_dir=/no/where.npz", r"/no/where.npz: it does not exist"),
    ("--config=tests/programs/blob.py", r"no file .*blob.py"),
    ("--config=configs/classification/mnist_lnet.py",
     r"did you mean configs/classification/mnist_lenet.py\?"),
    (f"--config={BLOBS}:huge", r"no variant 'huge'; expected full, tiny"),
    ("--config=tests/programs/files.py", r"no function get_config; expected"),
    ("--execution=tpu", r"tpu.* one of .*jit.*fsdp.*pmap|one of <jit"),
    ("--execution=tensor", r"without rules by which .* --execution=fsdp"),
    ("--mesh=data:3", r"takes 3 devices, but there are 8"),
    ("--wrkdir=x", r"Unknown .*wrkdir.*\(--help lists the flags\)"),
    ("extra", r"'extra' is no flag; expected --name=value"),
    ("--mode=test", r"mode.*test.*<train\|eval\|predict>|one of"),
    ("--config.lr", r"--config.lr: expected a value"),
    ("--process_id=0", r"go together; got"),
    ("--profile=3", r"--profile: got '3'; expected FIRST:LAST"),
    ("--profile=50:60", r"expected FIRST:LAST steps out of 1 to 13"),
    ("--init_from=/no/where", r"no weights at /no/where: expected a workdir"),
    ("--init_from=/no/x.safetensors", "x.safetensors: there is no such file"),
    ("--config.steps=0", r"steps: got 0; expected at least 1"),
    ("--config.save_every=-1", r"save_every: got -1; expected 0 or more"),
    ("--config.accumulate=3", r"do not split into accumulate=3"),
    ("--config.seed=4294967296", r"seed: got 4294967296; expected 0 to 4294"),
    ("--config.lr=nan", r"lr: got nan; expected a finite number"),
    ("--init_from=/no/[x]", r"--init_from: /no/\[x\] has \[ \] in it"),
    ("--config=~nobody-there/x.py", r"knows no home folder '~nobody-there'"),
    ("--preempted_exit_code=700", r"preempted_exit_code.*\[0, 255\]"),
  ],
)  # fmt: skip
def test_a_command_that_cannot_be_meant(tmp_path, flag, message):
  error = refuse(tmp_path / "run", flag)
  assert re.search(message, error.replace("\n", " ")), error


def test_a_workdir_is_needed():
  result = call(f"--config={BLOBS}")
  assert result.code == 2
  assert "--workdir is missing; expected a folder" in result.err


@pytest.mark.parametrize("mode", ["eval", "predict"])
def test_a_workdir_without_a_run(tmp_path, mode):
  flags = ("--images=x", "--output=y") if mode == "predict" else ()
  error = refuse(tmp_path / "run", f"--mode={mode}", *flags, config=None)
  assert "has no config.json; expected a folder that a training run" in error
  error = refuse(tmp_path / "run", config=None)
  assert "--config is missing, and" in error


def test_a_workdir_that_cannot_be_written(tmp_path):
  (tmp_path / "file").write_text("")
  result = call(f"--config={BLOBS}", f"--workdir={tmp_path / 'file' / 'run'}")
  assert result.code == 2
  assert "Not a directory" in result.err and "Check the path" in result.err


@pytest.mark.parametrize("place", ["runs [old]/x", "a*", "run?"])
def test_a_workdir_that_orbax_takes_for_a_pattern(tmp_path, place):
  error = refuse(tmp_path / place)
  assert f"--workdir: {tmp_path / place} has " in error
  assert "Rename the folder" in error
  assert not list(tmp_path.iterdir())


def test_paths_are_relative_to_where_the_command_runs(tmp_path, monkeypatch):
  """Every kind of path: a run's, its data, its config, a user's home."""
  write_folder(tmp_path / "home" / "data", each=15)
  (tmp_path / "own.py").write_text((ROOT / BLOBS).read_text())
  environment = {"HOME": str(tmp_path / "home")}
  commands = (
    "--config=own.py --workdir=out/a --config.data_dir=~/data "
    "--config.holdout=8 --config.steps=3",
    "--workdir=./out/a",
    "--config=own.py --workdir=out/b --init_from=out/a --config.holdout=8 "
    "--config.data_dir=home/data --config.steps=2",
    "--mode=eval --workdir=~/../out/a",
    "--mode=predict --workdir=out/a --images=home/data/red --output=~/out",
  )
  for command in commands:
    result = call(*command.split(), cwd=tmp_path, env=environment)
    assert result.code == 0, result.err
  config = json.loads((tmp_path / "out" / "a" / "config.json").read_text())
  assert config["values"]["data_dir"] == str(tmp_path / "home" / "data")
  assert config["path"] == str(tmp_path / "own.py")
  assert steps(tmp_path / "out" / "b") == [2]
  assert (tmp_path / "home" / "out" / "predictions.jsonl").exists()
  assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "out", "own.py"]


def test_a_programmers_error_keeps_its_traceback(tmp_path, monkeypatch):
  config = tmp_path / "own.py"
  text = (ROOT / BLOBS).read_text()
  begin = "def build(config):\n"
  assert begin in text
  config.write_text(text.replace(begin, f"{begin}  a, b = 1, 2, 3\n"))
  with pytest.raises(ValueError, match="too many values to unpack"):
    call(f"--config={config}", f"--workdir={tmp_path / 'run'}")


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("def get_config(:\n", "own.py, line 1: invalid syntax; expected Python"),
    ("import no_such_module\n", "No module named 'no_such_module'. Install"),
    ("\0", "null bytes"),
    (b"\xff\xfe", "own.py cannot be read ("),
  ],
)
def test_a_config_that_is_no_python(tmp_path, text, message):
  config = tmp_path / "own.py"
  config.write_bytes(text if isinstance(text, bytes) else text.encode())
  assert message in refuse(tmp_path / "run", f"--config={config}")


def test_out_of_device_memory(tmp_path, monkeypatch):
  def run(self, *args, **options):
    jax.numpy.zeros(2**50, "uint8").block_until_ready()

  monkeypatch.setattr(Training, "run", run)
  result = train(tmp_path, "--config.accumulate=2", code=3)
  assert (
    "Out of device memory, with batch_size 16, accumulate 2 and no remat. Use "
    "a smaller --config.batch_size, or split each batch by "
    "--config.accumulate=4"
  ) in result.err


@pytest.mark.parametrize("layout", ["nothing", "no classes", "an empty class"])
def test_a_folder_without_images(tmp_path, layout):
  data = tmp_path / "data"
  data.mkdir()
  expected = "has no folders in it; expected one for each class"
  unknown = "has nothing in it, which is no layout that is known; expected"
  if layout == "no classes":
    (data / "1.jpg").write_bytes(b"")
    unknown = "has 1.jpg, which is no layout that is known; expected one of"
  if layout == "an empty class":
    write_folder(data, each=2)
    (data / "yellow").mkdir()
    expected = "no images in the class folder yellow; expected at least one of"
    unknown = expected
  for config, wanted in (
    (f"--config={BLOBS}", expected),
    (FOLDER_CONFIG, unknown),
  ):
    error = refuse(tmp_path / "run", config, f"--config.data_dir={data}")
    assert wanted in error
    assert str(data) in error


@pytest.mark.parametrize("label", [4, -1])
def test_labels_out_of_range(tmp_path, label):
  file = write_npz(tmp_path / "x.npz", label=lambda x: np.r_[x[:-1], label])
  error = refuse(tmp_path / "run", f"--config.data_dir={file}")
  assert f"1 labels out of range, the first {label} at 59" in error
  assert "expected 0 to 3. Correct the labels" in error


def test_a_corrupt_file_of_arrays(tmp_path):
  cut_short(write_npz(tmp_path / "x.npz"))
  error = refuse(tmp_path / "run", f"--config.data_dir={tmp_path / 'x.npz'}")
  assert "x.npz: cannot be read" in error


@pytest.mark.parametrize("kind", ["cut short", "empty", "text"])
def test_an_unreadable_image(tmp_path, kind):
  files = write_folder(tmp_path / "data")
  bad = (files[3], files[17])
  for file in bad:
    if kind == "cut short":
      cut_short(file)
    else:
      file.write_bytes(b"" if kind == "empty" else b"no image at all" * 20)
  flags = (f"--config.data_dir={tmp_path / 'data'}", "--config.holdout=8")
  flags += ("--config.steps=3",)
  failed = train(tmp_path / "run", *flags, code=2)
  assert any(f"image {file}: " in failed.err for file in bad), failed.err
  assert "expected a whole, decodable image" in failed.err
  assert "on_bad_image=skip" in failed.err and "Traceback" not in failed.err
  # The same run goes on without them, and says how many they are.
  result = train(tmp_path / "run", *flags, "--config.on_bad_image=skip")
  assert "Unreadable images, skipped: 2 (" in result.err
  assert str(bad[0]) in result.err and str(bad[1]) in result.err
  assert metrics(tmp_path / "run")[-1]["data/skipped"] == 2


def test_more_processes_than_examples(tmp_path):
  file = write_npz(tmp_path / "x.npz", n=38)
  flags = ("--config.holdout=37", f"--config.data_dir={file}")
  flags += (f"--workdir={tmp_path / 'run'}", f"--config={BLOBS}")
  address = f"--coordinator=127.0.0.1:{free_port()}"
  both = [
    spawn(address, "--num_processes=2", f"--process_id={i}", *flags)
    for i in (0, 1)
  ]
  for process in both:
    result = finish(process)
    assert result.code == 2, result.err
    assert "got 2 for 1 examples; expected no more processes" in result.err
    assert "Traceback" not in result.err
  assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """The workdir of a run that has ended, with checkpoints 4, 8, 12 and 13."""
  workdir = tmp_path_factory.mktemp("trained")
  train(workdir, "--config.keep_every=4")
  return workdir


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--config.lr=0.5", "--config.width=64"],
     "lr: 0.1 in the workdir, 0.5 now; width: 128 in the workdir, 64 now"),
    (["--config.batch_size=32"], "batch_size: 16 in the workdir, 32 now"),
    (["--config.seed=1"], "seed: 0 in the workdir, 1 now"),
    ([f"--config={BLOBS}:tiny"], "ema: 0.9 in the workdir, 0.0 now"),
    (["--config=configs/classification/digits_cnn.py:tiny"],
     "/tests/programs/blobs.py in the workdir, configs/classification/digits_"),
  ],
)  # fmt: skip
def test_a_workdir_of_another_config(trained, flags, message):
  error = refuse(trained, *flags)
  assert "--workdir holds a run of another config, which differs in " in error
  assert message in error
  assert (
    "Use another workdir, or the same values (only a, annotations, " in error
  )


@pytest.mark.slow
def test_a_workdir_that_is_being_written(tmp_path):
  flags = (f"--config={BLOBS}", f"--workdir={tmp_path}")
  long = ("--config.steps=100000", "--config.save_every=100")
  long += ("--config.keep_every=100", "--config.eval_every=0")
  process = spawn(*flags, *long)
  try:
    wait_for(tmp_path / "checkpoints" / "100", process)
    result = call(*flags, *long)
    assert result.code == 2
    assert f"is being written by process {process.pid}" in result.err
    assert "or choose another --workdir" in result.err
    beside = call("--mode=eval", f"--workdir={tmp_path}")  # it only reads
    assert beside.code == 0, beside.err
    assert "val/accuracy" in beside.out
  finally:
    process.send_signal(signal.SIGTERM)
    result = finish(process)
  assert result.code == 0, result.err
  assert "SIGTERM: saved step" in result.err


def damage(workdir, step, how):
  """Makes a checkpoint unreadable."""
  folder = workdir / "checkpoints" / str(step)
  if how == "no state":
    for path in (folder / "state").rglob("*"):
      if path.is_file():
        path.unlink()
  elif how == "garbage":
    (folder / "state" / "_METADATA").write_text("{")
  else:
    for path in (folder / "state").rglob("d/*"):
      if path.is_file():
        cut_short(path)


@pytest.mark.parametrize("how", ["no state", "garbage", "cut short"])
def test_a_half_written_newest_checkpoint(tmp_path, trained, how, caplog):
  train(tmp_path, "--config.keep_every=4", stop_at=10)
  assert steps(tmp_path)[-2:] == [8, 10]
  damage(tmp_path, 10, how)
  result = train(tmp_path, "--config.keep_every=4")
  assert "Resuming at step 8 of 13." in result.err
  output = caplog.text + result.err
  assert "The checkpoint of step 10 in " in output
  assert "cannot be read" in output and "falling back to step 8" in output
  assert_same(stored(tmp_path), stored(trained))
  logged = [(x["step"], key) for x in metrics(tmp_path) for key in x]
  logged = [pair for pair in logged if pair[1] != "step"]
  assert [step for step, _ in logged] == sorted(step for step, _ in logged)
  assert len(set(logged)) == len(logged), "metrics logged twice"


def test_no_readable_checkpoint(tmp_path):
  train(tmp_path, stop_at=2)
  damage(tmp_path, 2, "garbage")
  error = refuse(tmp_path)
  assert "no readable checkpoint in " in error and "tried step 2 (" in error
  assert "start again in a new --workdir" in error


def test_weights_of_another_model(tmp_path, trained):
  flags = (f"--init_from={trained}", "--config.width=64")
  error = refuse(tmp_path / "run", *flags)
  assert f"{trained}/checkpoints/13 does not fit this model: " in error
  assert (
    "params/model/dense2/kernel: got float32[128,128], expected float32[64,64]"
    in error
  )
  assert "Fix: give weights of this very model" in error


def test_a_model_whose_code_has_changed(tmp_path, monkeypatch):
  config = tmp_path / "blobs.py"
  config.write_text((ROOT / BLOBS).read_text())
  train(tmp_path / "run", config=config, stop_at=3)
  import vision_jax.layers.norm

  renamed = type(
    "BatchNorm", (vision_jax.layers.norm.BatchNorm,), {"param": _renamed}
  )
  monkeypatch.setattr(vision_jax.layers.norm, "BatchNorm", renamed)
  error = refuse(tmp_path / "run", config=config)
  assert "checkpoints/3 does not fit this model: " in error
  assert "params/model/norm/gain: absent, expected float32[8]" in error
  assert "params/model/norm/scale: got float32[8], expected none" in error
  assert "Fix: resume with the config that this run was started with" in error


def _renamed(self, name, *args):
  import flax.linen as nn

  return nn.Module.param(self, {"scale": "gain"}.get(name, name), *args)


@contextlib.contextmanager
def full_disk(step, size):
  """While it lasts, from `step` on no file may grow beyond `size` bytes."""
  kind = resource.RLIMIT_FSIZE
  before = resource.getrlimit(kind)
  fill = lambda: resource.setrlimit(kind, (size, before[1]))
  try:
    with after_step(step, fill):
      yield
  finally:
    resource.setrlimit(kind, before)


@pytest.mark.parametrize(("size", "what"), [(20_000, "save"), (600, "line")])
def test_a_full_disk(tmp_path, size, what):
  with full_disk(6, size):
    failed = call(f"--config={BLOBS}", f"--workdir={tmp_path}")
  assert failed.code == 3, failed.err
  assert "Traceback" not in failed.err
  assert "File too large" in failed.err and "ree space there" in failed.err
  if what == "save":
    assert re.search(r"saving step [58] to ", failed.err)
    assert "is the last good checkpoint and stays" in failed.err
  good = steps(tmp_path)[-1]
  assert good < 8
  again = train(tmp_path)
  assert f"Resuming at step {good} of 13." in again.err


def first_bad(workdir, *flags):
  """Runs into a value that is not finite; returns the step named."""
  failed = train(workdir, *flags, code=3)
  assert "Traceback" not in failed.err
  found = re.search(
    r"Step (\d+) gave a loss or gradient that is not finite; the state before "
    r"it was kept and (checkpoint (\d+) is good|there is no checkpoint yet)\. "
    r"Lower the learning rate",
    failed.err,
  )
  assert found, failed.err
  return int(found[1]), found[3] and int(found[3])


def test_a_loss_that_is_not_finite(tmp_path):
  flags = ("--config.lr=1e25", "--config.eval_every=0")
  every = (*flags, "--config.log_every=1", "--config.save_every=1")
  bad, good = first_bad(tmp_path / "every", *every)
  assert good == bad - 1 == steps(tmp_path / "every")[-1]
  lines = metrics(tmp_path / "every")
  assert [line["step"] for line in lines] == list(range(1, bad))
  seldom = (*flags, "--config.log_every=50", "--config.save_every=0")
  assert first_bad(tmp_path / "seldom", *seldom) == (bad, None)
  text = (tmp_path / "seldom" / "metrics.jsonl").read_text()
  assert all(json.loads(line) for line in text.splitlines())


def test_a_pixel_that_is_not_finite(tmp_path):
  def spoil(image):
    image = image / np.float32(255)
    image[50] = np.nan
    return image

  file = write_npz(tmp_path / "x.npz", n=90, image=spoil)
  flags = ("--config.holdout=20", f"--config.data_dir={file}")
  assert "values from nan to nan" in refuse(tmp_path / "run", *flags)
