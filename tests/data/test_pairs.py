"""Pairs: what styles make, folders of them, photographs, two kinds."""

import cv2
import ml_collections
import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from tests.interop.photographs import photograph
from vision_jax.data.errors import DataError
from vision_jax.data.patches import Patches
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.digit_pairs import DigitPairs
from vision_jax.data.sources.digits import Digits
from vision_jax.data.sources.photographs import Photographs
from vision_jax.data.styles import STYLES, cartoon, edges, sketch
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.pairs import (
  decode_wanted,
  halves,
  resize_all,
  swap,
  with_style,
)
from vision_jax.data.transforms.restoration import patch
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.domains import Domain
from vision_jax.pipelines.sources.pairs import PairData


def steps_of(image):
  """The mean difference of neighbours."""
  return np.abs(np.diff(image.astype(float), axis=1)).mean()


def test_styles_are_what_they_are_called():
  image = photograph("flower")[::3, ::3]
  for style in STYLES.values():
    made = style(image)
    assert made.shape == image.shape and made.dtype == np.uint8
    np.testing.assert_array_equal(made, style(image))
    assert not np.array_equal(made, image)
  drawn = cartoon(image)
  black = ~drawn.any(-1)
  assert 0.005 < black.mean() < 0.4  # lines
  inside = cv2.erode((~black).astype(np.uint8), np.ones((3, 3))) > 0
  assert steps_of(drawn[:, :-1][inside[:, :-1]]) < steps_of(
    image[:, :-1][inside[:, :-1]]
  )
  flat = np.full((20, 30, 3), 90, np.uint8)
  np.testing.assert_array_equal(cartoon(flat), flat)
  assert (sketch(flat) == 255).all() and (edges(flat) == 255).all()
  half = flat.copy()
  half[:, 15:] = 200
  line = edges(half)[..., 0]
  assert {*np.unique(line)} == {0, 255}
  assert {*np.flatnonzero((line == 0).any(0))} <= {13, 14, 15}


def example(**more):
  return {"image": random_image(12, 20), "name": "a.png"} | more


def test_a_target_is_decoded_to_its_images_size():
  target = encode(random_image(12, 20, 1, seed=1), "PNG")
  got = decode_wanted(3)(example(target=target, target_name="b.png"), None)
  assert got["wanted"].shape == (12, 20, 3) and "target" not in got
  assert (got["wanted"][..., 0] == got["wanted"][..., 2]).all()
  with pytest.raises(
    DataError, match=r"target b: is \(12, 20\) .*\(9, 20\); e"
  ):
    image = random_image(9, 20)
    decode_wanted(3)({"image": image, "target": target, "target_name": "b"}, 0)
  drawn = example(wanted=got["wanted"])
  assert decode_wanted(3)(drawn, None) is drawn


def test_two_images_in_one_are_divided():
  both = example()
  got = swap()(halves()(both, None), None)
  np.testing.assert_array_equal(got["wanted"], both["image"][:, :10])
  np.testing.assert_array_equal(got["image"], both["image"][:, 10:])
  with pytest.raises(DataError, match=r"a.png: is 12 x 19 .*; expected two of"):
    halves()(example(image=random_image(12, 19)), None)


def test_both_are_cut_at_one_place_and_resized_alike():
  given = with_style("sketch")(example(), None)
  wide = resize_all(16)(given, None)
  assert wide["image"].shape == wide["wanted"].shape == (16, 16, 3)
  same = example(wanted=given["image"])
  cut = patch(8)(same, np.random.default_rng(3))
  np.testing.assert_array_equal(cut["image"], cut["wanted"])
  with pytest.raises(DataError, match="style: got 'oil'; expected one of car"):
    with_style("oil")


