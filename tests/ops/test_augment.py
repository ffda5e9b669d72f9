"""What all augmentations keep: keys by example, shapes, types; flips, crops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops import augment

RNG = np.random.default_rng(0)
B, H, W = 8, 12, 10
ALL = {
  "random_flip": augment.random_flip(),
  "random_crop": augment.random_crop(3),
  "random_crop_flip": augment.random_crop_flip(4, mode="reflect"),
  "color_jitter": augment.color_jitter(
    0.4, 0.4, 0.4, 0.1, value_range=(0.0, 1.0)
  ),
  "random_erasing": augment.random_erasing(0.9),
  "erasing_noise": augment.random_erasing(0.9, fill="noise"),
  "cutout": augment.cutout(5),
  "mixup": augment.mixup(0.4, 5),
  "cutmix": augment.cutmix(1.0, 5),
  "mixup_or_cutmix": augment.mixup_or_cutmix(0.8, 1.0, 5),
  "rand_augment": augment.rand_augment(2, 9, value_range=(0.0, 1.0)),
  "sequence": augment.sequence(
    augment.random_crop_flip(2), augment.cutout(3), augment.mixup(0.2, 5)
  ),
}


def make_batch(b=B, dtype=np.float32, first=40):
  pixels = RNG.integers(0, 256, (b, H, W, 3))
  scale = 1 if dtype == np.uint8 else 255
  return {
    "image": jnp.asarray(pixels / scale, dtype),
    "label": jnp.asarray(RNG.integers(0, 5, b), jnp.int32),
    "index": jnp.arange(first, first + b, dtype=jnp.int32),
    "mask": jnp.ones(b),
  }


def key(seed=0, impl=None):
  return jax.random.key(seed, impl=impl)


# Under vmap the generator "rbg" draws from a batch as a whole.
@pytest.mark.parametrize(
  ("name", "impl"),
  [(name, "threefry2x32") for name in ALL] + [("random_crop_flip", "rbg")],
)
def test_halves_of_a_batch_are_augmented_as_the_whole(name, impl):
  batch, apply = make_batch(), jax.jit(ALL[name])
  whole = apply(batch, key(3, impl))
  halves = [
    apply({k: v[part] for k, v in batch.items()}, key(3, impl))
    for part in (slice(0, 4), slice(4, 8))
  ]
  joined = jax.tree.map(lambda *x: np.concatenate(x), *halves)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), whole, joined
  )


@pytest.mark.parametrize("name", ALL)
def test_shapes_stay_and_keys_count(name):
  batch, apply = make_batch(), jax.jit(ALL[name])
  one, same, other = (apply(batch, key(seed)) for seed in (0, 0, 1))
  assert one["image"].shape == batch["image"].shape
  assert one["image"].dtype == jnp.float32
  assert np.isfinite(one["image"]).all()
  np.testing.assert_array_equal(one["image"], same["image"])
  assert not np.array_equal(one["image"], other["image"])
  assert not np.array_equal(one["image"], batch["image"])
  np.testing.assert_array_equal(one["index"], batch["index"])
  np.testing.assert_array_equal(one["mask"], batch["mask"])


@pytest.mark.parametrize("name", ALL)
def test_a_sharded_batch_needs_no_other_shard(name):
  mesh = jax.make_mesh((4,), ("data",), (jax.sharding.AxisType.Auto,))
  spec = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
  batch = jax.device_put(make_batch(), spec)
  compiled = jax.jit(ALL[name], out_shardings=spec).lower(batch, key())
  text = compiled.compile().as_text()
  for collective in ("all-gather", "all-reduce", "all-to-all"):
    assert f" {collective}(" not in text


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_crop_is_a_window_of_the_padded_image(dtype):
  pad, batch = 2, make_batch(64, dtype)
  for mode, padding in (("zero", "constant"), ("reflect", "reflect")):
    got = augment.random_crop(pad, mode=mode)(batch, key())["image"]
    assert got.dtype == dtype
    around = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    padded = np.pad(np.asarray(batch["image"]), around, padding)
    seen = set()
    for i in range(64):
      places = [
        (y, x)
        for y in range(2 * pad + 1)
        for x in range(2 * pad + 1)
        if np.array_equal(got[i], padded[i, y : y + H, x : x + W])
      ]
      assert len(places) == 1
      seen.add(places[0])
    assert len(seen) > 15  # of 25


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_half_the_images_are_mirrored_and_a_certain_flip_is_its_inverse(dtype):
  batch = make_batch(400, dtype)
  got = augment.random_flip()(batch, key())["image"]
  mirrored = np.asarray(batch["image"])[:, :, ::-1]
  flipped = np.asarray(
    [np.array_equal(a, b) for a, b in zip(got, mirrored, strict=True)]
  )
  same = np.asarray(
    [np.array_equal(a, b) for a, b in zip(got, batch["image"], strict=True)]
  )
  assert np.all(flipped ^ same)
  assert 150 < flipped.sum() < 250
  always = augment.random_flip(1.0)
  twice = always(always(batch, key(1)), key(2))["image"]
  np.testing.assert_array_equal(twice, batch["image"])


def test_a_flip_takes_boxes_and_masks_along():
  image = jnp.zeros((1, 8, 8, 1)).at[0, 2:4, 1:3].set(1.0)
  batch = {
    "image": image,
    "target": image[..., 0].astype(jnp.int32),
    "masks": image[:, None, ..., 0] > 0,
    "boxes": jnp.asarray([[[2 / 8, 3 / 8, 2 / 8, 2 / 8]]]),
    "index": jnp.arange(1),
  }
  got = augment.random_flip(1.0)(batch, key())
  x, y, w, h = np.asarray(got["boxes"][0, 0]) * 8
  rows, columns = np.nonzero(np.asarray(got["image"][0, ..., 0]))
  assert (columns.min(), columns.max() + 1) == (x - w / 2, x + w / 2)
  assert (rows.min(), rows.max() + 1) == (y - h / 2, y + h / 2)
  np.testing.assert_array_equal(got["target"], got["image"][..., 0])
  np.testing.assert_array_equal(got["masks"][:, 0], got["image"][..., 0] > 0)


def test_a_sequence_gives_each_its_own_key():
  half = augment.random_flip()
  batch = make_batch(200)
  got = augment.sequence(half, half)(batch, key())["image"]
  same = np.mean(
    [np.array_equal(a, b) for a, b in zip(got, batch["image"], strict=True)]
  )
  assert 0.35 < same < 0.65  # one key for both would undo every flip


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: augment.random_flip(1.5), "probability: got 1.5"),
    (lambda: augment.random_crop(-1), "pad: got -1"),
    (lambda: augment.random_crop(2, mode="edge"), "mode: got 'edge'"),
    (
      lambda: augment.random_flip()({"image": jnp.zeros((1, 2, 2, 3))}, key()),
      r"batch: .*need `index`",
    ),
    (
      lambda: augment.random_crop(2)(
        make_batch() | {"boxes": jnp.zeros((B, 1, 4))}, key()
      ),
      "moves the image alone",
    ),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
