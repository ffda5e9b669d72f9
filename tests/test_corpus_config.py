"""The corpus: flags, values of configs, and config files."""

import shlex
from unittest import mock

import pytest

from tests.corpus import says
from tests.programs.command import BLOBS, call
from vision_jax.train import runs

CONFIGS = {
  "blobs": BLOBS,
  "cnn": "configs/classification/digits_cnn.py:tiny",
  "vit": "configs/classification/cifar10_vit.py:tiny",
  "photos": "configs/classification/imagenet_resnet50.py:tiny",
  "folder": "configs/classification/folder_resnet18.py:full",
  "unet": "configs/segmentation/digit_scenes_unet.py:tiny",
  "masks": "configs/segmentation/folder_unet.py:full",
  "detr": "configs/detection/digit_scenes_detr.py:tiny",
  "voc": "configs/detection/voc_detr.py:full",
  "ddpm": "configs/generation/digits_ddpm.py:tiny",
  "gan": "configs/generation/digits_gan.py:tiny",
  "vae": "configs/generation/digits_vae.py:tiny",
}


def refused(workdir, *flags, pattern):
  """Runs a command that must end before there is a state, leaving nothing."""
  begun = mock.Mock(side_effect=AssertionError("it was accepted"))
  with mock.patch.object(runs, "Checkpoints", begun):
    result = call(f"--workdir={workdir}", *flags)
  assert result.code == 2, result.err
  assert result.err.startswith("error: "), result.err
  says(result.err.removeprefix("error: "), pattern)
  assert not workdir.exists()


# A config's short name, values that it cannot have, and what is said.
VALUES = [
  ("blobs", "bach_size=3", r"bach_size: no such key; .*config\.batch_size"),
  ("blobs", "batch_size=0", "batch_size: got 0; expected"),
  ("blobs", "batch_size=-16", "batch_size: got -16; expected"),
  ("blobs", "batch_size=12", "batch_size: 12 .*do not divide"),
  ("blobs", "batch_size=many", "batch_size: got 'many'"),
  ("blobs", "batch_size=16.5", r"batch_size: got '16\.5'"),
  ("blobs", "batch_size=", "batch_size: got ''"),
  ("blobs", "seed=-1", "seed: got -1; expected 0 to 4294967295"),
  ("blobs", "seed=4294967296", "seed: got 4294967296"),
  ("blobs", "seed=99999999999999999999999", "seed: got 9999"),
  ("blobs", "seed=now", "seed: got 'now'"),
  ("blobs", "steps=0", "steps: got 0"),
  ("blobs", "steps=1e3", "steps: got '1e3'"),
  ("blobs", "log_every=-1", "log_every: got -1"),
  ("blobs", "eval_every=-5", "eval_every: got -5"),
  ("blobs", "save_every=-1", "save_every: got -1"),
  ("blobs", "keep_every=-1", "keep_every: got -1"),
  ("blobs", "keep_best=0", "keep_best: got 0"),
  ("blobs", "threads=-1", "threads: got -1"),
  ("blobs", "width=0", "width: got 0"),
  ("blobs", "width=-8", "width: got -8"),
  ("blobs", "dropout=1", r"dropout: got 1\.0"),
  ("blobs", "dropout=nan", "dropout: got nan"),
  ("blobs", "ema=1", r"ema: got 1\.0"),
  ("blobs", "lr=-0.1", r"lr: got -0\.1"),
  ("blobs", "lr=inf", "lr: got inf"),
  ("blobs", "lr=high", "lr: got 'high'"),
  ("blobs", "holdout=-1", "holdout: got -1"),
  ("blobs", "accumulate=0", "accumulate: got 0"),
  ("blobs", "accumulate=3", "accumulate: 16 examples"),
  ("blobs", "on_bad_image=hide", "got 'hide'; expected error or skip"),
  ("blobs", "convolutional=maybe", "got 'maybe'"),
  ("blobs", "names=(1", r"names: got '\(1'"),
  ("blobs", "data_dir=/no/where", "/no/where: does not exist"),
  ("blobs", "data_dir=/no/where.npz", "/no/where.npz: it does not exist"),
  ("blobs", "data_dir=~no.such.user/x", "knows no home folder"),
  ("cnn", "image_size=7", "image_size: got 7; expected 8"),
  ("cnn", "image_size=0", "image_size: got 0"),
  ("cnn", "channels=2", "channels"),
  ("vit", "dtype=float99", "dtype: got 'float99'; expected float32"),
  ("vit", "dtype=int8", "dtype: got 'int8'"),
  ("cnn", "dataset=owls", "owls"),
  ("cnn", "holdout=5000", "5000"),
  ("cnn", "eval_batch_size=0", "eval_batch_size: got 0"),
  ("cnn", "eval_batch_size=-8", "eval_batch_size: got -8"),
  ("vit", "depth=0", "depth: got 0"),
  ("vit", "heads=0", "heads: got 0"),
  ("vit", "drop_path=-1", r"drop_path: got -1\.0"),
  ("vit", "drop_path=1", r"drop_path: got 1\.0"),
  ("photos", "dataset=owls", "owls"),
  ("photos", "num_classes=0", "num_classes: got 0"),
  ("folder", "", "data_dir is missing"),
  ("folder", "data_dir=/no/where", "/no/where"),
  ("folder", "dataset=owls", "owls"),
  ("unet", "depth=0", "depth: got 0"),
  ("unet", "image_size=(0,0)", r"image_size: got \(0, 0\)"),
  ("unet", "image_size=(7,7)", "size 7"),
  ("unet", "image_size=(0,32)", r"image_size: got \(0, 32\)"),
  ("unet", "crop=(-1,8)", "crop: got"),
  ("unet", "scale=(0,1)", r"scale: got \(0"),
  ("unet", "class_names=('',)", "class_names"),
  ("unet", "flip=2", "flip: got '2'"),
  ("unet", "image_size=(32,48)", r"image_size: got \(32, 48\)"),
  ("unet", "image_size=32", "image_size"),
  ("unet", "scenes=(0,16,16)", r"scenes: got \(0, 16, 16\)"),
  ("detr", "scenes=(0,16,16)", r"scenes: got \(0, 16, 16\)"),
  ("detr", "scenes=64", "scenes: got"),
  ("vit", "heads=7", "heads"),
  ("vit", "image_size=30", "image_size|patch"),
  ("unet", "class_weights=(1.0,)", "class_weights: got 1 for 11 classes"),
  ("detr", "features=30", "features|heads"),
  ("masks", "", "images"),
  ("masks", "images=/no/where masks=/no/there", "/no/"),
  ("masks", "mask_values=0,99999,3", "99999|images|class_names"),
  ("detr", "num_queries=0", "num_queries: got 0"),
  ("detr", "max_boxes=0", "max_boxes: got 0"),
  ("detr", "encoder_layers=-1", "encoder_layers: got -1"),
  ("detr", "decoder_layers=0", "decoder_layers: got 0"),
  ("detr", "crop_ratio=(0,1)", r"crop_ratio: got \(0"),
  ("detr", "class_names=('a','')", "class_names: got"),
  ("voc", "data_dir=/no/where", "/no/where"),
  ("voc", "on_bad_box=keep data_dir=/no/where", "keep|/no/where"),
  ("ddpm", "times=0", "times: got 0"),
  ("ddpm", "sampling_steps=0", "sampling_steps: got 0"),
  ("ddpm", "drop_label=2", r"drop_label: got 2\.0"),
  ("ddpm", "guidance=-1", r"guidance: got -1\.0"),
  ("gan", "latent=0", "latent: got 0"),
  ("gan", "r1_every=0", "r1_every: got 0"),
  ("vae", "latent=0", "latent: got 0"),
  ("vae", "b1=1", r"b1: got 1\.0|no such key"),
]  # fmt: skip


