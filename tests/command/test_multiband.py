"""Images of other channels than three, from the check to an overlay."""

import json
import re
import shutil

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.box_files import write_voc
from tests.programs.command import call
from vision_jax.data.own import Own
from vision_jax.errors import UserError
from vision_jax.models.listing import MODELS
from vision_jax.pipelines import pixels
from vision_jax.recipe import recipe, resume
from vision_jax.viz.bands import show_bands

CONFIG = "configs/segmentation/folder_unet.py:multiband"
SMALL = {
  "image_size": "32,32",
  "batch_size": 8,
  "eval_batch_size": 4,
  "steps": 60,
  "warmup": 5,
  "log_every": 20,
  "eval_every": 60,
  "width": 4,
  "depth": 2,
  "dropout": 0,
  "augment.rotation": 0,
  "augment.scale": "",
  "lr": 0.02,
}
# Colours stay as they are.
GREY = {f"augment.{x}": "0" for x in ("brightness", "contrast", "saturation")}


def scene(i):
  """Seven channels of noise, as of a satellite; the last one shows a field."""
  rng = np.random.default_rng(i)
  image = rng.integers(300, 900, (40, 48, 7)).astype(np.uint16)
  mask = np.zeros((40, 48), np.uint8)
  y, x = rng.integers(0, 20, 2)
  mask[y : y + 20, x : x + 24] = 1
  image[..., 6] += mask * np.uint16(2_000)
  return image, mask


def write_scenes(folder, number=24):
  """TIFFs, chunky and planar, packed and not, and masks beside them."""
  (folder / "images").mkdir(parents=True)
  (folder / "masks").mkdir()
  for i in range(number):
    image, mask = scene(i)
    planar = "separate" if i % 2 else "contig"
    tifffile.imwrite(
      folder / "images" / f"{i:02}.tif",
      np.moveaxis(image, -1, 0) if i % 2 else image,
      photometric="minisblack",
      planarconfig=planar,
      compression="zlib" if i % 4 > 1 else None,
    )
    Image.fromarray(mask).save(folder / "masks" / f"{i:02}.png")


def flags(**values):
  return [f"--config.{key}={value}" for key, value in values.items()]


def values_of(workdir):
  return json.loads((workdir / "config.json").read_text())["values"]


@pytest.mark.slow
def test_seven_channels_from_the_check_to_an_overlay(
  tmp_path, monkeypatch, caplog
):
  mine, workdir = tmp_path / "mine", tmp_path / "run"
  write_scenes(mine)
  given = flags(data_dir=mine)
  sheet = f"--output={tmp_path / 'sheet'}"
  checked = call("--mode=check", *given, sheet)
  assert checked.code == 2
  assert "Channels: 7 of 16 bits (24)" in checked.out
  assert "24 images of other channels than training" in checked.out
  wanted = r"00\.tif: 7 channels, 16 bit: give --config\.channels=7 --config"
  assert re.search(wanted + r"\.bits=16", checked.err)
  shown = flags(channels=7, bits=16, show_bands="6,6,0")
  shown += flags(**GREY, image_size="32,32")
  checked = call("--mode=check", *given, *shown, sheet, devices=1)
  assert checked.code == 0, checked.err
  for name in ("check", "augmented"):
    assert np.asarray(Image.open(tmp_path / f"sheet/{name}.png")).std() > 30

  run = [f"--workdir={workdir}", *given, *flags(**SMALL, show_bands="6,2,0")]
  trained = call(f"--config={CONFIG}", *run, devices=1)
  assert trained.code == 0, trained.err
  kept = values_of(workdir)
  own = Own(str(mine), "masks")
  train = own.open("train")
  numbers = [int(train.source.paths()[i][:2]) for i in train.indices]
  pixel = np.concatenate([scene(i)[0].reshape(-1, 7) for i in numbers]) / 65535
  np.testing.assert_allclose(kept["mean"], pixel.mean(0), 1e-5)
  np.testing.assert_allclose(kept["std"], pixel.std(0), 1e-5)
  assert f"measured of {len(numbers)} of {len(numbers)} images" in caplog.text

  def refuse(*_):
    raise AssertionError("a run that goes on measures nothing")

  monkeypatch.setattr(pixels, "measure", refuse)
  longer = {"data_dir": str(mine), "show_bands": "6,2,0"}
  longer |= {key: str(value) for key, value in SMALL.items()} | {"steps": "62"}
  again = resume.begin_or_resume(workdir, CONFIG, longer, print)
  assert list(again.config.mean) == kept["mean"] and again.config.steps == 62
  evaluated = call("--mode=eval", f"--workdir={workdir}", devices=1)
  assert evaluated.code == 0, evaluated.err
  (line,) = (workdir / "evaluations.jsonl").read_text().splitlines()
  assert json.loads(line)["val/miou"] > 0.9, line

  images = tmp_path / "images"
  (mine / "images").rename(images)
  shutil.rmtree(mine)  # predicting needs no data
  output = tmp_path / "out"
  call_predict = [
    "--mode=predict",
    f"--workdir={workdir}",
    f"--output={output}",
  ]
  predicted = call(*call_predict, f"--images={images}", devices=1)
  assert predicted.code == 0, predicted.err
  image, truth = scene(3)
  mask = np.asarray(Image.open(output / "masks/03.png"))
  assert mask.shape == truth.shape and (mask == truth).mean() > 0.95
  overlay = np.asarray(Image.open(output / "overlays/03.png")).astype(int)
  colours = show_bands(image, (6, 2, 0)).astype(int)
  apart = overlay - colours // 2  # half of each is the class's own colour
  for k in (0, 1):
    assert (np.ptp(apart[mask == k], 0) <= 1).all()


