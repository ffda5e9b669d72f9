"""What the configs make of folders of one's own data."""

import jax
import numpy as np
import pytest
from PIL import Image

from configs import detection_data, segmentation_data
from tests.data_fixtures import encode, picture
from vision_jax.core.execution import Jit, Pmap
from vision_jax.errors import UserError
from vision_jax.experiment import base_config
from vision_jax.recipe import recipe
from vision_jax.train.evaluate import Evaluator
from vision_jax.viz.masks import write_masks

FOLDER = "configs/classification/folder_resnet18.py"


def put(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(picture(8, 8)))


def of_folder(folder, variant="full", **values):
  """The experiment of a folder of classes, which need not be there."""
  small = {"image_size": "32", "batch_size": "2", "eval_batch_size": "2"}
  values = {"data_dir": str(folder), "class_names": "cat,dog"} | small | values
  return recipe.load(f"{FOLDER}:{variant}", values, resolve=False).build()


@pytest.mark.parametrize(
  ("splits", "evaluated"),
  [
    (("",), {"val": 2}),
    (("Train",), {"val": 2}),
    (("train", "validation"), {"val": 20}),
    (("Training", "valid", "test"), {"val": 20, "test": 20}),
    (("train", "test"), {"val": 2, "test": 20}),
  ],
)
def test_every_split_of_a_folder_is_used_for_what_it_is(
  tmp_path, splits, evaluated
):
  for split in splits:
    for name in ("cat", "dog"):
      put(tmp_path / split / name, *(f"{i}.jpg" for i in range(10)))
  data = of_folder(tmp_path)
  sizes = {name: len(e.data.source) for name, e in data.evals.items()}
  assert sizes.keys() == evaluated.keys()
  for name, size in evaluated.items():
    assert abs(sizes[name] - size) <= 1
  train = len(data.train_data.source)
  assert train == (20 if sizes["val"] == 20 else 20 - sizes["val"])
  batch = data.train_data.batch(0)
  assert np.isfinite(batch["image"]).all() and batch["label"].max() <= 1


def test_predicting_needs_no_training_data(tmp_path):
  assert of_folder(tmp_path / "gone").predict.class_names == ("cat", "dog")


SIZES = [(40, 30), (64, 48), (33, 57), (64, 64)]
IGNORED = 9