@pytest.mark.parametrize(
  ("config", "values", "pattern"),
  [pytest.param(*line, id=f"{line[0]} {line[1]}") for line in VALUES],
)
def test_values_of_a_config(tmp_path, config, values, pattern):
  flags = [f"--config.{value}" for value in values.split()]
  flags = [f"--config={CONFIGS[config]}", *flags]
  refused(tmp_path / "run", *flags, pattern=pattern)


FLAGS = [
  ("", "--config is missing"),
  ("--config=", "no file|--config"),
  ("--config=configs", "no file"),
  ("--config=configs/classification/mnist_lnet.py",
   "did you mean .*mnist_lenet"),
  (f"--config={BLOBS}:huge", "no variant 'huge'; expected full, tiny"),
  ("--config=tests/programs/files.py", "no function get_config"),
  (f"--config={BLOBS} --config.lr", "lr: expected a value"),
  (f"--config={BLOBS} --mesh=data:3", "takes 3 devices, but there are 8"),
  (f"--config={BLOBS} --mesh=data:0", "data:0"),
  (f"--config={BLOBS} --mesh=data:-8", "data:-8"),
  (f"--config={BLOBS} --mesh=data", "'?data'?"),
  (f"--config={BLOBS} --mesh=data:many", "many"),
  (f"--config={BLOBS} --mesh=owl:8", "owl"),
  (f"--config={BLOBS} --mesh=data:2,data:4", "data"),
  (f"--config={BLOBS} --mesh=,", "mesh"),
  (f"--config={BLOBS} --execution=tpu", "tpu.*jit.*fsdp.*pmap"),
  (f"--config={BLOBS} --profile=3", "profile: got '3'"),
  (f"--config={BLOBS} --profile=x:y", "profile: got 'x:y'"),
  (f"--config={BLOBS} --profile=5:3", "profile: got '5:3'"),
  (f"--config={BLOBS} --profile=0:3", "profile: got '0:3'"),
  (f"--config={BLOBS} --profile=50:60", "profile: got '50:60'"),
  (f"--config={BLOBS} --process_id=0", "go together"),
  (f"--config={BLOBS} --num_processes=2", "go together"),
  (f"--config={BLOBS} --preempted_exit_code=700", "preempted_exit_code.*255"),
  (f"--config={BLOBS} --preempted_exit_code=-1", "preempted_exit_code"),
  (f"--config={BLOBS} --cpu_tuning=maybe", "cpu_tuning.*auto.*off"),
  (f"--config={BLOBS} --trust_workdir=maybe", "trust_workdir.*maybe"),
  (f"--config={BLOBS} extra", "'extra' is no flag"),
  (f"--config={BLOBS} --wrkdir=x", "wrkdir"),
  ("--mode=test", "mode.*test"),
  ("--mode=eval", r"no config\.json"),
  (f"--mode=eval --config={BLOBS}", "leave --config out"),
  ("--mode=predict", "needs --images"),
  ("--mode=predict --images=x", "needs --images"),
  ("--mode=sample", "needs --output"),
  ("--mode=sample --output=x --num_samples=0", "num_samples"),
  ("--mode=sample --output=x --num_samples=many", "num_samples"),
  ("--mode=sample --output=x --seed=-1", r"--seed=-1: .*4294967295"),
  ("--mode=sample --output=x --seed=4294967296", r"--seed=4294967296: "),
  ("--connect_timeout=-1", r"--connect_timeout=-1"),
  ("--mode=sample --output=x --steps=0", "steps"),
]  # fmt: skip


