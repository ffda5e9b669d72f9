"""One affine map of image, mask and boxes, against scipy's and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from vision_jax.ops import augment
from vision_jax.ops.augment.affine import random_affine
from vision_jax.ops.augment.keys import uniforms

H, W, FILL, IGNORE = 30, 37, -3.0, 255
B = 6
RANGES = {"scale": (0.6, 1.7), "crop": (0.4, 1.3), "ratio": (0.7, 1.4)}
DEGREES, TRANSLATION = 40, 0.2
KEY = jax.random.key(5)


def smooth_batch(channels=2, padded=False):
  """Smooth images, a mask of rectangles, two boxes and one padded."""
  rng = np.random.default_rng(0)
  image = ndimage.gaussian_filter(
    rng.normal(size=(B, H, W, channels)), (0, 2, 2, 0)
  )
  target = rng.integers(0, 5, (B, H // 5 + 1, W // 5 + 1), np.uint8)
  target = target.repeat(5, 1).repeat(5, 2)[:, :H, :W]
  boxes = np.zeros((B, 3, 4), np.float32)
  boxes[:, :2, :2] = rng.uniform(0.3, 0.7, (B, 2, 2))
  boxes[:, :2, 2:] = rng.uniform(0.1, 0.4, (B, 2, 2))
  batch = {
    "image": jnp.asarray(image, jnp.float32),
    "boxes": jnp.asarray(boxes),
    "box_mask": jnp.tile(jnp.array([1.0, 1.0, 0.0]), (B, 1)),
    "index": jnp.arange(B, dtype=jnp.int32) + 11,
  }
  if padded:
    mask = np.zeros((B, H, W), np.float32)
    for i, (h, w) in enumerate(SIZES):
      mask[i, :h, :w] = 1
    return batch | {"image_mask": jnp.asarray(mask)}
  return batch | {"target": jnp.asarray(target)}


SIZES = [(30, 20), (17, 37), (30, 37), (12, 12), (25, 31), (30, 9)]


def maps(batch, sizes):
  """Of each example, from the documented draws: (matrix, offset), y and x.

  A pixel of the window at p lies in the image at matrix p + offset.
  """
  draws = np.asarray(uniforms(batch, KEY, 4), np.float64)
  more = uniforms(batch, jax.random.fold_in(KEY, 1), 4)
  more = np.asarray(more, np.float64)
  between = lambda name, u: np.exp(
    (1 - u) * np.log(RANGES[name][0]) + u * np.log(RANGES[name][1])
  )
  found = []
  for i, size in enumerate(sizes):
    size = np.array(size, np.float64)
    zoom = between("scale", draws[i, 0]) / np.sqrt(between("crop", more[i, 0]))
    skew = np.sqrt(between("ratio", more[i, 1]))
    zoom = np.array([zoom * skew, zoom / skew])
    turn = np.deg2rad((2 * draws[i, 1] - 1) * DEGREES)
    turn = np.array(
      [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    )
    room = np.abs(size - size / zoom)
    centre = size / 2 + (draws[i, 2:] - 0.5) * room
    centre -= (2 * more[i, 2:] - 1) * TRANSLATION * size
    matrix = np.diag(1 / zoom) @ turn
    found.append((matrix, centre - 0.5 - matrix @ (size / 2 - 0.5)))
  return found


AUGMENT = random_affine(
  RANGES["scale"],
  DEGREES,
  translation=TRANSLATION,
  crop=RANGES["crop"],
  ratio=RANGES["ratio"],
  fill=FILL,
  ignore=IGNORE,
)


def boxes_by_hand(box, matrix, offset, size):
  """The box around the four moved corners, cut; None if 0.3 or less stays."""
  size = np.array(size, np.float64)
  x, y, w, h = np.asarray(box, np.float64) * np.tile(size[::-1], 2)
  corners = [(y + i * h / 2, x + j * w / 2) for i in (-1, 1) for j in (-1, 1)]
  back = np.linalg.inv(matrix)
  moved = np.array([back @ (np.array(c) - 0.5 - offset) + 0.5 for c in corners])
  low, high = moved.min(0), moved.max(0)
  cut_low, cut_high = np.clip(low, 0, size), np.clip(high, 0, size)
  if np.prod(cut_high - cut_low) <= 0.3 * np.prod(high - low):
    return None
  middle, sides = (cut_low + cut_high) / 2, cut_high - cut_low
  return np.concatenate([(middle / size)[::-1], (sides / size)[::-1]])


@pytest.mark.parametrize("padded", [False, True])
def test_image_mask_and_boxes_are_moved_as_by_scipy(padded):
  batch = smooth_batch(padded=padded)
  sizes = SIZES if padded else [(H, W)] * B
  new = jax.jit(AUGMENT)(batch, KEY)
  kept = dropped = 0
  for i, (matrix, offset) in enumerate(maps(batch, sizes)):
    h, w = sizes[i]
    for c in range(2):
      source = np.asarray(batch["image"][i, :h, :w, c], np.float64)
      wanted = ndimage.affine_transform(
        np.pad(source - FILL, 1), matrix, offset + 1,
        output_shape=(h, w), order=1, mode="grid-constant",
      ) + FILL  # fmt: skip
      got = new["image"][i, :h, :w, c]
      np.testing.assert_allclose(got, wanted, atol=2e-5)
    rest = np.ones((H, W), bool)
    rest[:h, :w] = False
    np.testing.assert_array_equal(
      np.asarray(new["image"][i])[rest], np.asarray(batch["image"][i])[rest]
    )
    if not padded:
      wanted = ndimage.affine_transform(
        batch["target"][i], matrix, offset, order=0, mode="grid-constant",
        cval=IGNORE,
      )  # fmt: skip
      same = np.asarray(new["target"][i]) == wanted
      assert same.mean() > 0.998  # but where float32 ends between two pixels
    for n in range(2):
      box = boxes_by_hand(batch["boxes"][i, n], matrix, offset, sizes[i])
      assert bool(new["box_mask"][i, n]) == (box is not None)
      wanted = np.zeros(4) if box is None else box
      np.testing.assert_allclose(new["boxes"][i, n], wanted, atol=1e-5)
      kept, dropped = kept + (box is not None), dropped + (box is None)
  assert kept >= 6 and dropped >= 1
  assert not np.asarray(new["box_mask"][:, 2]).any()


def test_a_window_of_another_size_and_whole_numbers():
  batch = smooth_batch()
  full = jnp.array([0.5, 0.5, 1.0, 1.0])
  batch["boxes"] = jnp.tile(full, (B, 3, 1))
  batch["image"] = jnp.full((B, H, W, 7), 200, jnp.uint8)
  cut = lambda visible: random_affine((2.0, 2.0), size=(8, 6), visible=visible)
  both = jax.jit(lambda x: (cut(0.0)(x, KEY), cut(0.3)(x, KEY)))
  loose, strict = both(batch)
  assert loose["image"].shape == (B, 8, 6, 7)
  assert loose["target"].shape == (B, 8, 6)
  assert loose["image"].dtype == jnp.uint8 and (loose["image"] == 200).all()
  # A window of 8 x 6 of an image twice as large shows 4 x 3 of its pixels.
  np.testing.assert_allclose(
    loose["boxes"][:, 0], np.tile(full, (B, 1)), atol=1e-6
  )
  assert not np.asarray(strict["box_mask"]).any()


def test_noise_is_as_strong_as_said_in_parts_of_white():
  batch = {
    "image": jnp.zeros((400, 12, 12, 5)),
    "index": jnp.arange(400, dtype=jnp.int32),
  }
  std = (0.5, 0.25, 1.0, 0.2, 0.1)
  white = augment.normalized_range((0.4,) * 5, std)
  noise = jax.jit(augment.random_noise(0.2, value_range=white))
  got = np.asarray(noise(batch, KEY)["image"]) * std  # in parts of white
  each = got.std((1, 2, 3))  # uniform from 0 to 0.2
  assert each.max() < 0.22 and abs(each.mean() - 0.1) < 0.01
  np.testing.assert_allclose(got.std((0, 1, 2)), 0.2 / 3**0.5, rtol=0.05)
  shaped = got / each[:, None, None, None]
  assert abs(shaped.mean()) < 0.01 and abs((shaped**4).mean() - 3) < 0.1
  pixels = shaped.reshape(-1, 5)
  np.testing.assert_allclose(np.corrcoef(pixels.T), np.eye(5), atol=0.03)
  grey = batch | {"image": jnp.full((400, 12, 12, 1), 128, jnp.uint8)}
  bytes_ = np.asarray(noise(grey, KEY)["image"]).astype(np.float32)
  assert abs((bytes_ - 128).std() - 255 * 0.2 / 3**0.5) < 2


def test_both_are_of_the_example_alone():
  batch = smooth_batch()
  both = jax.jit(
    augment.sequence(AUGMENT, augment.random_noise(0.1, value_range=(0.0, 1.0)))
  )
  whole, half = both(batch, KEY), {k: x[2:4] for k, x in batch.items()}
  for name, x in both(half, KEY).items():
    np.testing.assert_allclose(x, whole[name][2:4], atol=1e-5)


def test_a_vertical_flip_takes_everything_along():
  batch = smooth_batch()
  new = augment.random_flip(0.0, vertical=1.0)(batch, KEY)
  np.testing.assert_array_equal(new["image"], batch["image"][:, ::-1])
  np.testing.assert_array_equal(new["target"], batch["target"][:, ::-1])
  y = batch["boxes"][..., 1]
  np.testing.assert_allclose(new["boxes"][..., 1], 1 - y, atol=1e-6)
  np.testing.assert_array_equal(new["boxes"][..., 0], batch["boxes"][..., 0])


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: random_affine(ratio=(2.0, 1.0)), "ratio: got"),
    (lambda: random_affine(translation=1.5), "translation: got 1.5; expected"),
    (lambda: augment.random_noise(2.0, value_range=(0, 1)), "strength: got 2"),
    (
      lambda: random_affine()(
        smooth_batch() | {"image_mask": jnp.ones((B, H, W))}, KEY
      ),
      "'image_mask'",
    ),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