def write_masked(root, sizes, count=20):
  """Random regions: images tell their masks in the red channel, times 80."""
  rng = np.random.default_rng(0)
  masks = {}
  for name in ("images", "masks"):
    (root / name).mkdir()
  for i in range(count):
    h, w = sizes[i % len(sizes)]
    regions = rng.integers(0, 3, (h // 3 + 1, w // 3 + 1))
    mask = np.kron(regions, np.ones((3, 3), int))[:h, :w].astype(np.uint8)
    mask[0, :5] = IGNORED
    Image.fromarray(mask).save(root / "masks" / f"{i:02}.png")
    image = np.repeat(mask[..., None], 3, -1) * 25
    Image.fromarray(image).save(root / "images" / f"{i:02}.png")
    masks[f"{i:02}"] = mask
  return masks


def masked_config(root, **values):
  given = {
    "dataset": "folder",
    "images": str(root / "images"),
    "masks": str(root / "masks"),
    "class_names": ("a", "b", "c"),
    "ignore_values": (IGNORED,),
    "image_size": (24, 20),
  }
  data = segmentation_data.data_values("full", **given | values)
  return base_config(steps=1, batch_size=2, **data)


class Perfect:
  """A task whose net is right everywhere."""

  objectives = ()

  @staticmethod
  def predict(params, stats, batch, key):
    target = batch["target"]
    return {"target": jax.numpy.where(target == 255, 0, target)}


def figures(fields, execution=None):
  values = {"task": Perfect, "evals": fields["evals"]}
  values["inputs"] = staticmethod(fields["inputs"])
  experiment = type("Experiment", (), values)
  execution = execution or Jit(devices=jax.devices()[:1])
  evaluator = Evaluator(experiment, execution)
  weights = execution.place(({"unused": np.zeros(3)}, {}))  # pmap needs one
  return evaluator(lambda _: weights)


def test_miou_is_scored_at_the_masks_own_size_as_they_are_written(tmp_path):
  """TorchSeg#78: shrunken truth said 1.0 of masks that score 0.94."""
  sklearn = pytest.importorskip("sklearn.metrics")
  masks = write_masked(tmp_path, SIZES)
  config = masked_config(tmp_path)
  fields = segmentation_data.experiment_fields(config)
  got = figures(fields)
  source = fields["evals"]["val"].data.source
  part = source.source
  images = [part.source.files[i][0] for i in part.indices]
  truth, guess = [], []
  for i, image in enumerate(images):
    small = source.gather(np.array([i]))["target"][0]
    small[small == 255] = 0
    pixels = np.asarray(Image.open(image))
    path, _ = write_masks(tmp_path / "out", image.stem, pixels, small)
    truth.append(masks[image.stem].ravel())
    guess.append(np.asarray(Image.open(path)).ravel())
    assert guess[-1].size == truth[-1].size
  truth, guess = np.concatenate(truth), np.concatenate(guess)
  known = truth != IGNORED
  pair = truth[known], guess[known]
  assert got["val/miou"] == pytest.approx(
    sklearn.jaccard_score(*pair, average="macro"), abs=1e-12
  )
  assert got["val/global_accuracy"] == sklearn.accuracy_score(*pair)
  assert 0.3 < got["val/miou"] < 0.99
  heights = [len(masks[image.stem]) for image in images]
  assert got["val/scored_height"] == np.mean(heights)
  for execution in (Jit(), Pmap()):  # of eight devices
    assert figures(fields, execution) == got


def test_miou_of_masks_of_the_images_size_is_counted_on_the_device(tmp_path):
  write_masked(tmp_path, [(24, 20)])
  fields = segmentation_data.experiment_fields(masked_config(tmp_path))
  metric = fields["evals"]["val"].metrics["segmentation"]
  assert not metric.own_size.differs((24, 20))
  got = figures(fields)
  assert got["val/miou"] == 1.0
  assert (got["val/scored_height"], got["val/scored_width"]) == (24, 20)


def test_values_with_gaps_are_listed_if_they_can_be_classes(tmp_path):
  write_masked(tmp_path, [(24, 20)])
  config = masked_config(tmp_path, class_names=(), ignore_values=())
  with pytest.raises(UserError, match=r"mask_values=0,1,2,9, "):
    segmentation_data.resolve_classes(config)
  many = np.arange(0, 240, 2, np.uint8).reshape(12, 10)
  Image.fromarray(many).save(tmp_path / "masks" / "00.png")
  with pytest.raises(UserError, match=r"saved lossily: export") as caught:
    segmentation_data.resolve_classes(config)
  assert "mask_values=" not in str(caught.value)


def test_a_tiny_variant_says_that_it_leaves_ones_own_pictures_out(
  tmp_path, caplog
):
  config = masked_config(tmp_path)
  tiny = base_config(
    steps=1,
    batch_size=2,
    **segmentation_data.data_values("tiny") | {"images": config.images},
  )
  segmentation_data.experiment_fields(tiny)
  assert f"--config.images={config.images}: not used" in caplog.text
  assert "digit scenes" in caplog.messages[0]
  values = detection_data.data_values("tiny")
  boxes = base_config(steps=1, batch_size=2, **values)
  boxes.data_dir = "/my/boxes"
  detection_data.experiment_fields(boxes)
  assert "--config.data_dir=/my/boxes: not used" in caplog.messages[-1]
  of_folder("/my/cats", "tiny")
  assert "--config.data_dir=/my/cats: not used" in caplog.messages[-1]
  assert "scikit-learn's digits" in caplog.messages[-1]
  before = len(caplog.messages)
  of_folder("", "tiny")
  assert len(caplog.messages) == before


def test_digits_are_not_made_smaller_than_they_are():
  """Of 7 pixels they would be black."""
  data = of_folder("", "tiny", image_size="7")
  with pytest.raises(UserError, match=r"image_size: got 7; expected 8 or more"):
    data.train_data.batch(0)
