"""Image and boxes move together: what a box shows stays inside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes

H, W = 40, 48


def batch_of_squares(count, padded=False, seed=0):
  """One bright rectangle an image; box 1 is padding."""
  rng = np.random.default_rng(seed)
  image = np.zeros((count, H, W, 1), np.float32)
  image_mask = np.zeros((count, H, W), np.float32)
  boxes = np.zeros((count, 2, 4), np.float32)
  for i in range(count):
    h, w = (
      (rng.integers(30, H + 1), rng.integers(32, W + 1)) if padded else (H, W)
    )
    image_mask[i, :h, :w] = 1
    bh, bw = rng.integers(8, 14, 2)
    y, x = rng.integers(0, h - bh + 1), rng.integers(0, w - bw + 1)
    image[i, y : y + bh, x : x + bw] = 1
    boxes[i, 0] = [(x + bw / 2) / w, (y + bh / 2) / h, bw / w, bh / h]
  batch = {
    "image": jnp.asarray(image),
    "boxes": jnp.asarray(boxes),
    "box_mask": jnp.tile(jnp.array([1.0, 0.0]), (count, 1)),
    "index": jnp.arange(count, dtype=jnp.int32),
  }
  return batch | ({"image_mask": jnp.asarray(image_mask)} if padded else {})


def shown(batch, i):
  """The bright rectangle's corners in pixels, from image and from box."""
  bright = np.asarray(batch["image"][i, :, :, 0]) > 0.5
  rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
  mask = np.asarray(batch.get("image_mask", np.ones((i + 1, H, W)))[i])
  h, w = mask.max(1).sum(), mask.max(0).sum()
  x, y, bw, bh = np.asarray(batch["boxes"][i, 0]) * [w, h, w, h]
  found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
  return found, [x - bw / 2, y - bh / 2, x + bw / 2, y + bh / 2]


AUGMENTS = {
  "flip": random_flip_boxes(0.5, vertical=0.5),
  "crop": random_crop_boxes((0.5, 1.0), ratio=(0.8, 1.25)),
  "jitter": random_crop_boxes((0.7, 1.6)),
}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", AUGMENTS)
def test_boxes_stay_around_what_they_show(name, padded):
  batch = batch_of_squares(24, padded)
  new = jax.jit(AUGMENTS[name])(batch, jax.random.key(1))
  kept = 0
  for i in range(24):
    if new["box_mask"][i, 0]:
      found, wanted = shown(new, i)
      np.testing.assert_allclose(found, wanted, atol=1.6, err_msg=str(i))
      kept += 1
    else:
      assert not np.asarray(new["boxes"][i]).any()
  assert kept >= 12 and not np.asarray(new["box_mask"][:, 1]).any()
  assert not np.allclose(new["image"], batch["image"])


def test_a_window_around_the_image_shows_it_smaller_and_no_border():
  """The mask shows the image alone, whatever lies in the padding."""
  content = np.random.default_rng(0).normal(size=(20, 24, 1)) + 3
  image = np.full((1, H, W, 1), -50.0, np.float32)
  image[0, :20, :24] = content
  mask = np.zeros((1, H, W), np.float32)
  mask[0, :20, :24] = 1
  box = np.array([[[0.5, 0.25, 0.5, 0.2], [0, 0, 0, 0]]], np.float32)
  batch = batch_of_squares(1) | {"image": image, "boxes": box}
  batch |= {"image_mask": jnp.asarray(mask)}
  new = jax.jit(random_crop_boxes((4.0, 4.0)))(batch, jax.random.key(0))
  shown = np.asarray(new["image_mask"][0]) > 0
  expected = np.zeros((H, W), bool)
  expected[:10, :12] = True
  np.testing.assert_array_equal(shown, expected)
  small = jax.image.resize(content, (10, 12, 1), "linear", antialias=True)
  np.testing.assert_allclose(new["image"][0, :10, :12], small, atol=1e-4)
  assert not np.asarray(new["image"][0])[~shown].any()
  np.testing.assert_allclose(new["boxes"], box, atol=1e-6)


def test_padding_has_no_part_in_what_is_shown():
  batch = batch_of_squares(16, padded=True)
  mask = batch["image_mask"][..., None] > 0
  batch["image"] = jnp.where(mask, 7.0, -50.0)
  crop = jax.jit(random_crop_boxes((0.5, 1.7)))
  new = crop(batch, jax.random.key(2))
  shown = np.asarray(new["image_mask"]) > 0
  np.testing.assert_allclose(new["image"][shown], 7, rtol=1e-5)
  assert not np.asarray(new["image"])[~shown].any()


@pytest.mark.parametrize("padded", [False, True])
def test_a_flip_is_exact_and_its_own_inverse(padded):
  batch = batch_of_squares(4, padded)
  flip = random_flip_boxes(1.0, vertical=1.0)
  twice = flip(flip(batch, jax.random.key(0)), jax.random.key(0))
  np.testing.assert_array_equal(twice["image"], batch["image"])
  np.testing.assert_allclose(twice["boxes"], batch["boxes"], atol=1e-6)


def test_examples_do_not_depend_on_their_neighbours():
  batch, key = batch_of_squares(8), jax.random.key(3)
  augment = jax.jit(random_crop_boxes((0.5, 1.5), probability=0.5))
  whole = augment(batch, key)
  half = augment({k: v[4:] for k, v in batch.items()}, key)
  for name, value in half.items():
    np.testing.assert_allclose(value, whole[name][4:], atol=1e-6)


def test_a_box_that_is_mostly_hidden_is_dropped():
  batch = batch_of_squares(32)
  keep = lambda visible: random_crop_boxes((0.4, 0.4), visible=visible)(
    batch, jax.random.key(0)
  )["box_mask"].sum()
  assert keep(0.9) < keep(0.0) < 32


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: random_crop_boxes((0.0, 1.0)), "scale"),
    (lambda: random_crop_boxes(ratio=(2.0, 1.0)), "ratio"),
    (lambda: random_crop_boxes(visible=2.0), "visible"),
    (lambda: random_flip_boxes(1.5), "probability"),
    (
      lambda: random_flip_boxes()({"image": jnp.zeros((1, 2, 2, 1))}, None),
      "lacks",
    ),
  ],
)
def test_what_cannot_be_done_is_an_error(make, message):
  with pytest.raises(ValueError, match=message):
    make()
