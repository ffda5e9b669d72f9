"""Pixels travel in their source's type and become floats within the step."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

from tests.data_fixtures import random_image
from tests.test_configs import CONFIGS
from vision_jax.core.execution import Jit
from vision_jax.core.step import make_eval_step, make_predict_step
from vision_jax.data.transforms.base import apply_all
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.ops.inputs import normalize
from vision_jax.recipe import recipe

BYTES = np.stack([random_image(6, 5, seed=i) for i in range(8)])
MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)


@pytest.mark.parametrize(
  "image",
  [
    BYTES,
    BYTES * np.uint16(257),
    (BYTES / 255).astype(np.float32),
    (BYTES / 255).astype(np.float16),
  ],
  ids=lambda image: image.dtype.name,
)
def test_pixels_of_every_type_become_the_same_floats(image):
  batch = {"image": image, "label": np.arange(8)}
  out = jax.jit(normalize(MEAN, STD))(batch)
  expected = (BYTES / 255 - np.array(MEAN)) / np.array(STD)
  half = image.dtype == np.float16
  np.testing.assert_allclose(
    out["image"], expected, atol=2e-3 if half else 1e-6
  )
  assert out["image"].dtype == np.float32
  np.testing.assert_array_equal(out["label"], np.arange(8))
  np.testing.assert_allclose(
    normalize((0.5,), (0.5,))(batch)["image"],
    BYTES / 127.5 - 1,
    atol=2e-3 if half else 1e-6,
  )


@pytest.mark.parametrize("kind", [np.int32, np.int8, np.uint32, bool])
def test_numbers_without_a_white_are_refused(kind):
  message = f"of the type {np.dtype(kind)}; expected uint8, uint16, or floats"
  with pytest.raises(UserError, match=message):
    jax.eval_shape(normalize(), {"image": np.zeros((2, 2, 2, 3), kind)})


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: normalize([0], [0]), "positive std"),
    (lambda: normalize([0], [np.nan]), "positive std"),
    (lambda: normalize([0, 0], [1]), "as many of both"),
    (
      lambda: normalize([0, 0], [1, 1])({"image": BYTES}),
      r"images \[8, 6, 5, 3\] have 3 channels; expected 2",
    ),
  ],
)
def test_means_that_do_not_fit_are_refused(make, message):
  with pytest.raises(UserError, match=message):
    make()


class Seeing:
  """A task whose output is what it was given."""

  objectives = ()

  def predict(self, params, stats, batch, key):
    return {"seen": batch["image"] * params["one"]}


class Sum:
  """The sum of what a metric is given."""

  state = ()

  def measure(self, state, out, batch):
    return {"out": out["seen"].sum(), "batch": batch["image"].sum()}, {}


def test_evaluation_and_prediction_see_inputs_once():
  execution = Jit()
  batch = {
    "image": BYTES,
    "mask": np.ones(8, np.float32),
    "index": np.arange(8, dtype=np.int32),
  }
  options = {"inputs": normalize(MEAN, STD)}
  placed = execution.put(batch)
  assert placed["image"].dtype == np.uint8
  key = execution.init(lambda: jax.random.key(0))
  weights = execution.place(({"one": np.float32(1)}, {}))
  expected = (BYTES / 255 - np.array(MEAN)) / np.array(STD)
  step = execution.eval_step(make_predict_step(Seeing(), **options))
  out = step(*weights, (), placed, key)
  np.testing.assert_allclose(out["seen"], expected, atol=1e-6)
  step = execution.eval_step(
    make_eval_step(Seeing(), {"sum": Sum()}, **options)
  )
  sums, *_ = step(*weights, {"sum": ()}, placed, key)
  for name in ("out", "batch"):
    np.testing.assert_allclose(sums["sum"][name], expected.sum(), rtol=1e-5)


def encoded(channels):
  file = io.BytesIO()
  pixels = random_image(40, 44)
  Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(file, "PNG")
  return {"image": file.getvalue(), "name": "a.png"}


def is_image(key):
  """Whether a batch's key is of images, of its parts' too."""
  return key.rpartition("/")[2] == "image"


@pytest.mark.parametrize("path", CONFIGS)
def test_bytes_travel_as_bytes(path):
  """In training, each evaluation and prediction of every config."""
  loaded = recipe.load(f"{path}:tiny")
  experiment: Experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  given = [batch]
  given += [next(e.data.epoch()) for e in experiment.evals.values()]
  images = [x for k, x in batch.items() if is_image(k)]
  if experiment.predict is not None:
    channels = images[0].shape[-1]
    example = apply_all(experiment.predict.transforms, encoded(channels), None)
    shape = example["image"].shape
    assert experiment.predict.own_size or shape == images[0].shape[1:]
    given.append({"image": example["image"][None]})
  for each in given:
    if "joints" in each:  # coordinates
      assert each["joints"].dtype == np.float32
      continue
    seen = jax.eval_shape(experiment.inputs, each)
    for key in filter(is_image, each):
      if "restoration" in path:  # noise, and depths, are finer than bytes are
        assert each[key].dtype in (np.float32, np.uint8, np.uint16)
      else:
        assert each[key].dtype == np.uint8
      assert seen[key].dtype == np.float32