def test_an_image_of_six_channels_among_those_of_seven(tmp_path):
  mine = tmp_path / "mine"
  write_scenes(mine, 5)
  path = mine / "images" / "02.tif"
  tifffile.imwrite(path, scene(2)[0][..., :6], photometric="minisblack")
  sheet = f"--output={tmp_path / 'sheet'}"
  for given, fix in (
    (flags(), "give --config.channels=7 --config.bits=16, and convert the"),
    (flags(channels=7, bits=16), "02.tif: 6 channels, 16 bit: convert them"),
  ):
    checked = call("--mode=check", *flags(data_dir=mine), *given, sheet)
    assert checked.code == 2
    assert fix in checked.err
    assert "--config.channels=6" not in checked.out + checked.err


def test_a_classifier_takes_arrays_of_five_channels(tmp_path):
  for label in ("a", "b"):
    (tmp_path / label).mkdir()
    for i in range(10):
      x = 20 + 5 * np.random.default_rng(i).random((12, 14, 5))
      np.save(tmp_path / label / f"{i}.npy", x.astype(np.float32))
  given = {"data_dir": str(tmp_path), "image_size": "8", "batch_size": "4"}
  given |= {"dataset": "folder", "class_names": "a,b"}
  path = "configs/classification/folder_resnet18.py:tiny"
  loaded = recipe.load(path, given | {"channels": "5", "bits": "32"})
  assert np.allclose(loaded.config.mean, 22.5, atol=0.2)
  batch = first_step(loaded)
  assert batch["image"].shape == (4, 8, 8, 5)
  assert batch["image"].dtype == np.float32 and batch["image"].min() >= 20
  some = {"bands": "4,0", "bits": "32", "mean": "0.5", "std": "1,2"}
  loaded = recipe.load(path, given | some)
  assert loaded.config.channels == 2 and loaded.config.mean == (0.5, 0.5)
  assert first_step(loaded)["image"].shape == (4, 8, 8, 2)


def first_step(loaded):
  """Traces the first step on real data; returns its batch."""
  with loaded.build() as experiment:
    batch = experiment.train_data.batch(0)
    key = jax.random.key(0)
    state = jax.eval_shape(lambda: experiment.initial_state(key, batch))
    jax.eval_shape(experiment.train_step(), state, batch)
    for data in experiment.evals.values():
      data.data.batch(0)
  return batch


