"""Pipelines of images with labels: sources, classification, generation."""

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms.image import resize
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.classification import Accuracy
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import GREY, SIGNED, UNIT
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import first, generation, sample_evals
from vision_jax.pipelines.sources.labels import LabelData

LOADING = Loading(batch_size=4, eval_batch_size=3)


def arrays(n=6, size=8):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, (n, size, size, 3), np.uint8)
  return ArraySource({"image": image, "label": np.arange(n) % 2}, 2)


class Files:
  """A source of encoded images of 20 x 10."""

  def __len__(self):
    return 5

  def read(self, indices):
    return [
      {"image": encode(random_image(20, 10, seed=i)), "label": np.int32(i % 2)}
      for i in indices
    ]

  def fingerprint(self):
    return "files"


def classified(**changes):
  given = {
    "train": arrays(),
    "evals": {"test": arrays()},
    "class_names": ("cat", "dog"),
    "colours": GREY,
    "crop": resize((8, 8)),
    "loading": LOADING,
    "metrics": {"accuracy": Accuracy()},
  }
  return classification(**given | changes)


def test_sources_in_fields_of_an_experiment_out():
  data = classified(evals={"val": arrays(), "files": Files()})
  fields = data.fields()
  assert fields.keys() == {"train_data", "evals", "inputs", "predict"}
  batch = data.train_data.batch(0)
  assert batch["image"].shape == (4, 8, 8, 3)
  seen = np.asarray(data.inputs(batch)["image"])
  np.testing.assert_allclose(seen, batch["image"] / 127.5 - 1, atol=1e-6)
  assert data.predict.class_names == ("cat", "dog")
  (one, two) = data.evals["files"].data.epoch()
  assert one["image"].shape == (3, 8, 8, 3) and two["mask"].sum() == 2
  example = Files().read([0])[0]
  for transform in data.predict.transforms:
    example = transform(example, None)
  np.testing.assert_array_equal(one["image"][0], example["image"])


def test_labels_have_to_be_of_the_models_classes():
  """Whatever the data say: MixUp makes of another label no class at all."""
  data = classified(class_names=())  # then those of the source, 2
  assert data.train_data.batch(0)["label"].max() == 1
  made = (
    classified(evals={"files": Files()}, class_names=("cat",)),
    classified(evals={"files": Files()}, class_names=(), num_classes=1),
    generation(
      train=arrays(),
      evals={"files": Eval(arrays(), {})},
      colours=UNIT,
      loading=LOADING,
      num_classes=1,
    ),
  )
  for data in made:
    with pytest.raises(UserError, match=r"label: got 1 in .*; expected 0 to 0"):
      data.train_data.batch(0)
    with pytest.raises(UserError, match=r"label: got 1 in .*; expected 0 to 0"):
      list(data.evals["files"].data.epoch())


def test_files_to_train_on_have_a_crop_of_their_own():
  half = lambda example, rng: example | {"image": np.zeros((4, 4, 3), np.uint8)}
  data = classified(train=Files(), train_crop=half)
  assert data.train_data.batch(0)["image"].shape == (4, 4, 4, 3)
  data = classified(train=Files())
  assert data.train_data.batch(0)["image"].shape == (4, 8, 8, 3)


def test_every_set_has_the_splits_it_says():
  digits = LabelData("digits", image_size=32, holdout=37)
  lengths = {name: len(digits.open(name)) for name in digits.split_names()}
  assert lengths == {"train": 1400, "val": 37, "test": 360}
  assert digits.train.gather(np.arange(2))["image"].shape == (2, 32, 32, 3)
  assert digits.evals.keys() == {"val", "test"}
  whole = LabelData("digits", image_size=9, channels=1)
  assert (len(whole.train), whole.evals.keys()) == (1437, {"test"})
  with pytest.raises(UserError, match="got 'val'; expected one of train, test"):
    whole.open("val")
  imagenet = LabelData("imagenet2012", data_dir="/none")
  assert imagenet.evals["test"].split == "validation"
  assert LabelData("cifar10").names()[3] == "cat"
  assert imagenet.names() == ()


def test_parts_of_a_set_that_is_kept_in_memory_share_it():
  """It would be decoded twice, and take twice the memory."""
  mnist = LabelData("mnist", channels=1, holdout=5000)
  assert mnist.train is mnist.train
  assert mnist.train.source is mnist.evals["val"].source


def test_generated_images_meet_loaders_of_the_sources():
  source = arrays()
  seen = Eval(first(source, 5), {"a": Accuracy()}, costly=True)
  data = generation(
    train=source, evals={"bound": seen}, colours=UNIT, loading=LOADING
  )
  assert data.fields().keys() == {"train_data", "evals", "inputs"}
  bound = data.evals["bound"]
  assert bound.costly and bound.metrics is seen.metrics
  masks = [batch["mask"].sum() for batch in bound.data.epoch()]
  assert masks == [3, 2]
  assert first(source, 0) is source
  batch = data.train_data.batch(0)
  unit = np.asarray(data.inputs(batch)["image"])
  np.testing.assert_allclose(unit, batch["image"] / 255, atol=1e-6)
  signed = generation(train=source, evals={}, colours=SIGNED, loading=LOADING)
  seen = np.asarray(signed.inputs(batch)["image"])
  np.testing.assert_allclose(seen, 2 * unit - 1, atol=1e-6)


def test_samples_meet_what_is_asked_for():
  evals = lambda real: sample_evals(
    arrays(6), arrays(4), None, None, real=real, examples=3, recognised=True
  )
  sizes = lambda real: {k: len(e.data) for k, e in evals(real).items()}
  assert sizes("test") == {"test": 3} and sizes("train") == {"train_set": 6}
  assert evals("test")["test"].metrics.keys() == {"quality", "recognised"}
  with pytest.raises(UserError, match="got 'val'; expected 'test' or 'train'"):
    evals("val")
