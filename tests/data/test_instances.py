"""Maps that number objects, from files to batches."""

import io

import cv2
import jax
import numpy as np
import pytest
from PIL import Image

from vision_jax.data.errors import DataError
from vision_jax.data.sources.discs import Discs
from vision_jax.data.transforms.instances import (
  decode_instances,
  stretch_levels,
)
from vision_jax.errors import UserError
from vision_jax.metrics.instances import InstancePrecision
from vision_jax.ops import augment
from vision_jax.ops.augment.dense import random_window
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.instances import instances
from vision_jax.pipelines.sources.instances import InstanceData


def png(pixels):
  done, data = cv2.imencode(".png", pixels)
  assert done
  return data.tobytes()


def npy(array):
  buffer = io.BytesIO()
  np.save(buffer, array)
  return buffer.getvalue()


def decoded(mask, shape=(3, 4)):
  example = {"image": np.zeros((*shape, 1), np.uint8), "target": mask}
  return decode_instances()(example, None)["instances"]


def test_numbers_with_gaps_are_kept():
  numbers = np.zeros((3, 4), np.uint16)
  numbers[0], numbers[2, 1] = 65535, 7
  for mask in (png(numbers), npy(numbers), npy(numbers.astype(np.int64))):
    found = decoded(mask)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize(
  "mask, words",
  [
    (npy(np.full((3, 4), 65536)), "numbers from 65536 to 65536; expected 0 to"),
    (npy(np.full((3, 4), -1)), "numbers from -1"),
    (npy(np.ones((3, 4), np.float32)), "type float32; expected whole numbers"),
    (png(np.ones((3, 4, 3), np.uint8)), "expected one number for each pixel"),
    (png(np.ones((4, 3), np.uint8)), "expected one size"),
  ],
)
def test_maps_that_cannot_be_are_named(mask, words):
  with pytest.raises(UserError, match=words):
    decoded(mask)


def test_without_a_map_it_is_an_error():
  with pytest.raises(DataError, match="has no mask"):
    decode_instances()({"image": np.zeros((2, 2, 1))}, None)


def test_levels_are_stretched_between_percentiles():
  image = np.arange(200, dtype=np.uint16).reshape(10, 20, 1) * 3 + 1000
  found = stretch_levels(10, 90)({"image": image}, None)["image"]
  low, high = np.percentile(image, (10, 90))
  expected = np.clip((image - low) / (high - low), 0, 1) * 255
  np.testing.assert_allclose(found, expected, atol=0.51)
  flat = stretch_levels()({"image": np.full((2, 2, 1), 9, np.uint8)}, None)
  assert not flat["image"].any()
  with pytest.raises(DataError, match="two percentiles"):
    stretch_levels(60, 40)


def moved_together(step, batch):
  """The batch, whose image is its map, after a step."""
  batch = batch | {"image": batch["instances"][..., None].astype(np.float32)}
  return jax.device_get(jax.jit(step)(batch, jax.random.key(1)))


@pytest.mark.slow
@pytest.mark.parametrize(
  "step",
  [
    augment.random_flip(0.5, vertical=0.5),
    augment.random_quarter_turn(),
    random_window((8, 8)),
  ],
  ids=["flip", "turn", "window"],
)
def test_image_and_instances_move_together(step):
  rng = np.random.default_rng(0)
  batch = {
    "instances": rng.integers(0, 60000, (16, 12, 12), np.int32),
    "index": np.arange(16, dtype=np.int32),
  }
  new = moved_together(step, batch)
  np.testing.assert_array_equal(new["image"][..., 0], new["instances"])
  assert not np.array_equal(new["instances"], batch["instances"])


@pytest.mark.slow
def test_a_scaled_map_is_of_the_same_numbers_and_background_outside():
  numbers = np.zeros((4, 16, 16), np.int32)
  numbers[:, 5:12, 5:12] = 60001
  batch = {"instances": numbers, "index": np.arange(4, dtype=np.int32)}
  new = moved_together(augment.random_affine((0.5, 0.5), 30.0), batch)
  assert {*np.unique(new["instances"])} == {0, 60001}
  assert 4 <= (new["instances"][0] > 0).sum() <= 25
  middle = new["image"][..., 0] / 60001
  assert np.abs(middle - (new["instances"] > 0)).max() <= 0.75


def test_what_moves_images_alone_refuses_instances():
  batch = {
    "image": np.zeros((1, 8, 8, 1), np.float32),
    "instances": np.zeros((1, 8, 8), np.int32),
    "index": np.zeros(1, np.int32),
  }
  for step in (augment.random_crop(2), augment.random_elastic()):
    with pytest.raises(UserError, match="instances"):
      step(batch, jax.random.key(0))
  wide = {**batch, "image": np.zeros((1, 8, 9, 1), np.float32)}
  with pytest.raises(UserError, match="expected square ones"):
    augment.random_quarter_turn()(wide, jax.random.key(0))


def test_discs_are_pure_and_some_images_are_empty():
  source = Discs("train", 100, size=16)
  first, again = source.read(np.array([3, 5])), source.read(np.array([5, 3]))
  np.testing.assert_array_equal(first[0]["image"], again[1]["image"])
  numbers = [x["instances"].max() for x in source.read(np.arange(100))]
  assert min(numbers) == 0 < max(numbers) <= 12
  with pytest.raises(DataError, match="expected a size of at least 16"):
    Discs("val", 3, size=8)


def folder(tmp_path, sizes):
  for place in ("images", "masks"):
    (tmp_path / place).mkdir()
  rng = np.random.default_rng(0)
  for i, size in enumerate(sizes):
    pixels = rng.integers(0, 90, size, np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"images/{i}.png")
    numbers = np.zeros(size, np.uint16)
    numbers[2:9, 3:9] = 300 + i
    (tmp_path / f"masks/{i}.png").write_bytes(png(numbers))
  return InstanceData("folder", data_dir=str(tmp_path))


def test_batches_are_parts_and_evaluations_are_whole(tmp_path):
  data = folder(tmp_path, [(24, 32)] * 8 + [(16, 20)] * 4)
  assert data.split_names() == ("train", "val")
  made = instances(
    train=data.train,
    evals=data.evals,
    patch_size=16,
    loading=Loading(4, 2, channels=1),
    metrics={"instances": InstancePrecision()},
  )
  batch = made.train_data.batch(0)
  assert batch["image"].shape == (4, 16, 16, 1)
  assert batch["image"].dtype == np.uint8
  assert batch["image"].max() == 255  # stretched
  assert batch["instances"].shape == (4, 16, 16)
  assert batch["instances"].dtype == np.int32
  for batch in made.evals["val"].data.epoch():
    assert batch["image"].shape[1:3] in {(24, 32), (16, 20)}
    assert batch["instances"].max() >= 300
  made.train_data.close()
  made.evals["val"].data.close()


@pytest.mark.parametrize(
  "given, words",
  [
    ({"dataset": "cells"}, "expected folder or discs"),
    ({"dataset": "discs"}, "--config.scenes"),
    ({"dataset": "folder", "images": "a"}, "expected both, or one folder"),
  ],
)
def test_a_data_set_that_cannot_be_is_an_error(given, words):
  with pytest.raises(UserError, match=words):
    InstanceData(**given).split_names()
