"""Clips are augmented as their frames are, all by one draw."""

import jax
import numpy as np
import pytest

from tests.ops.test_augment import ALL, key, make_batch
from vision_jax.errors import UserError
from vision_jax.ops.augment import random_affine, random_flip
from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes
from vision_jax.ops.augment.dense import random_window

FRAMES = 3
RNG = np.random.default_rng(1)
ALONE = {name: x for name, x in ALL.items() if "nois" not in name}
WITH_TARGET = {
  "flip": random_flip(0.5, vertical=0.5),
  "window": random_window((7, 5)),
  "affine": random_affine((0.5, 2.0), 30.0, size=(8, 6)),
}
WITH_BOXES = {
  "flip": random_flip(),
  "flip_boxes": random_flip_boxes(0.5, vertical=0.5),
  "crop_boxes": random_crop_boxes(),
  "affine": random_affine((0.5, 2.0), 30.0),
}


def clips(**more):
  """A batch of clips, whose frames differ."""
  batch = make_batch()
  image = batch["image"][:, None] * RNG.random((1, FRAMES, 1, 1, 1), np.float32)
  return batch | {"image": image} | more


def frame(batch, t, keys):
  return {k: x[:, t] if k in keys else x for k, x in batch.items()}


def assert_as_frames(augment, batch, keys=("image",)):
  apply = jax.jit(augment)
  whole = apply(batch, key(5))
  assert whole["image"].ndim == 5 and whole.keys() == batch.keys()
  assert not np.array_equal(whole["image"], batch["image"])
  for t in range(FRAMES):
    one = apply(frame(batch, t, keys), key(5))
    got = frame(whole, t, keys)
    for name in one:
      np.testing.assert_allclose(
        got[name], one[name], rtol=1e-5, atol=1e-4, err_msg=name
      )


@pytest.mark.parametrize("name", ALONE)
def test_frames_are_augmented_alike(name):
  assert_as_frames(ALONE[name], clips())


@pytest.mark.parametrize("name", WITH_TARGET)
def test_targets_of_frames_move_along(name):
  batch = clips()
  target = RNG.integers(0, 9, batch["image"].shape[:-1], np.uint8)
  assert_as_frames(
    WITH_TARGET[name], batch | {"target": target}, ("image", "target")
  )


@pytest.mark.parametrize("name", WITH_BOXES)
def test_boxes_of_a_clip_move_along(name):
  centre, side = RNG.uniform(0.3, 0.7, (2, 8, 4, 2)).astype(np.float32)
  boxes = np.concatenate([centre, side / 2], -1)
  batch = clips(boxes=boxes, box_mask=np.ones((8, 4), np.float32))
  assert_as_frames(WITH_BOXES[name], batch)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ALONE])
def test_noise_is_of_each_frame(name):
  batch = clips()
  image = np.asarray(jax.jit(ALL[name])(batch, key(5))["image"])
  assert image.shape == batch["image"].shape
  changed = image != batch["image"]
  assert changed.any() and not np.array_equal(image[:, 0], image[:, 1])


def test_boxes_of_frames_are_flipped_or_refused():
  boxes = RNG.random((8, FRAMES, 4, 4), np.float32)
  batch = clips(boxes=boxes, box_mask=np.ones((8, FRAMES, 4), np.float32))
  assert_as_frames(random_flip(), batch, ("image", "boxes", "box_mask"))
  with pytest.raises(UserError, match=r"\(8, 3, 4, 4\) with clips; expected"):
    random_flip_boxes()(batch, key())


def test_a_width_is_flipped_and_no_height():
  image = np.zeros((2, 3, 4, 5, 1), np.float32)
  image[:, :, 0, 0] = 1
  batch = {"image": image, "index": np.arange(2, dtype=np.int32)}
  got = np.asarray(random_flip(1.0)(batch, key())["image"])
  np.testing.assert_array_equal(got, image[:, :, :, ::-1])
