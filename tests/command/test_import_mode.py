"""Published files as workdirs: imported, evaluated, begun with, loaded."""

import json

import numpy as np
import pytest

import vision_jax
from tests.interop.folders import fake_hub
from tests.interop.published_files import write_resnet18
from tests.programs.command import call
from vision_jax.errors import UserError
from vision_jax.interop.adapt import widen
from vision_jax.models.backbones.resnet import ResNet18

FIELDS = '--config.fields={"width": 4}'
SOURCE = "--source=torchvision:resnet18"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
  """A file with a narrow ResNet-18's random weights, by torchvision's names."""
  file = tmp_path_factory.mktemp("published") / "resnet18.safetensors"
  return file, write_resnet18(file, width=4)


@pytest.fixture(scope="module")
def workdir(published, tmp_path_factory):
  """The workdir of that file."""
  place = tmp_path_factory.mktemp("imported") / "r18"
  result = imported(published[0], place)
  assert result.code == 0, result.err
  return place


def imported(file, place, *flags):
  how = ("--mode=import", SOURCE, f"--file={file}", f"--output={place}")
  return call(*how, FIELDS, *flags)


def test_a_workdir_says_where_its_weights_are_from(workdir, published):
  about = json.loads((workdir / "imported.json").read_text())
  assert about["source"] == "torchvision:resnet18"
  assert len(about["sha256"]["resnet18.safetensors"]) == 64
  values = json.loads((workdir / "config.json").read_text())["values"]
  assert values["preprocess"]["resize"] == 256
  assert values["preprocess"]["mean"] == [0.485, 0.456, 0.406]
  assert values["num_classes"] == 1000


def test_its_net_has_the_files_arrays(workdir, published):
  _, variables = vision_jax.load(workdir)
  arrays = published[1]
  params, stats = variables["params"], variables["batch_stats"]
  np.testing.assert_array_equal(
    params["conv3_1"]["projection"]["kernel"],
    arrays["layer2.0.downsample.0.weight"].transpose(2, 3, 1, 0),
  )
  np.testing.assert_array_equal(stats["bn1"]["var"], arrays["bn1.running_var"])
  np.testing.assert_array_equal(params["fc"]["kernel"], arrays["fc.weight"].T)


@pytest.mark.slow
def test_a_notebook_has_the_outputs_of_the_command(workdir, published):
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (2, 300, 260, 3)).astype(np.uint8)
  model, variables = vision_jax.load(workdir)
  batch = vision_jax.preprocess(model, images)
  assert batch.shape == (2, 224, 224, 3)
  logits = model.apply(variables, batch, train=False)
  outputs = vision_jax.inference.load(workdir).predict(images)
  np.testing.assert_allclose(logits, outputs["logits"], atol=1e-5)
  with pytest.raises(UserError, match="has not returned"):
    vision_jax.preprocess(ResNet18(num_classes=2), images)


def test_a_head_of_other_classes_is_new_and_channels_widen(published, tmp_path):
  flags = ("--config.num_classes=7", "--config.channels=5")
  result = imported(published[0], tmp_path / "w", *flags)
  assert result.code == 0, result.err
  assert "fc, of 7 classes and not 1000" in result.err
  assert "reads 5 channels" in result.err
  _, variables = vision_jax.load(tmp_path / "w")
  params, kernel = variables["params"], published[1]["conv1.weight"]
  assert params["fc"]["kernel"].shape == (32, 7)
  np.testing.assert_allclose(
    params["conv1"]["kernel"],
    widen(kernel.transpose(2, 3, 1, 0), 5),
  )
  same = np.ones((1, 1, 3, 1)) * kernel.transpose(2, 3, 1, 0)
  np.testing.assert_allclose(
    same.sum(2), np.asarray(params["conv1"]["kernel"]).sum(2), atol=1e-6
  )


def test_what_cannot_be_imported_is_an_error(published, workdir, tmp_path):
  result = imported(published[0], workdir)
  assert result.code == 2 and "expected a folder that is not" in result.err
  how = ("--mode=import", f"--output={tmp_path / 'w'}", FIELDS)
  result = call(*how, "--source=torchvision:resnet34", f"--file={published[0]}")
  assert result.code == 2 and "not there: " in result.err
  assert not (tmp_path / "w").exists() and not [*tmp_path.iterdir()]
  result = call(*how, "--source=resnet18", f"--file={published[0]}")
  assert result.code == 2 and "torchvision:resnet18" in result.err
  result = call(*how, SOURCE, f"--file={tmp_path / 'none.safetensors'}")
  assert result.code == 2 and "none.safetensors" in result.err


@pytest.mark.slow
def test_a_repository_is_downloaded_if_that_is_asked_for(
  published, tmp_path, monkeypatch
):
  fake_hub(monkeypatch, published[0].parent)
  result = imported("owner/name", tmp_path / "w")
  assert result.code == 2 and "--download" in result.err
  result = imported("owner/name", tmp_path / "w", "--download")
  assert result.code == 0, result.err
  about = json.loads((tmp_path / "w" / "imported.json").read_text())
  assert list(about["sha256"]) == ["resnet18.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["", ":resnet/torchvision"])
def test_a_run_begins_with_a_published_file(published, tmp_path, layout):
  result = call(
    "--config=configs/classification/imported.py:tiny",
    f"--workdir={tmp_path / 'w'}",
    f"--init_from={published[0]}{layout}",
    "--config.steps=1",
    "--config.lr=0",
  )
  assert result.code == 0, result.err
  assert "new: model/fc" in result.err
  _, variables = vision_jax.load(tmp_path / "w")
  np.testing.assert_array_equal(
    variables["params"]["conv1"]["kernel"],
    published[1]["conv1.weight"].transpose(2, 3, 1, 0),
  )


def test_a_file_of_another_net_is_named(published, tmp_path):
  how = (
    "--config=configs/classification/digits_cnn.py:tiny",
    f"--workdir={tmp_path / 'w'}",
  )
  result = call(*how, f"--init_from={published[0]}")
  assert result.code == 2 and "most like resnet/torchvision" in result.err
  result = call(*how, f"--init_from={published[0]}:resnet/none")
  assert result.code == 2 and "resnet/torchvision" in result.err
  assert not (tmp_path / "w").exists()
