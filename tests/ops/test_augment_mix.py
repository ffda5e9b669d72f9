"""Mixed and erased images: their areas, labels, weights and masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vision_jax.ops import augment
from vision_jax.ops.augment import mix

B, S, K = 64, 20, 7


def make_batch(b=B):
  """Images of one value each, by which a mixture can be read off."""
  value = np.arange(1, b + 1, dtype=np.float32)
  return {
    "image": jnp.asarray(
      np.broadcast_to(value[:, None, None, None], (b, S, S, 3))
    ),
    "label": jnp.arange(b, dtype=jnp.int32) % K,
    "index": jnp.arange(100, 100 + b),
    "mask": jnp.ones(b),
  }


MIXES = {
  "mixup": augment.mixup(0.4, K),
  "cutmix": augment.cutmix(1.0, K),
  "mixup_or_cutmix": augment.mixup_or_cutmix(0.8, 1.0, K),
}


@pytest.mark.parametrize("name", MIXES)
def test_labels_are_mixed_as_much_as_the_images(name):
  batch = make_batch()
  got = jax.jit(MIXES[name])(batch, jax.random.key(0))
  label, image = np.asarray(got["label"]), np.asarray(got["image"])
  assert label.shape == (B, K)
  np.testing.assert_allclose(label.sum(1), 1, rtol=1e-6)
  own = np.asarray(batch["image"])[:, 0, 0, 0]
  other = own.reshape(-1, 2)[:, ::-1].reshape(-1)
  weight = (image.mean((1, 2, 3)) - other) / (own - other)
  one_hot = np.eye(K)[np.asarray(batch["label"])]
  partner = one_hot.reshape(-1, 2, K)[:, ::-1].reshape(B, K)
  want = weight[:, None] * one_hot + (1 - weight[:, None]) * partner
  np.testing.assert_allclose(label, want, atol=1e-4)
  assert weight.std() > 0
  # Both images of a pair keep the same part.
  np.testing.assert_allclose(weight[::2], weight[1::2], atol=1e-4)


def test_cutmix_shows_a_rectangle_of_the_partner():
  got = np.asarray(
    augment.cutmix(1.0, K)(make_batch(), jax.random.key(0))["image"]
  )
  own = np.arange(1, B + 1)[:, None, None]
  foreign = got[..., 0] != own
  assert foreign.any((1, 2)).sum() > B / 2
  for i in range(B):
    rows, columns = foreign[i].any(1), foreign[i].any(0)
    np.testing.assert_array_equal(foreign[i], rows[:, None] & columns)
    for line in (rows, columns):
      assert np.abs(np.diff(np.r_[0, line, 0])).sum() in (0, 2)
    assert set(np.unique(got[i][foreign[i]])) <= {i + 2 if i % 2 == 0 else i}


@pytest.mark.parametrize("name", MIXES)
def test_padding_does_not_leak_into_its_partner(name):
  batch = make_batch(6)
  batch["mask"] = jnp.asarray([1, 0, 1, 1, 0, 1])
  batch["image"] = batch["image"].at[1].set(jnp.nan).at[4].set(jnp.nan)
  batch["label"] = batch["label"].at[1].set(-1).at[4].set(9)
  got = MIXES[name](batch, jax.random.key(0))
  for i in (0, 5):
    np.testing.assert_array_equal(got["image"][i], batch["image"][i])
    np.testing.assert_array_equal(got["label"][i], np.eye(K)[i % K])


def test_probability_is_that_of_a_pair():
  batch = make_batch(400)
  half = augment.mixup(5.0, K, probability=0.5)(batch, jax.random.key(0))
  whole = np.max(np.asarray(half["label"]), 1) == 1
  assert 0.35 < whole.mean() < 0.65


def test_mixing_again_starts_from_distributions():
  twice = augment.sequence(augment.mixup(1.0, K), augment.cutmix(1.0, K))
  got = twice(make_batch(), jax.random.key(0))
  np.testing.assert_allclose(got["label"].sum(1), 1, rtol=1e-5)


def test_bytes_are_mixed_in_float_and_cut_as_they_are():
  batch = make_batch()
  batch["image"] = batch["image"].astype(jnp.uint8)
  key = jax.random.key(0)
  assert MIXES["mixup"](batch, key)["image"].dtype == jnp.float32
  assert MIXES["cutmix"](batch, key)["image"].dtype == jnp.uint8


@pytest.mark.parametrize("alpha", [0.2, 0.8, 1.0, 8.0])
def test_weights_have_the_beta_distribution(alpha):
  uniform = jax.random.uniform(jax.random.key(0), (20_000,))
  draws = np.asarray(mix.interpolate(mix.beta_quantiles(alpha), uniform))
  points = np.asarray([1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
  got = np.mean(draws[:, None] <= points, 0)
  want = scipy.stats.beta(alpha, alpha).cdf(points)
  np.testing.assert_allclose(got, want, atol=0.012)


def erased(make, seed=0, b=600, fill=-1.0):
  batch = make_batch(b)
  got = np.asarray(jax.jit(make)(batch, jax.random.key(seed))["image"])
  hole = got[..., 0] == fill
  kept = got[..., 0] == np.asarray(batch["image"])[..., 0]
  assert np.all(hole ^ kept)
  for image in hole:
    np.testing.assert_array_equal(
      image, image.any(1)[:, None] & image.any(0)[None]
    )
  return hole


def test_erasing_keeps_to_area_and_aspect():
  hole = erased(
    augment.random_erasing(0.5, area=(0.1, 0.3), aspect=(0.5, 2.0), fill=-1.0)
  )
  some = hole.any((1, 2))
  assert 0.4 < some.mean() < 0.6
  tall, wide = hole.any(2).sum(1)[some], hole.any(1).sum(1)[some]
  area = tall * wide / S**2
  assert 0.08 < area.min() < 0.12
  assert 0.27 < area.max() < 0.34
  assert area.mean() == pytest.approx(0.2, abs=0.02)
  assert 0.4 < (tall / wide).min() < 0.6
  assert 1.7 < (tall / wide).max() < 2.4


def test_cutout_is_a_square_around_any_pixel():
  hole = erased(augment.cutout(6, fill=-1.0))
  tall, wide = hole.any(2).sum(1), hole.any(1).sum(1)
  assert tall.max() == wide.max() == 6
  assert tall.min() == wide.min() == 3  # a centre on the border
  middle = hole.mean(0)[8:12, 8:12].mean()
  assert middle == pytest.approx(36 / S**2, rel=0.2)


def test_noise_is_standard_normal():
  batch = make_batch(64)
  make = augment.random_erasing(1.0, area=(0.5, 0.5), fill="noise")
  got = np.asarray(make(batch, jax.random.key(0))["image"])
  noise = got[got != np.asarray(batch["image"])]
  assert noise.mean() == pytest.approx(0, abs=0.02)
  assert noise.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: augment.mixup(0.0, K), "alpha: got 0.0"),
    (lambda: augment.cutmix(1.0, 0), "num_classes: got 0"),
    (
      lambda: augment.mixup(1.0, K)(make_batch(5), jax.random.key(0)),
      "got 5 examples on a shard",
    ),
    (
      lambda: augment.mixup(1.0, 3)(
        make_batch() | {"label": jnp.ones((B, K))}, jax.random.key(0)
      ),
      "got 7 classes; num_classes is 3",
    ),
    (lambda: augment.random_erasing(area=(0.5, 0.2)), "area: got"),
    (lambda: augment.random_erasing(aspect=(0, 1)), "aspect: got"),
    (lambda: augment.cutout(0), "size: got 0"),
    (
      lambda: augment.random_erasing(fill="black")(
        make_batch(), jax.random.key(0)
      ),
      "fill: got 'black'",
    ),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
