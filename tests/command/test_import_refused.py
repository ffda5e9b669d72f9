"""What --mode=import refuses, and what it takes that looks odd."""

import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

import vision_jax
from tests.command.test_import_mode import FIELDS, SOURCE, imported
from tests.interop.published_files import write_resnet18
from tests.programs.command import call
from vision_jax.inference import importing
from vision_jax.interop.files import Opened


@pytest.fixture(scope="module")
def published(tmp_path_factory):
  file = tmp_path_factory.mktemp("published") / "resnet18.safetensors"
  return file, write_resnet18(file, width=4)


def refused(result, *words):
  assert result.code == 2, result.err
  assert "Traceback" not in result.err
  for word in words:
    assert word in result.err


FLAGS = [
  ("--config.source=torchvision:resnet34", "--source"),
  ('--config.fields={"widht": 4}', "'widht'"),
  ('--config.fields={"stages": "a"}', "no ResNet can be made"),
  ('--config.fields={"num_classes": 9}', "--config.num_classes=9"),
  ("--config.preprocess.size=(96,)", "(height, width)"),
  ("--config.preprocess.size=96", "(height, width)"),
  ("--config.preprocess.mean=(1,2)", "preprocess.mean", "3 channels"),
  ("--config=configs/classification/mnist_cnn.py", "no published net"),
  ("--config=configs/detection/imported.py", "of detection"),
]


@pytest.mark.parametrize("case", FLAGS, ids=lambda case: case[0])
def test_flags_that_cannot_be(published, tmp_path, case):
  flag, *words = case
  how = ("--mode=import", SOURCE, f"--file={published[0]}")
  result = call(*how, f"--output={tmp_path / 'w'}", flag)
  refused(result, *words)
  assert not [*tmp_path.iterdir()]


def test_files_that_are_not_of_floats_or_not_finite(published, tmp_path):
  file, kernel = tmp_path / "x.safetensors", published[1]["conv1.weight"]
  for bad, word in (
    (kernel.astype(np.int8), "int8 there, expected floats"),
    (np.where(kernel > 0.1, np.nan, kernel), "not finite"),
  ):
    save_file({**published[1], "conv1.weight": bad}, file)
    refused(imported(file, tmp_path / "w"), "params/conv1/kernel", word)
  assert [x.name for x in tmp_path.iterdir()] == [file.name]


def test_names_are_said_to_be_most_like_those_of_their_own_layout(
  published, tmp_path
):
  how = ("--mode=import", f"--file={published[0]}", FIELDS)
  source = "--source=torchvision:resnet34"
  result = call(*how, source, f"--output={tmp_path / 'w'}")
  refused(result, "most like those of resnet/torchvision")


def test_places_that_cannot_be(published, tmp_path):
  (tmp_path / "file").write_text("")
  refused(imported(published[0], tmp_path / "file"), "Not a directory")
  refused(imported(published[0], tmp_path / "file" / "w"), "Not a directory")
  assert os.listdir(tmp_path) == ["file"]


@pytest.mark.slow
def test_an_empty_folder_behind_a_link(published, tmp_path):
  (tmp_path / "own").mkdir()
  (tmp_path / "link").symlink_to(tmp_path / "own")
  odd = tmp_path / "a::b é.safetensors"
  shutil.copy(published[0], odd)
  result = imported(odd, tmp_path / "link")
  assert result.code == 0, result.err
  assert (tmp_path / "link").is_symlink()
  assert (tmp_path / "own" / "config.json").exists()


@pytest.mark.slow
def test_a_file_that_was_fine_tuned_keeps_its_head(published, tmp_path):
  own = {
    name: x[:7].copy() if name.startswith("fc") else x
    for name, x in published[1].items()
  }
  save_file(own, tmp_path / "x.safetensors")
  refused(
    imported(tmp_path / "x.safetensors", tmp_path / "w"),
    "--config.num_classes=N",
  )
  seven = "--config.num_classes=7"
  result = imported(tmp_path / "x.safetensors", tmp_path / "w", seven)
  assert result.code == 0 and "new: " not in result.err, result.err
  _, variables = vision_jax.load(tmp_path / "w")
  head = variables["params"]["fc"]["kernel"]
  np.testing.assert_array_equal(head, own["fc.weight"].T)


def test_what_differs_from_the_source_is_said(monkeypatch, published, tmp_path):
  found = importing.published.find
  differs = importing.dataclasses.replace
  monkeypatch.setattr(
    importing.published,
    "find",
    lambda *of: (found(*of)[0], differs(found(*of)[1], differs="no bells")),
  )
  result = imported(published[0], tmp_path / "w")
  assert "no bells." in result.err


@pytest.mark.parametrize(
  ("source", "config"),
  [
    ("diffusers:google/ddpm-cifar10-32", "generation/cifar10_ddpm.py"),
    ("facebook:dinov2_vits14", "classification/imported.py"),
    ("kair:dncnn_25", "restoration/imported.py"),
  ],
)
def test_a_net_has_its_config_named_or_not(source, config):
  given = importing.Given(source, "", Opened({}, "torch"))
  for named in (None, f"configs/{config}"):
    recipe = importing.recipe_of(given, named, {})
    assert recipe.path.endswith(config)


def test_a_run_begins_with_floats_and_a_net_that_is_known(published, tmp_path):
  file, kernel = tmp_path / "model.safetensors", published[1]["conv1.weight"]
  arrays = {**published[1], "conv1.weight": kernel.astype(np.int8)}
  save_file(arrays, file)
  (tmp_path / "config.json").write_text("{}")
  run = (f"--init_from={file}", f"--workdir={tmp_path / 'w'}")
  result = call("--config=configs/classification/imported.py:tiny", *run)
  refused(result, "int8 there, expected floats")
  result = call("--config=configs/classification/folder_finetune.py", *run)
  refused(result, "of no workdir")