def test_patches_tile_images_of_any_size():
  image = np.arange(2 * 9 * 14 * 3).reshape(2, 9, 14, 3).astype(np.uint8)
  source = ArraySource({"image": image, "wanted": 255 - image})
  found = Patches(Transformed(source, [], keep=True), 4)
  assert len(found) == 2 * 2 * 3
  got = found.read(np.array([5, 6]))
  np.testing.assert_array_equal(got[0]["image"], image[0, 4:8, 8:12])
  np.testing.assert_array_equal(got[1]["wanted"], 255 - image[1, :4, :4])
  with pytest.raises(DataError, match="none of 2 images has 10 x 10 pixels"):
    len(Patches(Transformed(source, []), 10))


def test_photographs_are_those_of_the_packages():
  source = Transformed(Photographs(("flower", "china")), [decode()])
  for one, name in zip(source.read([0, 1]), ("flower", "china"), strict=True):
    np.testing.assert_array_equal(one["image"], photograph(name))
  prints = {Photographs(("china", x)).fingerprint() for x in ("cat", "rocket")}
  assert len(prints) == 2  # of two packages each
  with pytest.raises(DataError, match="photographs: got owl; expected some of"):
    Photographs(("owl",))


def test_digits_and_what_they_become():
  pairs, back = (
    DigitPairs("coloured", "test", 16, backward=b).arrays for b in (False, True)
  )
  np.testing.assert_array_equal(pairs["image"], back["wanted"])
  share = pairs["image"] / 255
  expected = np.array([250, 225, 170]) * (1 - share)
  expected += np.array([30, 60, 140]) * share
  np.testing.assert_allclose(pairs["wanted"], expected, atol=0.51)
  small = cv2.resize(pairs["image"][3], (8, 8), interpolation=cv2.INTER_AREA)
  digit = Digits("test").arrays["image"][3, ..., 0]
  assert np.abs(small[..., 0].astype(int) - digit).mean() < 25
  drawn = DigitPairs("edges", "test", 32).arrays["image"]
  assert {*np.unique(drawn)} == {0, 255}
  with pytest.raises(DataError, match="kind 'lines' and size 8; expected one"):
    DigitPairs("lines", "test", 8)


def write(folder, names, seed=0, size=(12, 20)):
  folder.mkdir(parents=True)
  for i, name in enumerate(names):
    data = encode(random_image(*size, seed=seed + i), "PNG")
    (folder / f"{name}.png").write_bytes(data)


def pairs(folder, **values):
  return PairData("folder", data_dir=str(folder), **values)


