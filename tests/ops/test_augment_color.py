"""Colour operations against Pillow and scikit-image."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from skimage import color, data

from tests.marks import with_slow
from vision_jax.forms.choice import FORMS, use_forms
from vision_jax.ops import augment
from vision_jax.ops.augment import levels, pixels, randaugment, tables, warp

PHOTO = data.astronaut()[100:164, 200:248]  # (64, 48, 3) uint8
FLAT = np.full((8, 8, 3), 77, np.uint8)
CENTRAL = np.where(np.arange(48) < 20, 60, 180).astype(np.uint8)
IMAGES = {
  "photo": PHOTO,
  "flat": FLAT,
  "two_levels": np.broadcast_to(CENTRAL[None, :, None], (20, 48, 3)).copy(),
  "tiny": PHOTO[:3, :2],
}


def planes(image):
  return levels.to_levels(jnp.asarray(image)[None], (0, 1))


def image_of(x):
  return np.asarray(x[0]).transpose(1, 2, 0)


PILLOW = {
  "autocontrast": (pixels.autocontrast, ImageOps.autocontrast),
  "equalize": (pixels.equalize, ImageOps.equalize),
  "smooth": (pixels.smooth, lambda i: i.filter(ImageFilter.SMOOTH)),
  "solarize": (
    lambda x: pixels.solarize(x, 100),
    lambda i: ImageOps.solarize(i, 100),
  ),
  "posterize": (
    lambda x: pixels.posterize(x, 3),
    lambda i: ImageOps.posterize(i, 3),
  ),
  "color": (
    lambda x: pixels.blend(pixels.gray(x), x, 1.7),
    lambda i: ImageEnhance.Color(i).enhance(1.7),
  ),
  "contrast": (
    lambda x: pixels.blend(pixels.mean_gray(x), x, 0.4),
    lambda i: ImageEnhance.Contrast(i).enhance(0.4),
  ),
  "brightness": (
    lambda x: pixels.blend(0.0, x, 1.5),
    lambda i: ImageEnhance.Brightness(i).enhance(1.5),
  ),
  "sharpness": (
    lambda x: pixels.blend(pixels.smooth(x), x, 1.8),
    lambda i: ImageEnhance.Sharpness(i).enhance(1.8),
  ),
}


@pytest.mark.parametrize("pillow", IMAGES)
@pytest.mark.parametrize("name", PILLOW)
def test_operations_are_pillows(name, pillow):
  ours, theirs = PILLOW[name]
  got = image_of(ours(planes(IMAGES[pillow])))
  want = np.asarray(theirs(Image.fromarray(IMAGES[pillow])), np.float32)
  exact = name in ("equalize", "solarize", "posterize")
  # Pillow rounds what it blends with, and the result.
  np.testing.assert_allclose(got, want, atol=0 if exact else 1.81)


@pytest.mark.parametrize("turn", [-0.3, 0.0, 0.1, 0.5])
def test_hue_is_scikit_images(turn):
  hsv = color.rgb2hsv(PHOTO)
  hsv[..., 0] = (hsv[..., 0] + turn) % 1
  got = image_of(pixels.adjust_hue(planes(PHOTO), turn)) / 255
  np.testing.assert_allclose(got, color.hsv2rgb(hsv), atol=1e-5)


def test_gray_images_are_pillows_and_some():
  image = np.repeat(PHOTO[None], 32, 0)
  batch = {"image": jnp.asarray(image), "index": jnp.arange(32)}
  step = augment.random_gray(0.5, value_range=(0, 1))
  got = np.asarray(step(batch, jax.random.key(0))["image"])
  gray = np.asarray(Image.fromarray(PHOTO).convert("L").convert("RGB"))
  same = (got == image).all((1, 2, 3))
  assert 6 < same.sum() < 26
  np.testing.assert_allclose(
    got[~same].astype(int), np.broadcast_to(gray, got[~same].shape), atol=1
  )


def pillow_operation(name, image, sign):
  """The paper's operations at M = 10, by Pillow."""
  h, w = image.shape[:2]
  pillow = Image.fromarray(image)
  fill = (127, 127, 127)

  def affine(*matrix):
    return pillow.transform((w, h), Image.AFFINE, matrix, fillcolor=fill)

  enhance = lambda kind: kind(pillow).enhance(1 + 0.9 * sign)
  return {
    "identity": lambda: pillow,
    "autocontrast": lambda: ImageOps.autocontrast(pillow),
    "equalize": lambda: ImageOps.equalize(pillow),
    "rotate": lambda: pillow.rotate(30 * sign, fillcolor=fill),
    "solarize": lambda: ImageOps.solarize(pillow, 0),
    "color": lambda: enhance(ImageEnhance.Color),
    "posterize": lambda: ImageOps.posterize(pillow, 4),
    "contrast": lambda: enhance(ImageEnhance.Contrast),
    "brightness": lambda: enhance(ImageEnhance.Brightness),
    "sharpness": lambda: enhance(ImageEnhance.Sharpness),
    "shear_x": lambda: affine(1, 0.3 * sign, 0, 0, 1, 0),
    "shear_y": lambda: affine(1, 0, 0, 0.3 * sign, 1, 0),
    "translate_x": lambda: affine(1, 0, 0.45 * w * sign, 0, 1, 0),
    "translate_y": lambda: affine(1, 0, 0, 0, 1, 0.45 * h * sign),
  }[name]()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_fourteen_operations_are_pillows_in_one_batch(dtype):
  image = PHOTO[:, :40]
  names = [*randaugment.OPERATIONS] * 2
  negative = np.repeat([False, True], 14)
  x = jnp.repeat(planes(image), 28, 0).astype(dtype)
  operation = jnp.asarray([*range(14)] * 2)
  apply = jax.jit(randaugment.apply_operations, static_argnums=(3, 4))
  got = apply(x, operation, jnp.asarray(negative), 10.0, 127.0)
  for i, name in enumerate(names):
    want = pillow_operation(name, image, -1 if negative[i] else 1)
    ours = image_of(got[i : i + 1]).astype(np.float32)
    gap = np.abs(ours - np.asarray(want, np.float32))
    wrong = np.mean(gap.max(-1) > 1.91)
    # A nearest pixel may differ where a position falls between two.
    assert wrong <= 0.02, (name, negative[i], wrong)