@pytest.mark.parametrize(
  ("flags", "pattern"), [pytest.param(*x, id=x[0] or "none") for x in FLAGS]
)
def test_flags(tmp_path, flags, pattern):
  refused(tmp_path / "run", *shlex.split(flags), pattern=pattern)


@pytest.mark.parametrize(
  ("name", "pattern"),
  [("a[1]", r"a\[1\]"), ("a*", r"\*"), ("file/run", "Not a directory")],
)
def test_workdirs(tmp_path, name, pattern):
  (tmp_path / "file").write_text("")
  workdir = tmp_path / name
  if name == "file/run":
    result = call(f"--config={BLOBS}", f"--workdir={workdir}")
    assert result.code == 2, result.err
    says(result.err, pattern)
  else:
    refused(workdir, f"--config={BLOBS}", pattern=pattern)


GOOD = """
from tests.programs.blobs import build, get_config
"""
FILES = [
  ("no Python", "get_config = (", r"owl\.py, line 1"),
  ("indented wrongly", "def f():\n  x\n y", r"owl\.py, line 3"),
  ("zeros", "x = 1\0", r"owl\.py"),
  ("other bytes", b"# \xff\xfe caf\xe9\n", r"owl\.py.*UTF-8"),
  ("empty", "", "no function get_config"),
  ("a json", '{"steps": 3}', "no function get_config"),
  ("no build", "def get_config(): pass", "no function build"),
  ("a number", GOOD + "get_config = 3", "no function get_config"),
  ("a package that is missing", "import owls_and_cats", "owls_and_cats"),
  ("a name that is missing", "from vision_jax import owls", "owls"),
  ("an import from beside", "from . import owls", "import"),
  ("no config", GOOD + "def get_config(): pass", "get_config"),
  ("a dictionary", GOOD + "def get_config(): return {'steps': 3}",
   "get_config"),
  ("no steps", GOOD + "import ml_collections\n"
   "def get_config(): return ml_collections.ConfigDict({'lr': 1.0})",
   "steps|base_config"),
  ("no experiment", GOOD + "def build(config): pass", "build"),
]  # fmt: skip


@pytest.mark.parametrize(
  ("text", "pattern"), [pytest.param(*x[1:], id=x[0]) for x in FILES]
)
def test_config_files(tmp_path, text, pattern):
  file = tmp_path / "owl.py"
  file.write_bytes(text if isinstance(text, bytes) else text.encode())
  refused(tmp_path / "run", f"--config={file}", pattern=pattern)


def test_the_files_differ_by_one_thing_from_a_right_one(tmp_path):
  file = tmp_path / "owl.py"
  file.write_text(GOOD)
  with pytest.raises(AssertionError, match="it was accepted"):
    refused(tmp_path / "run", f"--config={file}", pattern="")
