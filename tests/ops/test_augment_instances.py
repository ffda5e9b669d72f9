"""Masks follow boxes and pixels; objects are pasted with both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ops.test_augment_boxes import H, W, batch_of_squares
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.together import Together
from vision_jax.errors import UserError
from vision_jax.ops.augment.boxes import (
  random_crop_boxes,
  random_flip_boxes,
  scale_jitter,
)
from vision_jax.ops.augment.copy_paste import copy_paste
from vision_jax.ops.boxes import around_masks, cxcywh_to_xyxy
from vision_jax.ops.parts import of_parts


def with_masks(batch):
  """Adds the masks of box 0, where the image is bright, and of padding."""
  bright = batch["image"][..., 0] > 0.5
  masks = jnp.stack([bright, jnp.zeros_like(bright)], 1)
  return batch | {"masks": masks.astype(jnp.uint8)}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
  "augment",
  [
    random_flip_boxes(0.5, vertical=0.5),
    pytest.param(random_crop_boxes((0.5, 1.5)), marks=pytest.mark.slow),
    pytest.param(scale_jitter((0.4, 2.0)), marks=pytest.mark.slow),
  ],
)
def test_masks_are_where_the_image_is_bright(augment, padded):
  batch = with_masks(batch_of_squares(16, padded))
  new = jax.jit(augment)(batch, jax.random.key(1))
  assert new["masks"].dtype == jnp.uint8
  kept = np.asarray(new["box_mask"]) > 0
  assert kept[:, 0].sum() >= 8 and not kept[:, 1].any()
  bright = np.asarray(new["image"][..., 0]) >= 0.5
  masks = np.asarray(new["masks"]) > 0
  np.testing.assert_array_equal(masks[kept[:, 0], 0], bright[kept[:, 0]])
  assert not masks[~kept].any()
  # A box is its mask's, but for the pixels that its edges cross.
  shown = np.asarray(new.get("image_mask", np.ones((16, H, W))))
  size = np.stack([shown.max(1).sum(1), shown.max(2).sum(1)], -1)
  scale = np.tile(size, 2)[:, None]
  boxes = np.asarray(cxcywh_to_xyxy(new["boxes"])) * scale
  around = np.asarray(around_masks(new["masks"]))
  np.testing.assert_allclose(around[kept], boxes[kept], atol=1.1)


@pytest.mark.slow
def test_large_scale_jitter_is_as_large_as_it_says():
  batch = with_masks(batch_of_squares(64))
  new = jax.jit(scale_jitter((0.5, 0.5), visible=0))(batch, jax.random.key(0))
  before, after = (x["boxes"][:, 0, 2:] for x in (batch, new))
  np.testing.assert_allclose(after, before / 2, rtol=1e-5)
  assert len(np.unique(np.asarray(new["boxes"][:, 0, 0]).round(4))) > 32


def scene(count, seed, n=3):
  """Images of a colour each with n rectangles of others, and their masks."""
  rng = np.random.default_rng(seed)
  image = np.full((count, H, W, 3), seed, np.float32)
  masks = np.zeros((count, n, H, W), np.uint8)
  box_mask = np.ones((count, n), np.float32)
  box_mask[::3, -1] = 0
  for i in range(count):
    for j in range(n):
      h, w = rng.integers(6, 16, 2)
      y, x = rng.integers(0, H - h + 1), rng.integers(0, W - w + 1)
      if box_mask[i, j]:
        masks[i, :, y : y + h, x : x + w] = 0  # the last one is in front
        masks[i, j, y : y + h, x : x + w] = 1
        image[i, y : y + h, x : x + w] = 100 * seed + j
  box_mask *= masks.any((2, 3))
  size = np.float32([W, H, W, H])
  corners = np.asarray(around_masks(jnp.asarray(masks))) / size
  low, high = corners[..., :2], corners[..., 2:]
  return {
    "image": image,
    "boxes": np.concatenate([(low + high) / 2, high - low], -1),
    "label": np.tile(np.arange(n, dtype=np.int32) + 10 * seed, (count, 1)),
    "box_mask": box_mask,
    "masks": masks,
  }


def loader(count=24, batch=8):
  """Two sets of scenes side by side."""
  return Together(
    scene=Loader(ArraySource(scene(count, 1)), (), batch, seed=0),
    objects=Loader(ArraySource(scene(count, 2)), (), batch, seed=1),
  )


def check_pasted(batch, new, i):
  """Whether image i is what its parts make."""
  real = new["box_mask"][i] > 0
  first, last = real[:3], real[3:]
  masks = new["masks"][i] > 0
  assert not masks[~real].any() and not new["boxes"][i][~real].any()
  assert (masks.sum(0) <= 1).all(), "a pixel is of one object"
  cover = (batch["objects/masks"][i][last] > 0).any(0)
  expected = np.where(
    cover[..., None], batch["objects/image"][i], batch["scene/image"][i]
  )
  np.testing.assert_array_equal(new["image"][i], expected)
  for j in np.flatnonzero(real):
    inside = new["image"][i][masks[j]]
    wanted = 100 + j if j < 3 else 200 + j - 3
    assert (inside == wanted).all() and len(inside)
    rows, columns = masks[j].any(1).nonzero()[0], masks[j].any(0).nonzero()[0]
    corners = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    x, y, w, h = new["boxes"][i, j] * [W, H, W, H]
    found = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    np.testing.assert_allclose(found, corners, atol=1e-3)
    assert new["label"][i, j] == (10 + j if j < 3 else 20 + j - 3)
  left = (batch["scene/masks"][i] > 0) & ~cover
  there = batch["scene/box_mask"][i] > 0
  np.testing.assert_array_equal(first, there & left.any((1, 2)))
  return int(last.sum()), int((there & ~first).sum())


def test_pasted_objects_have_their_pixels_masks_and_boxes():
  paste, key = jax.jit(copy_paste(probability=0.6)), jax.random.key(0)
  pasted = gone = 0
  with loader() as data:
    for step in range(6):
      batch = data.batch(step)
      new = jax.tree.map(np.asarray, paste(batch, key))
      assert new.keys() == {"image", "boxes", "label", "box_mask", "masks"} | {
        *("mask", "index")
      }
      np.testing.assert_array_equal(new["index"], batch["index"])
      for i in range(8):
        counts = check_pasted(batch, new, i)
        pasted, gone = pasted + counts[0], gone + counts[1]
  real = 6 * 8 * (3 - 1 / 3)
  assert 0.4 < pasted / real < 0.8 and gone > 0


@pytest.mark.slow
def test_nothing_depends_on_the_batch():
  """Not on its order, its size, or how many devices share it."""
  jitter = of_parts(
    scene=scale_jitter((0.5, 2.0)), objects=scale_jitter((0.5, 2.0))
  )
  paste = copy_paste()
  both = lambda batch, key: paste(
    jitter(batch, key), jax.random.fold_in(key, 1)
  )
  batch, key = loader().batch(0), jax.random.key(3)
  whole = jax.jit(both)(batch, key)
  order = np.array([5, 0, 7, 2])
  some = jax.jit(both)({k: x[order] for k, x in batch.items()}, key)
  split = {k: x.reshape(4, 2, *x.shape[1:]) for k, x in batch.items()}
  devices = jax.pmap(both, in_axes=(0, None), devices=jax.devices()[:4])
  mapped = devices(split, key)
  for name, value in whole.items():
    np.testing.assert_allclose(some[name], value[order], atol=1e-5)
    joined = np.asarray(mapped[name]).reshape(value.shape)
    np.testing.assert_allclose(joined, value, atol=1e-5)
  kept = np.asarray(whole["box_mask"]) > 0
  assert (
    kept[:, 3:].any()
    and np.asarray(whole["masks"])[kept].any((1, 2)).mean() > 0.9
  )


@pytest.mark.slow
def test_crowds_are_not_pasted_and_little_that_is_left_is_dropped():
  batch, key = loader().batch(0), jax.random.key(0)
  crowd = {
    "scene/crowd": np.zeros((8, 3), np.float32),
    "objects/crowd": np.ones((8, 3), np.float32),
  }
  new = jax.jit(copy_paste(probability=1.0))(batch | crowd, key)
  assert not np.asarray(new["box_mask"][:, 3:]).any()
  np.testing.assert_array_equal(new["image"], batch["scene/image"])
  strict = jax.jit(copy_paste(probability=1.0, visible=1.0))(batch, key)
  cover = (
    batch["objects/masks"] * batch["objects/box_mask"][..., None, None]
  ).any(1)
  touched = (batch["scene/masks"] > 0) & cover[:, None]
  np.testing.assert_array_equal(
    strict["box_mask"][:, :3] > 0,
    (batch["scene/box_mask"] > 0) & ~touched.any((2, 3)),
  )


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: copy_paste(visible=2.0), "visible: got 2.0; expected a part"),
    (lambda: scale_jitter((0, 1.0)), "scale: got"),
    (
      lambda: copy_paste()(
        {"scene/image": 0, "objects/image": 0, "objects/target": 0}, None
      ),
      "copy_paste: scene lacks",
    ),
    (lambda: copy_paste("scenes")({"scene/image": 0}, None), "part"),
  ],
)
def test_what_cannot_be_done_is_an_error(make, message):
  with pytest.raises(UserError, match=message):
    make()
