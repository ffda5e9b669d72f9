"""Keys of the configs: none is decoration, and none means what it cannot."""

import ast
import dataclasses
import re

import pytest

from tests.programs.command import ROOT, train
from vision_jax import experiment
from vision_jax.core.step import make_train_step
from vision_jax.errors import UserError
from vision_jax.recipe import recipe
from vision_jax.recipe.values import CHOICES, RANGES, flat
from vision_jax.train.plan import Plan

CONFIGS = [
  str(path.relative_to(ROOT))
  for path in sorted((ROOT / "configs").glob("*/*.py"))
  if path.name != "__init__.py"
]

PIPELINES = "vision_jax.pipelines"


def keys_read(path):
  """Returns the attributes of `config` that a file's text asks for."""
  tree = ast.parse((ROOT / path).read_text())
  owner = lambda x: getattr(x, "id", None) or getattr(x, "attr", None)
  read = {
    node.attr
    for node in ast.walk(tree)
    if isinstance(node, ast.Attribute) and owner(node.value) in ("config", "c")
  }
  asked = {
    getattr(node.args[0], "value", None)
    for node in ast.walk(tree)
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and (owner(node.func.value), node.func.attr) == ("config", "get")
  }
  return read | asked


def imported(path):
  """Returns a config with the pipelines that it imports, with theirs."""
  found = {path}
  for node in ast.walk(ast.parse((ROOT / path).read_text())):
    if isinstance(node, ast.ImportFrom) and node.module.startswith(PIPELINES):
      parts = [node.module, *(f"{node.module}.{n.name}" for n in node.names)]
      files = [part.replace(".", "/") + ".py" for part in parts]
      for file in files:
        if (ROOT / file).is_file():
          found |= imported(file)
  return found


COMMAND = [
  str(path.relative_to(ROOT))
  for pattern in ("*.py", "command/**/*.py", "recipe/*.py", "train/**/*.py")
  for path in (ROOT / "vision_jax").glob(pattern)
  if path.name != "experiment.py"
]


@pytest.mark.parametrize("path", CONFIGS)
def test_every_key_is_read(path):
  """By build, by the loop or by the command: none is decoration."""
  loaded = recipe.load(f"{path}:tiny")
  full = recipe.load(path, resolve=False).config
  read = {field.name for field in dataclasses.fields(Plan)}  # as `Plan.of` does
  read = read.union(*map(keys_read, [*imported(path), *COMMAND]))
  assert {*loaded.config.keys(), *full.keys()} <= read


@pytest.mark.parametrize("path", CONFIGS)
def test_every_number_has_a_range(path):
  """So that what means nothing, such as -1, is refused by name."""
  for name in (path, f"{path}:tiny"):
    values = flat(recipe.load(name, resolve=False).config.to_dict())
    each = lambda x: x if isinstance(x, list | tuple) else (x,)
    numbers = {
      key
      for key, value in values.items()
      if any(type(x) in (int, float) for x in each(value))
    }
    known = RANGES.keys() | CHOICES.keys()
    assert all({k, k.rpartition(".")[2]} & known for k in numbers)


RESNET = "configs/classification/cifar10_resnet20.py"


@pytest.mark.parametrize(
  ("path", "key", "value", "message"),
  [
    (RESNET, "remat", "all", "got 'all'; expected none or blocks or dots"),
    (RESNET, "remat", "True", "got 'True'; expected none or blocks or dots"),
    (RESNET, "bits", "7", "got 7; expected 8 or 16"),
    (RESNET, "dtype", "int8", "got 'int8'; expected float32 or bfloat16 or"),
    (
      "configs/classification/mnist_lenet.py",
      "remat",
      "blocks",
      "got 'blocks'; the model of this config has no blocks to compute again. "
      "Use a smaller --config.batch_size",
    ),
    (
      "configs/detection/coco_detr_r50.py",
      "attention_dropout",
      "1.0",
      "got 1.0; expected 0 or more and below 1",
    ),
  ],
)
def test_values_of_memory_and_precision_are_checked(path, key, value, message):
  with pytest.raises(UserError, match=f"--config.{key}: {re.escape(message)}"):
    recipe.load(f"{path}:tiny", {key: value})


@pytest.mark.parametrize("parts", [1, 4])
def test_accumulate_is_honoured(tmp_path, monkeypatch, parts):
  asked = []

  def make(*args, **options):
    asked.append(options["accumulate"])
    return make_train_step(*args, **options)

  monkeypatch.setattr(experiment, "make_train_step", make)
  flags = (f"--config.accumulate={parts}", "--config.steps=2")
  train(tmp_path, *flags, devices=1)
  assert asked == [parts]


@pytest.mark.parametrize(
  ("path", "channels", "have"),
  [
    ("configs/classification/mnist_lenet.py", 3, "1, as .* of mnist"),
    ("configs/classification/cifar10_resnet20.py", 1, "3, as .* of cifar10"),
    ("configs/classification/digits_cnn.py", 2, "1 or 3, as .* of digits"),
    ("configs/generation/mnist_ddpm.py", 3, "1, as .* of mnist"),
  ],
)
def test_channels_that_the_files_do_not_have(path, channels, have):
  loaded = recipe.load(path, {"channels": str(channels)})
  with pytest.raises(UserError, match=f"got {channels}; expected {have} have"):
    loaded.build()