def both(source, i=0):
  """An image and what is wanted, decoded."""
  read = Transformed(source, [decode(), decode_wanted()])
  (one,) = read.read(np.array([i]))
  return one["image"], one["wanted"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_folders_of_pairs(tmp_path, split):
  """With a val of their own, or with a tenth held out by the names."""
  names = [f"n{i}" for i in range(12)]
  for number, part in enumerate(("input", "target")):
    write(tmp_path / "train" / part, names, seed=50 * number)
    if split == "val":
      write(tmp_path / "val" / part, names[:2], seed=50 * number)
  data = pairs(tmp_path)
  assert data.split_names() == ("train", "val")
  assert len(data.evals["val"]) == (2 if split == "val" else 1)
  total = len(data.train) + len(data.evals["val"])
  assert total == (14 if split == "val" else 12)
  one, back = both(data.train), both(pairs(tmp_path, direction="ba").train)
  np.testing.assert_array_equal(one[0], back[1])
  np.testing.assert_array_equal(one[1], back[0])


def test_files_of_two_images(tmp_path):
  write(tmp_path / "train", "abcdefghijk")
  write(tmp_path / "test", "xyz")
  data = pairs(tmp_path)
  assert list(data.evals) == ["val", "test"] and len(data.train) == 10
  image, wanted = both(data.evals["test"])
  whole = random_image(12, 20, seed=0)
  np.testing.assert_array_equal(np.concatenate([image, wanted], 1), whole)
  turned, _ = both(pairs(tmp_path, direction="ba").evals["test"])
  np.testing.assert_array_equal(turned, wanted)


def test_pairs_that_are_none_are_named(tmp_path):
  with pytest.raises(UserError, match="data_dir: got ''; expected a"):
    len(PairData("folder").train)
  with pytest.raises(UserError, match="dataset: got 'facades'; expected"):
    _ = PairData("facades").train
  (tmp_path / "train" / "input").mkdir(parents=True)
  with pytest.raises(UserError, match="train has no pairs; expected a folder"):
    len(pairs(tmp_path).train)
  (tmp_path / "train" / "target").mkdir()
  with pytest.raises(UserError, match="input: has no images"):
    len(pairs(tmp_path).train)
  write(tmp_path / "more" / "train" / "input", "ab")
  write(tmp_path / "more" / "train" / "target", "a")
  message = r"target folder .*: has no target for 1 of 2 images: .*b\.png"
  with pytest.raises(UserError, match=message):
    len(pairs(tmp_path / "more").train)
  names = (("china",), ("flower",), ("china",))
  with pytest.raises(UserError, match="got china in two of them"):
    _ = PairData("photographs", photographs=names).train


def test_two_kinds_of_images(tmp_path):
  write(tmp_path / "a", [f"a{i}" for i in range(12)])
  write(tmp_path / "b", "xyz", size=(30, 9))
  sides = {x: Domain("folders", x, folder=str(tmp_path / x)) for x in "ab"}
  assert [len(one.train) for one in sides.values()] == [11, 2]
  assert [len(one.evals["val"]) for one in sides.values()] == [1, 1]
  (tmp_path / "c").mkdir()
  with pytest.raises(
    UserError, match=r"--config\.b: the folder .* has no imag"
  ):
    len(Domain("folders", "b", folder=str(tmp_path / "c")).train)
  write(tmp_path / "d", "x")
  with pytest.raises(UserError, match=r"--config\.a: .* has one image; expect"):
    len(Domain("folders", "a", folder=str(tmp_path / "d")).train)
  with pytest.raises(UserError, match=r"--config\.b is missing; expected a"):
    len(Domain("folders", "b").train)
  with pytest.raises(UserError, match="dataset: got 'horses'; expected"):
    _ = Domain("horses", "a").train


def test_folders_that_nothing_would_read_are_refused():
  config = ml_collections.ConfigDict(
    {"dataset": "digits", "image_size": 16, "a": "", "b": ""}
  )
  assert {*Domain.both(config)} == {"a", "b"}
  config.b = "CARTOONS"
  with pytest.raises(UserError, match=r"'digits', which reads no.*\.b;"):
    Domain.both(config)


def test_no_photograph_is_trained_on_as_both():
  names = (("china", "flower"), (), ())
  a, b = (
    Domain("photographs", side, style="edges", photographs=names)
    for side in "ab"
  )
  assert [len(one.train) for one in (a, b)] == [1, 1] and not a.evals
  (china,), (flower,) = (one.train.read(np.arange(1)) for one in (a, b))
  image, edges = china["image"], flower["image"]
  assert image.shape == edges.shape and not np.array_equal(image, edges)
  np.testing.assert_array_equal(edges[..., 0], edges[..., 1])  # without colours
  names = (("china", "flower"), (), ("flower",))
  with pytest.raises(UserError, match="got flower in two of them"):
    _ = Domain("photographs", "a", photographs=names).train


def test_no_digit_is_trained_on_as_both():
  a, b = (Domain("digits", side, image_size=16) for side in "ab")
  indices = lambda one: {*one.train.source.indices[one.train.indices].tolist()}
  assert len(indices(a) | indices(b)) == len(a.train) + len(b.train)
  for name in ("val", "test"):
    one, other = (x.evals[name].gather(np.arange(5)) for x in (a, b))
    np.testing.assert_array_equal(one["wanted"], other["image"])
    np.testing.assert_array_equal(other["wanted"], one["image"])
