"""Generated clouds are pure and as sorted; an npz is checked array by array."""

import numpy as np
import pytest

from vision_jax.data.errors import DataError
from vision_jax.data.sources.cloud_file import CloudFile
from vision_jax.data.sources.clouds import CloudCutouts, CloudTiles
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.clouds import Clouds

RNG = np.random.default_rng(0)
ARRAYS = {
  "train_images": RNG.integers(0, 256, (6, 16, 16, 3), np.uint8),
  "train_labels": np.array([0, 1, 0, 1, 1, 0]),
  "test_images": RNG.integers(0, 256, (2, 16, 16, 3), np.uint8),
  "test_labels": np.array([[0], [1]]),
  "eval_tiles": RNG.integers(0, 256, (3, 40, 24, 3), np.uint8),
}
MASKS = {
  "train_masks": RNG.integers(0, 2, (6, 16, 16)),
  "eval_masks": RNG.random((3, 40, 24)) < 0.5,
}


def saved(folder, **changes):
  """Writes ARRAYS, changed; None leaves one out."""
  arrays = {k: x for k, x in (ARRAYS | changes).items() if x is not None}
  np.savez(folder / "toy.npz", **arrays)
  return folder / "toy.npz"


@pytest.mark.parametrize("kind", [CloudCutouts, CloudTiles])
def test_an_example_is_pure_in_seed_split_and_index(kind):
  again = kind("train", 50, size=32).read(np.array([3, 1]))
  for i, example in zip((3, 1), again, strict=True):
    (same,) = kind("train", 4, size=32).read(np.array([i]))
    np.testing.assert_equal(example, same)
  others = [kind("test", 4, size=32), kind("train", 4, size=32, seed=1)]
  others = [np.stack([x["image"] for x in o.read(range(4))]) for o in others]
  own = np.stack([x["image"] for x in kind("train", 4, size=32).read(range(4))])
  assert not any((own == other).all((1, 2, 3)).any() for other in others)
  prints = {
    kind(s, 4, size=n).fingerprint()
    for s in ["train", "test"]
    for n in (32, 40)
  }
  assert len(prints) == 4


def test_cutouts_are_sorted_by_their_cover():
  images = CloudCutouts("train", 40, size=32)
  examples = images.read(np.arange(40))
  cover = np.array([x["target"].mean() for x in examples])
  label = np.array([x["label"] for x in examples])
  np.testing.assert_array_equal(label, images.labels())
  assert label.sum() == 20
  # A quantile of 1,024 pixels is off by a pixel.
  assert cover[label == 0].max() <= 0.1 + 1e-3
  assert cover[label == 1].min() >= 0.5 - 1e-3
  assert (cover == 0).any() and (cover == 1).any()


def test_it_takes_more_than_brightness():
  """No threshold of brightness is right for nine pixels of ten."""
  examples = CloudTiles("train", 12, size=128).read(np.arange(12))
  bright = np.stack([x["image"].mean(-1) for x in examples])
  truth = np.stack([x["target"] for x in examples]) > 0
  right = [((bright > at) == truth).mean() for at in range(60, 240, 5)]
  assert 0.5 < max(right) < 0.85


@pytest.mark.parametrize(
  ("kind", "given"),
  [
    (CloudTiles, ("middle", 4)),
    (CloudTiles, ("train", 0)),
    (CloudCutouts, ("train", 4)),
  ],
)
def test_clouds_that_cannot_be(kind, given):
  with pytest.raises(DataError, match="clouds: got split"):
    kind(*given, size=4 if kind is CloudCutouts else 64)


def own(file, **more):
  sizes = {"window": 16, "image_size": (40, 24)}
  return Clouds(dataset="npz", data_dir=file.path, **sizes, **more)


def test_a_file_without_masks(tmp_path):
  file = CloudFile(saved(tmp_path))
  assert (file.window, file.tile) == (16, (40, 24))
  train, tiles = file.cutouts("train"), file.tiles()
  assert len(train) == 6 and len(tiles) == 3 and not tiles.masked
  (example,) = train.read(np.array([3]))
  np.testing.assert_array_equal(example["image"], ARRAYS["train_images"][3])
  assert example["label"] == 1 and (example["target"] == 1).all()
  assert file.cutouts("test").labels().tolist() == [0, 1]
  assert "target" not in tiles.read(np.array([0]))[0]
  assert len({x.fingerprint() for x in (train, tiles)}) == 2
  clouds = Clouds(
    dataset="npz", data_dir=str(file.path), window=16, image_size=(40, 24)
  )
  assert clouds.measured is None and len(clouds.to_map) == 3
  masks = Clouds(
    dataset="npz",
    data_dir=str(file.path),
    window=16,
    image_size=(40, 24),
    masks=True,
  )
  assert masks.split_names() == ("train",)


