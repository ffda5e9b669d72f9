"""Segmentation's pipeline: sources with masks in, metrics at their size out."""

import jax
import numpy as np
import pytest
from PIL import Image

from tests.oracles import library
from vision_jax.core.execution import Jit, Pmap
from vision_jax.data.sources.masks import CAMVID_CLASSES
from vision_jax.errors import UserError
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.train.evaluate import Evaluator
from vision_jax.writers.base import About
from vision_jax.writers.masks import MaskWriter

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


NAMES = ("a", "b", "c")


def masked(root, **values):
  given = {
    "dataset": "folder",
    "images": str(root / "images"),
    "masks": str(root / "masks"),
    "class_names": NAMES,
    "ignore_values": (IGNORED,),
  }
  return MaskData(**given | values)


def pipeline(train, evals, target=None, names=NAMES, size=(24, 20), bits=8):
  return segmentation(
    train=train,
    evals=evals,
    class_names=names,
    decode_mask=target,
    image_size=size,
    loading=Loading(2, 8, bits=bits),
    metrics={"segmentation": Segmentation(len(names), class_names=names)},
  )


def of_folder(root, **options):
  data = masked(root)
  return pipeline(data.train, data.evals, data.decode_target(), **options)


class Perfect:
  """A task whose net is right everywhere."""

  objectives = ()

  @staticmethod
  def predict(params, stats, batch, key):
    target = batch["target"]
    return {"target": jax.numpy.where(target == 255, 0, target)}


def metrics(made, execution=None):
  values = {"task": Perfect, "evals": made.evals}
  values["inputs"] = staticmethod(made.inputs)
  experiment = type("Experiment", (), values)
  execution = execution or Jit(devices=jax.devices()[:1])
  evaluator = Evaluator(experiment, execution)
  weights = execution.place(({"unused": np.zeros(3)}, {}))  # pmap needs one
  return evaluator(lambda _: weights)


def test_miou_is_scored_at_the_masks_own_size_as_they_are_written(tmp_path):
  """TorchSeg#78: shrunken truth said 1.0 of masks that score 0.94."""
  sklearn = library("sklearn.metrics")
  masks = write_masked(tmp_path, SIZES)
  made = of_folder(tmp_path)
  got = metrics(made)
  source = made.evals["val"].data.source
  part = source.source
  images = [part.source.files[i][0] for i in part.indices]
  truth, guess, write = [], [], MaskWriter(About(tmp_path / "out"))
  for i, image in enumerate(images):
    small = source.gather(np.array([i]))["target"][0]
    small[small == 255] = 0
    path = write(image, {"target": small}, image.stem)["mask"]
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
    assert metrics(made, execution) == got


def test_miou_of_masks_of_the_images_size_is_counted_on_the_device(tmp_path):
  write_masked(tmp_path, [(24, 20)])
  made = of_folder(tmp_path)
  metric = made.evals["val"].metrics["segmentation"]
  assert not metric.own_size.differs((24, 20))
  got = metrics(made)
  assert got["val/miou"] == 1.0
  assert (got["val/scored_height"], got["val/scored_width"]) == (24, 20)


def test_values_with_gaps_are_listed_if_they_can_be_classes(tmp_path):
  write_masked(tmp_path, [(24, 20)])
  data = masked(tmp_path, class_names=(), ignore_values=())
  with pytest.raises(UserError, match=r"mask_values=0,1,2,9, "):
    data.names()
  many = np.arange(0, 240, 2, np.uint8).reshape(12, 10)
  Image.fromarray(many).save(tmp_path / "masks" / "00.png")
  with pytest.raises(UserError, match=r"saved lossily: export") as caught:
    data.names()
  assert "mask_values=" not in str(caught.value)


def test_masks_of_single_objects_are_background_and_object(tmp_path):
  """Of which each image has others, and most of them many."""
  write_masked(tmp_path, [(24, 20)])
  for i in range(20):
    mask = np.arange(480).reshape(24, 20) // 3 * (i + 1) % 400
    mask = Image.fromarray(mask.astype(np.uint16))
    mask.save(tmp_path / "masks" / f"{i:02}.png")
  given = {"class_names": (), "ignore_values": ()}
  with pytest.raises(UserError, match=r"objects=true takes all but 0 as"):
    masked(tmp_path, **given).names()
  names = masked(tmp_path, **given, objects=True).names()
  assert names == ("background", "object")
  data = masked(tmp_path, **given | {"class_names": names}, objects=True)
  made = pipeline(data.train, data.evals, data.decode_target(), names)
  batch = made.train_data.batch(0)
  assert {*np.unique(batch["target"])} == {0, 1}


def test_numbers_are_the_names_of_classes_without_one(tmp_path):
  write_masked(tmp_path, [(24, 20)])
  assert masked(tmp_path, class_names=()).names() == ("0", "1", "2")
  valued = masked(tmp_path, class_names=(), mask_values=(5, 7))
  assert valued.names() == ("0", "1")
  assert masked(tmp_path).names() == NAMES


