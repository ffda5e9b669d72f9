"""What the configs of one's own data tell of two classes."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from tests.marks import with_slow
from tests.programs.blobs import CLASSES
from tests.programs.files import write_folder
from vision_jax.core.execution import Jit
from vision_jax.inference.predict import predict_folder
from vision_jax.inference.threshold import Threshold
from vision_jax.recipe import recipe
from vision_jax.train.evaluate import Evaluator

RNG = np.random.default_rng(0)


def untrained(path, **overrides):
  """Returns a config's experiment, an execution and weights."""
  experiment = recipe.load(path, overrides).build()
  execution = Jit(devices=jax.devices()[:1])
  batch = experiment.train_data.batch(0)
  state = execution.init(
    lambda: experiment.initial_state(jax.random.key(0), batch)
  )
  return experiment, execution, state.weights


def write_masks(folder):
  """Twenty images with masks of 0 and 255, which are as bright as they."""
  for part in ("images", "masks"):
    (folder / part).mkdir()
  for i in range(20):
    mask = np.uint8(255) * (RNG.random((16, 16)) < 0.4)
    image = np.repeat(mask[..., None], 3, -1)
    Image.fromarray(image).save(folder / f"images/{i}.png")
    Image.fromarray(mask).save(folder / f"masks/{i}.png")
  return {part: str(folder / part) for part in ("images", "masks")}


def test_masks_of_two_classes_have_dice_and_a_threshold(tmp_path):
  experiment, execution, weights = untrained(
    "configs/segmentation/folder_unet.py",
    **write_masks(tmp_path),
    **{"mask_values": "0,255", "image_size": "16,16", "width": "2"},
    **{"depth": "1", "batch_size": "2", "eval_batch_size": "4"},
  )
  found = Evaluator(experiment, execution)(weights)
  assert {"val/miou", "val/dice", "val/dice/0", "val/dice/1"} <= {*found}
  assert 0 <= found["val/threshold"] <= 1
  # At 0 everything is of the class, so that the best is no worse.
  assert 0.4 < found["val/threshold_dice"] <= 1
  assert found["val/threshold_dice"] >= found["val/dice/1"] - 1e-6
  images, run = tmp_path / "images", (experiment, weights(), execution)
  formats = ("probs", "prob_images", "masks", "overlay")
  for least in (None, 0.3, 0.9):
    output = tmp_path / str(least)
    options = {"batch_size": 8, "formats": formats}
    options["threshold"] = Threshold(least, "given")
    assert predict_folder(*run, str(images), output, **options) == 20
    for line in read_lines(output / "predictions.jsonl"):
      probs, mask = np.load(line["probs"]), np.array(Image.open(line["mask"]))
      assert line["classes"] == ["0", "1"] and probs.shape == (16, 16, 2)
      likely = probs.argmax(-1) if least is None else probs[..., 1] >= least
      # In the values that came in.
      np.testing.assert_array_equal(np.uint8(255) * likely, mask)
      second = np.array(Image.open(line["prob_images"]["1"]))
      np.testing.assert_allclose(second / 65535, probs[..., 1], atol=1e-5)
    assert (output / "legend.png").is_file()


def read_lines(file):
  return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("classes", with_slow([2, 3], 3))
def test_images_have_f1_auc_and_calibration(tmp_path, classes):
  for split in ("train", "val"):
    write_folder(tmp_path / split, each=4)
    for name in CLASSES[classes:]:
      shutil.rmtree(tmp_path / split / name)
  experiment, execution, weights = untrained(
    "configs/classification/folder_resnet18.py",
    **{"data_dir": str(tmp_path), "image_size": "32", "width": "2"},
    **{"batch_size": "2", "eval_batch_size": "4", "on_shared": "keep"},
  )
  found = Evaluator(experiment, execution)(weights)
  both = {"accuracy", "f1_macro", "auc", "average_precision", "ece"}
  both |= {f"recall/{name}" for name in CLASSES[:classes]}
  assert {f"val/{name}" for name in both} <= {*found}
  positive = {"precision", "recall", "f1", "threshold", "threshold_f1"}
  positive |= {f"confusion/{a}/{b}" for a in CLASSES[:2] for b in CLASSES[:2]}
  positive = {f"val/{name}" for name in positive}
  assert positive & {*found} == (positive if classes == 2 else set())
  assert all(np.isfinite(value) for value in found.values())