def test_a_file_with_masks_in_grey(tmp_path):
  grey = {
    k: x[..., 0] / np.float32(255) for k, x in ARRAYS.items() if x.ndim == 4
  }
  file = CloudFile(saved(tmp_path, **grey, **MASKS))
  for part, key in (
    (file.cutouts("train"), "train"),
    (file.tiles(), "eval"),
  ):
    (example,) = part.read(np.array([2]))
    assert part.masked and example["image"].shape[-1] == 3
    np.testing.assert_array_equal(example["target"], MASKS[f"{key}_masks"][2])
  masks = Clouds(
    dataset="npz",
    data_dir=str(file.path),
    window=16,
    image_size=(40, 24),
    masks=True,
  )
  assert masks.split_names() == ("train", "test")
  assert masks.open("test").masked


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"test_labels": None}, "test_labels is missing; there are eval_tiles, "),
    (
      {"train_images": np.zeros((6, 16, 16, 4), np.uint8)},
      r"train_images has the shape \(6, 16, 16, 4\); expected \(n, h, w, 3\)",
    ),
    ({"train_images": np.zeros((6, 16), np.uint8)}, "train_images has the sha"),
    (
      {"train_images": np.full((6, 16, 16, 3), -1.0)},
      "train_images cannot be shown",
    ),
    (
      {"train_images": np.zeros((6, 16, 12, 3), np.uint8)},
      "train_images are 16x12; expected squares",
    ),
    (
      {"test_images": np.zeros((2, 8, 8, 3), np.uint8)},
      "test_images are 8x8; expected 16x16, as train_images",
    ),
    (
      {"test_images": np.full((2, 16, 16, 3), 0.5, np.float32)},
      "images differ in type .*test_images float32",
    ),
    (
      {"eval_tiles": np.zeros((3, 40, 12, 3), np.uint8)},
      "eval_tiles are 40x12; expected 16x16 at least",
    ),
    (
      {"train_labels": np.zeros(5, int)},
      r"train_labels has the shape \(5,\); expected \(6,\)",
    ),
    ({"train_labels": np.array(1)}, r"train_labels has the shape \(\)"),
    (
      {"train_labels": np.array([0, 1, 2, 0, 1, 0])},
      r"train_labels has the type int64 and values \[0, 1, 2\]; expected 0 for "
      "clear and 1 for cloudy",
    ),
    (
      {"train_labels": np.array(list("abcdef"))},
      "train_labels has the type <U",
    ),
    ({"train_labels": np.ones(6, int)}, "train_labels are all 1; expected ima"),
    (
      {"eval_masks": np.zeros((3, 40, 40), int)},
      r"eval_masks has the shape \(3, 40, 40\); expected \(3, 40, 24\), as eva",
    ),
    (
      {"eval_masks": np.full((3, 40, 24), 255)},
      r"eval_masks has the type int64 and values \[255\]",
    ),
  ],
)
def test_a_file_that_is_not_of_this_form(tmp_path, changes, message):
  file = CloudFile(saved(tmp_path, **changes))
  with pytest.raises(DataError, match=message):
    file.cutouts("train").read(np.array([0]))


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"dataset": "toy"}, "--config.dataset: got 'toy'; expected clouds or npz"),
    ({"dataset": "npz"}, "--config.data_dir: got none; expected the npz file"),
    ({"scenes": (1, 2)}, "--config.scenes: got .* two or more of each"),
    ({"tiles": (4, 2)}, "--config.tiles: got "),
    ({"tiles": (4, 2, 0)}, "--config.tiles: got .* one for train and for test"),
    ({"image_size": (48, 48)}, "got 48x48; expected tiles of 64 pixels"),
    ({"image_size": (256, 128)}, "got 256x128; .* square ones"),
  ],
)
def test_sizes_that_cannot_be(values, message):
  with pytest.raises(UserError, match=message):
    Clouds(**values)