def test_balanced_weights_are_of_all_known_pixels(tmp_path):
  """Of one size and all classes: median frequency / frequency."""
  truth = np.stack(list(write_masked(tmp_path, [(24, 20)]).values()))
  pixels = np.array([(truth == k).sum() for k in range(3)])
  expected = np.round(np.median(pixels) / pixels, 4)
  np.testing.assert_allclose(
    masked(tmp_path).balanced_weights(), expected, atol=2e-4
  )
  assert MaskData("scenes", NAMES).balanced_weights() == ()


class Striped:
  """A source of one's own: arrays, whose masks are known by their rows."""

  def __init__(self, length):
    self.length = length

  def __len__(self):
    return self.length

  def fingerprint(self):
    return f"striped {self.length}"

  def read(self, indices):
    target = np.repeat(np.arange(3, dtype=np.uint8), 4)[:, None].repeat(10, 1)
    return [
      {"name": str(i), "image": np.full((12, 10, 3), i, np.uint8)}
      | {"target": target, "boxes": np.zeros(i)}
      for i in indices
    ]


def test_a_source_of_ones_own_needs_no_name():
  made = pipeline(Striped(6), {"held_out": Striped(3)}, size=(12, 10))
  batch = made.train_data.batch(0)
  assert batch["image"].dtype == np.uint8
  assert {*batch} == {"image", "target", "mask", "index"}
  np.testing.assert_array_equal(batch["target"][0, ::4, 0], [0, 1, 2])
  got = metrics(made)
  assert got["held_out/miou"] == 1.0 and got["held_out/scored_height"] == 12
  assert {*made.fields()} == {"train_data", "evals", "inputs", "predict"}


def test_bits_are_kept_where_they_are_asked_for(tmp_path):
  write_masked(tmp_path, [(24, 20)])
  made, low = of_folder(tmp_path, bits=16), of_folder(tmp_path)
  deep, plain = (x.train_data.batch(0) for x in (made, low))
  np.testing.assert_array_equal(deep["image"], plain["image"] * np.uint16(257))
  np.testing.assert_allclose(
    made.inputs(deep)["image"], low.inputs(plain)["image"], atol=1e-5
  )


def test_nothing_to_augment_is_no_augmentation():
  assert mask_augment() is None
  cut = mask_augment(crop=(4, 6))
  batch = {"image": np.ones((2, 8, 8, 3)), "target": np.ones((2, 8, 8), int)}
  batch |= {"index": np.arange(2)}
  shapes = jax.eval_shape(cut, batch, jax.random.key(0))
  assert shapes["image"].shape == (2, 4, 6, 3)
  assert shapes["target"].shape == (2, 4, 6)


def test_an_unknown_data_set_is_refused_with_those_there_are():
  with pytest.raises(UserError, match="got 'ade'; expected camvid, folder or"):
    MaskData("ade").open("val")


def test_scenes_say_that_they_leave_ones_own_masks_out(tmp_path, caplog):
  given = {"images": str(tmp_path), "scenes": (2, 0, 1), "image_size": (32, 32)}
  given["class_names"] = SCENE_CLASSES
  found = MaskData("scenes", **given)
  assert (len(found.train), len(found.evals["test"])) == (2, 1)
  assert found.split_names() == ("train", "test")
  assert f"--config.images={tmp_path}: not used" in caplog.text
  assert "digit scenes" in caplog.messages[0]
  before = len(caplog.messages)
  MaskData("scenes", **given | {"images": ""}).open("train")
  assert len(caplog.messages) == before
  with pytest.raises(UserError, match="at least one to train on"):
    MaskData("scenes", **given | {"scenes": (0, 2, 1)}).open("train")
  with pytest.raises(UserError, match="same height and width"):
    MaskData("scenes", **given | {"image_size": (32, 48)}).open("train")


def test_names_that_would_mislabel_are_refused():
  """Masks of these sets say what their classes are."""
  swapped = (SCENE_CLASSES[1], SCENE_CLASSES[0], *SCENE_CLASSES[2:])
  for names in (swapped, SCENE_CLASSES[:5], ()):
    with pytest.raises(UserError, match=r"class_names: got .*scenes of digits"):
      MaskData("scenes", names, scenes=(2, 0, 1)).open("train")
  values = (1, 0, *range(2, 11))
  MaskData("scenes", swapped, values, scenes=(2, 0, 1)).open("train")
  turned = CAMVID_CLASSES[::-1]
  with pytest.raises(
    UserError, match=r"got bicyclist.*expected the order of Ca"
  ):
    MaskData("camvid", turned).open("train")
  for names in (CAMVID_CLASSES, ("wall", "floor")):  # of one's own
    assert MaskData("camvid", names).evals.keys() == {"val", "test"}
  MaskData("camvid", turned, range(10, -1, -1)).open("train")