def test_a_detector_takes_tiffs_of_four_bands(tmp_path):
  for i in range(24):
    write_voc(tmp_path, [("hen", 3, 4, 20, 30)], name=f"{i}")
    path = tmp_path / "JPEGImages" / f"{i}.jpg"
    x = np.random.default_rng(i).integers(0, 256, (40, 60, 4), np.uint8)
    tifffile.imwrite(path.with_suffix(".tif"), x)  # without a word of bands
    path.unlink()
  given = {"data_dir": str(tmp_path), "dataset": "folder", "class_names": ""}
  given |= {"batch_size": "2", "channels": "4"} | GREY
  path = "configs/detection/voc_detr.py:tiny"
  loaded = recipe.load(path, given | {"show_bands": "3,0,1"})
  assert len(loaded.config.mean) == len(loaded.config.std) == 4
  assert first_step(loaded)["image"].shape == (2, 32, 32, 4)
  with loaded.build() as experiment:
    data = experiment.evals["val"]
    batch = data.data.batch(0)
    found = {"boxes": np.zeros((8, 1, 4)), "score": np.zeros((8, 1))}
    found["label"] = np.zeros((8, 1), int)
    drawn = data.images(batch, found)["boxes"]
  assert drawn.shape[-1] == 3 and drawn.std() > 10
  assert experiment.predict.show_bands == (3, 0, 1)
  with pytest.raises(UserError, match="for images of 4 channels"):
    recipe.load(path, given | {"augment.contrast": "0.3"}).build()


REFUSED = {
  "three": (
    {},
    "has 7 channels; expected 3. Convert it, or train with --config.channels=7",
  ),
  "channels and bands": (
    {"channels": "7", "bands": "0,1"},
    "channels: got 7 with the 2 bands",
  ),
  "numbers": (
    {"channels": "7", "mean": "0.5,0.5", "std": "1"},
    r"mean: got 2 numbers, .* for 7 channels",
  ),
  "a deviation of zero": ({"channels": "7", "std": "0"}, "std: got .* than 0"),
  "a constant band": (
    {"channels": "7", "bits": "16"},
    "std: the channels 2 have one value alone in all 2. images",
  ),
  "two shown": ({"channels": "7", "show_bands": "0,1"}, "show_bands: got"),
  "none of those taken": (
    {"bands": "0,1,2,6", "show_bands": "3"},
    r"show_bands: got \(3,\); .* of 0, 1, 2, 6",
  ),
}


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
  """Scenes whose third channel is empty."""
  folder = tmp_path_factory.mktemp("constant")
  write_scenes(folder)
  for path in (folder / "images").iterdir():
    image = tifffile.imread(path)
    image = image if image.shape[-1] == 7 else np.moveaxis(image, 0, -1)
    image[..., 2] = 5
    tifffile.imwrite(path, image, planarconfig="contig")
  return folder


@pytest.mark.parametrize("what", REFUSED)
def test_values_that_do_not_fit_are_refused(constant, what):
  given, message = REFUSED[what]
  given = {"data_dir": str(constant)} | GREY | given
  path = "configs/segmentation/folder_unet.py"
  with pytest.raises(UserError, match=message):
    recipe.load(path, given).build().train_data.batch(0)


FAMILIES = ("mlp", "lenet5", "cnn", "resnet20", "resnet50", "vit_ti4")
FAMILIES += ("unet", "segnet_basic", "fcn8s", "detr_r50")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_first_layer_of_a_net_takes_any_number_of_channels(name):
  h, w, _ = MODELS[name].image
  image = jax.ShapeDtypeStruct((1, h, w, 7), np.float32)
  init = lambda x: MODELS[name].make().init(jax.random.key(0), x, train=False)
  params = jax.eval_shape(init, image)["params"]
  inputs = {n for x in jax.tree.leaves(params) for n in x.shape[:-1]}
  assert inputs & {7, 7 * h * w, 7 * 4 * 4}  # channels, of all or 4 x 4 pixels