def test_histograms_agree():
  level = jnp.asarray(planes(PHOTO), jnp.uint8)
  want = [np.bincount(PHOTO[..., i].ravel(), minlength=256) for i in range(3)]
  for name in FORMS["histogram"]:
    with use_forms(histogram=name):
      np.testing.assert_array_equal(tables.histogram(level)[0], want)


def test_bytes_and_floats_are_a_level_apart():
  batch, images = make_batch(PHOTO, 64), []
  change = augment.rand_augment(1, 9, value_range=(0, 1))
  for name in FORMS["levels"]:
    with use_forms(levels=name):
      image = jax.jit(lambda b: change(b, jax.random.key(0))["image"])(batch)
    images.append(np.asarray(image, int))
  assert np.abs(images[0] - images[1]).max() <= 1


def test_an_accelerators_forms_scatter_nothing_and_move_less():
  batch = {
    "image": jax.ShapeDtypeStruct((2, 224, 224, 3), jnp.float32),
    "index": jax.ShapeDtypeStruct((2,), jnp.int32),
  }
  change = augment.rand_augment(2, 9, value_range=(0, 1))
  key = jax.random.key(0)

  def program(**forms):
    with use_forms(**forms):
      return jax.jit(lambda b: change(b, key)).lower(batch)

  def gathered(text):
    """The types of what whole images are gathered from."""
    operand = r'"stablehlo.gather".*?: \(tensor<([\dx]+)x([a-z]\w*)>'
    size = lambda shape: math.prod(map(int, shape.split("x")))
    found = re.findall(operand, text)
    return {kind for shape, kind in found if size(shape) > 224 * 224}

  lean = program(histogram="compare", levels="uint8").as_text()
  assert "scatter" not in lean and gathered(lean) == {"ui8"}
  plain = program(histogram="scatter", levels="float32").as_text()
  assert "scatter" in plain and gathered(plain) == {"f32"}


