"""Images of several sizes: batches of one size, every image once."""

import cv2
import numpy as np
import pytest

from vision_jax.data.by_size import BySize
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.restoration import (
  patch,
  with_noise,
  with_smaller,
)

SIZES = ((6, 8), (8, 6), (6, 8), (5, 5), (6, 8))


@pytest.fixture
def folder(tmp_path):
  for i, size in enumerate(SIZES):
    image = np.full((*size, 3), 10 * i, np.uint8)
    cv2.imwrite(str(tmp_path / f"{i}.png"), image)
  return tmp_path


def test_every_image_comes_once_at_its_own_size(folder):
  loader = BySize(ImageList(folder), [decode(), keep("image")], 2).rounded(1)
  seen = {}
  for batch in loader.epoch():
    for i, image, mask in zip(
      batch["index"], batch["image"], batch["mask"], strict=True
    ):
      if mask:
        seen[int(i)] = image
      else:
        assert i == len(SIZES), "what fills up is no image of the source"
  assert {i: x.shape[:2] for i, x in seen.items()} == dict(enumerate(SIZES))
  assert [x[0, 0, 0] for _, x in sorted(seen.items())] == [0, 10, 20, 30, 40]
  assert len(list(loader.epoch())) == loader.epoch_steps == 4


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_each_batch(folder, processes):
  whole = BySize(ImageList(folder), [decode(), keep("image")], 4)
  shards = [whole.shard(i, processes) for i in range(processes)]
  real = []
  for parts in zip(*(x.epoch() for x in shards), strict=True):
    assert len({part["image"].shape for part in parts}) == 1
    real += [i for x in parts for i in x["index"][x["mask"] > 0]]
  assert sorted(real) == list(range(len(SIZES)))


def test_an_unreadable_image_is_an_error_or_left_out(folder):
  (folder / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
  make = lambda **options: BySize(
    ImageList(folder), [decode(), keep("image")], **options
  )
  with pytest.raises(BadImage, match=r"2\.png"):
    list(make().epoch())
  loader = make(on_bad_image="skip")
  real = [i for x in loader.epoch() for i in x["index"][x["mask"] > 0]]
  assert sorted(real) == [0, 1, 3, 4]
  assert [name.endswith("2.png") for name in loader.skipped_names] == [True]
  with pytest.raises(DataError, match="1 or more"):
    make(batch_size=0)


def test_noise_is_drawn_once_for_a_set_and_not_clipped():
  image = np.full((3, 200, 200, 1), 250, np.uint8)
  source = ArraySource({"image": image})
  noisy = lambda seed: Transformed(source, [with_noise(25)], seed=seed)
  one, again = (noisy(0).read(np.array([2, 1])) for _ in range(2))
  np.testing.assert_array_equal(one[1]["image"], again[1]["image"])
  noise = one[0]["image"] - 250 / 255
  assert one[0]["image"].max() > 1 and one[0]["image"].dtype == np.float32
  np.testing.assert_allclose(noise.std() * 255, 25, rtol=0.02)
  np.testing.assert_array_equal(one[0]["clean"], image[0])
  other = noisy(1).read(np.array([2]))[0]["image"]
  assert np.abs(np.corrcoef(other.ravel(), noise.ravel())[0, 1]) < 0.05
  assert noisy(0).fingerprint() != noisy(1).fingerprint()


def test_smaller_images_and_parts_of_both_fit():
  ramp = np.arange(35 * 40, dtype=np.float32).reshape(35, 40, 1)
  both = with_smaller(3)({"image": ramp}, None)
  assert both["image"].shape == (11, 13, 1)
  assert both["clean"].shape == (33, 39, 1)
  for seed in range(8):
    rng = np.random.default_rng(seed)
    part = patch(4, 3)(both, rng)
    assert part["image"].shape == (4, 4, 1)
    assert part["clean"].shape == (12, 12, 1)
    middle = part["clean"].reshape(4, 3, 4, 3).mean((1, 3))
    # A ramp's small image is its blocks' means, away from the border.
    np.testing.assert_allclose(
      part["image"][1:3, 1:3, 0], middle[1:3, 1:3], atol=8
    )
  enlarged = with_smaller(3, enlarge=True)({"image": ramp}, None)
  assert enlarged["image"].shape == enlarged["clean"].shape
  with pytest.raises(DataError, match="no square of 12"):
    patch(12, 3)(both, rng)
  with pytest.raises(DataError, match="pillow_bilinear"):
    with_smaller(2, "nearest")