def test_magnitude_zero_changes_what_has_no_strength_only():
  x = jnp.repeat(planes(PHOTO), 14, 0)
  apply = jax.jit(randaugment.apply_operations, static_argnums=3)
  got = apply(x, jnp.arange(14), jnp.zeros(14, bool), 0.0)
  for i, name in enumerate(randaugment.OPERATIONS):
    if name not in ("autocontrast", "equalize"):
      np.testing.assert_allclose(got[i], x[i], atol=1e-3, err_msg=name)


def test_a_rotation_and_its_inverse_meet_inside():
  x = planes(PHOTO)
  turn = lambda x, a: warp.affine(
    x, jnp.asarray([warp.rotation(a, *x.shape[2:])]), 0.0
  )
  np.testing.assert_array_equal(turn(turn(x, 180), 180), x)
  square = x[..., :48, :48]
  np.testing.assert_array_equal(
    turn(square, 90)[0], np.rot90(square[0], axes=(1, 2))
  )


def make_batch(image, b=32):
  return {"image": jnp.repeat(jnp.asarray(image)[None], b, 0)} | {
    "index": jnp.arange(b)
  }


RANGES = {
  "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
  "normalised": ((0.48, 0.45, 0.4), (0.23, 0.22, 0.25)),
}
BOTH = {
  "color_jitter": lambda r: augment.color_jitter(
    0.5, 0.5, 0.5, 0.2, value_range=r
  ),
  "rand_augment": lambda r: augment.rand_augment(2, 7, value_range=r, fill=0),
}


@pytest.mark.parametrize("name", with_slow(BOTH, "rand_augment"))
def test_the_range_does_not_matter(name):
  key = jax.random.key(0)
  bytes_ = BOTH[name]((0, 1))(make_batch(PHOTO), key)["image"]
  assert bytes_.dtype == jnp.uint8
  unit = BOTH[name]((0, 1))(make_batch(PHOTO / np.float32(255)), key)["image"]
  mean, std = (np.asarray(x, np.float32) for x in RANGES["normalised"])
  normal = (PHOTO / np.float32(255) - mean) / std
  value_range = augment.normalized_range(mean, std)
  got = BOTH[name](value_range)(make_batch(normal), key)["image"] * std + mean
  off = lambda a, b: np.mean(np.abs(a - b) > 0.51 / 255)
  # A level on the edge of posterize or solarize may fall on its other side.
  assert off(np.asarray(bytes_, np.float32) / 255, unit) < 1e-3
  assert off(got, unit) < 1e-3
  assert np.asarray(unit).std(0).max() > 0.1  # the images differ


@pytest.mark.parametrize("name", BOTH)
def test_one_channel_is_enough(name):
  image = PHOTO[..., :1] / np.float32(255)
  got = BOTH[name]((0, 1))(make_batch(image), jax.random.key(1))["image"]
  assert got.shape == (32, *image.shape)
  with pytest.raises(ValueError, match="got 2 channels"):
    BOTH[name]((0, 1))(make_batch(image.repeat(2, -1)), jax.random.key(1))


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: augment.color_jitter(-1, value_range=(0, 1)), "brightness: got"),
    (lambda: augment.color_jitter(hue=0.7, value_range=(0, 1)), "hue: got 0.7"),
    (lambda: augment.color_jitter(0.1, value_range=(1, 0)), "value_range: got"),
    (lambda: augment.rand_augment(0, value_range=(0, 1)), "num_ops: got 0"),
    (lambda: augment.rand_augment(2, 11, value_range=(0, 1)), "magnitude: got"),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
