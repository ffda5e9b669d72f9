"""Groups of examples: mosaics, pairs, clips, and one's own."""

import pickle

import numpy as np
import pytest

from tests.data_fixtures import Encoded, numbered
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.groups import Grouped, clips, mosaics, pairs
from vision_jax.data.joins import mosaic, stacked
from vision_jax.data.loader import Loader
from vision_jax.data.members import Consecutive, Others, Partners
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.data.subsets import subset
from vision_jax.data.transforms.boxes import (
  letterbox,
  pad_boxes,
  record_size,
)
from vision_jax.data.transforms.crops import (
  centre_crop,
  random_resized_crop,
  resize_centre_crop,
)
from vision_jax.data.transforms.image import decode, resize
from vision_jax.data.transforms.masks import resize_with_target

RNG = np.random.default_rng(0)


def equal(a, b):
  assert a.keys() == b.keys()
  for key in a:
    np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def joined(batches):
  return {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}


def scenes():
  """Mosaics of scenes of digits, in batches of 4."""
  source = DigitScenes("train", 10, size=48)
  source = mosaics(source, (64, 64))
  return Loader(source, [pad_boxes(20)], 4, seed=3)


def threes():
  """Each of 23 examples with two others, in batches of 8."""
  source = numbered(23)
  return Loader(Grouped(source, Others(source, 3), stacked()), (), 8, seed=3)


def threes_of_pairs():
  """Each of 23 pairs, drawn anew, with two others."""
  source = pairs(numbered(23))
  return Loader(Grouped(source, Others(source, 3), stacked()), (), 8, seed=3)


def some_threes():
  """Part of the threes: what is held out for validation, say."""
  source = subset(threes().source, [4, 0, 22, 7, 9])
  return Loader(source, (), 4, seed=3)


def frames(every=1):
  """Clips of 3 frames of two videos, of 7 and of 5."""
  video = np.repeat([4, 9], [7, 5])
  source = clips(numbered(12), 3, stride=2, every=every, videos=video)
  return Loader(source, (), 2, seed=3)


MAKES = {
  "mosaics": scenes,
  "threes": threes,
  "pairs": lambda: Loader(pairs(numbered(23)), (), 8, seed=3),
  "clips": frames,
  "threes of pairs": threes_of_pairs,
  "some threes": some_threes,
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_groups_are_pure_and_partitioned(make):
  loader, again = make(), make()
  for step in (3, 0):
    equal(loader.batch(step), again.batch(step))
  shards = [make().shard(i, 2) for i in range(2)]
  equal(loader.batch(4), joined([x.batch(4) for x in shards]))
  copied = pickle.loads(pickle.dumps(loader.source))
  assert copied.fingerprint() == loader.source.fingerprint()
  assert copied.fingerprint() != loader.source.source.fingerprint()


def test_an_epoch_visits_every_group_once_and_draws_anew():
  loader = threes()
  run = joined([loader.batch(step) for step in range(6)])["row"]
  epochs = run[:46].reshape(2, 23, 3)
  for epoch in epochs:
    assert sorted(epoch[:, 0]) == [*range(23)]
  assert all(len({*row}) == 3 for row in run.tolist())
  first, second = (e[np.argsort(e[:, 0])] for e in epochs)
  assert (first != second).any(1).mean() > 0.9
  assert len({*run[:, 1:].ravel()} | {*range(23)}) + 23 > 40, "all are drawn"
  whole = joined([*loader.epoch()])
  assert whole["row"][:23, 0].tolist() == [*range(23)]
  assert whole["index"][:23].tolist() == [*range(23)]
  assert whole["mask"].sum() == 23


def test_groups_of_groups_and_parts_of_them_draw_anew():
  rows = joined([threes_of_pairs().batch(step) for step in range(23)])["row"]
  assert rows.shape == (184, 3, 2)
  assert (rows[..., 0] != rows[..., 1]).all()
  first, second = (rows[rows[:, 0, 0] == 4][i] for i in (0, 1))
  assert (first != second).any()
  run = [joined([*some_threes().epoch()])["row"][:5, 0]]
  run += [some_threes().batch(step)["row"] for step in range(5)]
  assert run[0].tolist() == [4, 0, 22, 7, 9]
  drawn = np.concatenate(run[1:])
  assert sorted(drawn[:, 0]) == sorted(4 * [4, 0, 22, 7, 9])
  assert len({*map(tuple, drawn[drawn[:, 0] == 4])}) == 4


def test_partners_are_of_the_same_class_or_of_another():
  label = np.repeat([5, 2, 7], [2, 9, 12])
  source = ArraySource({"label": label, "row": np.arange(23)})
  for same in (0.0, 0.5, 1.0):
    loader = Loader(pairs(source, same=same), (), 23, seed=1)
    found = joined([loader.batch(step) for step in range(200)])
    rows, labels = found["row"], found["label"]
    np.testing.assert_array_equal(labels, label[rows])
    assert (rows[:, 0] != rows[:, 1]).all()
    alike = (labels[:, 0] == labels[:, 1]).mean()
    assert alike == pytest.approx(same, abs=0.03)
    for k in (5, 2, 7):  # everyone may be anyone's partner
      of = rows[labels[:, 0] == k]
      others = {*np.flatnonzero(label != k)} if same < 1 else set()
      own = {*np.flatnonzero(label == k)} if same else set()
      assert {*of[:, 1]} == others | own


def test_clips_are_frames_of_one_video():
  loader = frames()
  rows = joined([*loader.epoch()])
  # The second to last row fills up; frames 0 to 6 and 7 to 11, two apart.
  expected = [0, 1, 2, 7]
  assert len(loader.source) == 4
  assert rows["row"].tolist() == expected and rows["mask"].all()
  image = rows["image"][..., 0, 0, 0]
  assert image.tolist() == [[i, i + 2, i + 4] for i in expected]
  assert rows["image"].shape == (4, 3, 2, 2, 1)
  assert rows["label"].tolist() == [0, 1, 2, 7], "the first frame's"
  every = joined([*frames(2).epoch()])
  assert every["row"][every["mask"] > 0].tolist() == [0, 2, 7]


def test_what_is_random_is_the_same_for_all_frames_of_a_clip():
  crop = random_resized_crop(16)
  still = ArraySource({"image": np.repeat(noise(1, 40), 6, 0)})
  loader = Loader(clips(still, 3, transforms=[crop]), (), 4, seed=1)
  batch = loader.batch(0)["image"]
  np.testing.assert_array_equal(batch[:, :1].repeat(3, 1), batch)
  assert (batch[0] != batch[1]).any()
  pair = Grouped(still, Others(still, 2), stacked(), transforms=[crop])
  image = Loader(pair, (), 4, seed=1).batch(0)["image"]
  assert (image[:, 0] != image[:, 1]).any((1, 2, 3)).all()


def noise(n, size):
  return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)


def test_a_mosaic_by_hand():
  """Four images of 8 x 8 around the middle of a canvas of 8 x 12."""
  make = lambda value, box, **more: {
    "image": np.full((8, 8, 1), value, np.uint8),
    "target": np.full((8, 8), value, np.uint8),
    "boxes": np.array([box], np.float32),
    "label": np.array([value], np.int32),
    "area": np.array([32.0], np.float32),
    "box_mask": np.ones(1, np.float32),
    "name": str(value),
    **more,
  }
  whole = [0.5, 0.5, 1.0, 1.0]
  examples = [
    make(1, whole),
    make(2, [0.25, 0.75, 0.5, 0.5]),  # all of it below 4 of 8 rows: seen
    make(3, [0.5, 0.875, 1.0, 0.25]),  # its last two rows: not seen
    make(4, [0.5, 0.5, 0.5, 1.0]),
  ]
  examples[0]["image"] = examples[0]["image"][:, :4]  # 8 x 4
  examples[0]["target"] = examples[0]["target"][:, :4]
  join = mosaic((8, 12), centre=(0.5, 0.5), fill=9, visible=0.2)
  got = join(examples, RNG)
  expected = np.full((8, 12), 9)
  expected[:4, 2:6], expected[:4, 6:] = 1, 2
  expected[4:, :6], expected[4:, 6:] = 3, 4
  np.testing.assert_array_equal(got["image"][..., 0], expected)
  target = np.where(expected == 9, 255, expected)
  np.testing.assert_array_equal(got["target"], target)
  assert got["label"].tolist() == [1, 2, 4]
  pixels = got["boxes"] * [12, 8, 12, 8]
  corners = np.concatenate(
    [pixels[:, :2] - pixels[:, 2:] / 2, pixels[:, :2] + pixels[:, 2:] / 2], 1
  )
  np.testing.assert_allclose(
    corners, [[2, 0, 6, 4], [6, 0, 10, 4], [8, 4, 12, 8]], atol=1e-5
  )
  # Half of 1, all of 2, of 4 the columns 2 to 6 of 0 to 6, half of the rows.
  np.testing.assert_allclose(got["area"], [16, 32, 16])
  assert got["size"].tolist() == [8, 12] and got["boxes"].dtype == np.float32
  assert "box_mask" not in got
  most = mosaic((8, 12), centre=(0.5, 0.5), visible=0.6)(examples, RNG)
  assert most["label"].tolist() == [2]


def test_a_mosaic_that_is_none_is_the_first_image():
  source = DigitScenes("train", 10, size=48)
  make = lambda p: Loader(
    mosaics(source, (48, 48), probability=p), [pad_boxes(20)], 5, seed=3
  )
  never, often = make(0.0).batch(0), make(0.5)
  whole = {x["image"].tobytes(): x for x in source.read(np.arange(10))}
  for i in range(5):
    example = whole[never["image"][i].tobytes()]
    real = example["box_mask"] > 0
    kept = never["box_mask"][i] > 0
    np.testing.assert_allclose(
      never["boxes"][i][kept], example["boxes"][real], atol=1e-6
    )
  images = joined([often.batch(step) for step in range(8)])["image"]
  alone = np.mean([x.tobytes() in whole for x in images])
  assert 0.3 < alone < 0.7
  equal(often.batch(1), make(0.5).batch(1))
  with pytest.raises(DataError, match="probability 2; expected 0 to 1"):
    mosaic((8, 8), probability=2)


def test_boxes_of_a_mosaic_are_where_the_digits_are():
  batch = scenes().batch(1)
  assert batch["box_mask"].sum(1).min() >= 2
  for boxes, mask, target, label in zip(
    *(batch[k] for k in ("boxes", "box_mask", "target", "label")), strict=True
  ):
    seen = np.zeros_like(target, bool)
    for (x, y, w, h), k in zip(
      boxes[mask > 0] * 64, label[mask > 0], strict=True
    ):
      part = (slice(round(y - h / 2), round(y + h / 2)),
              slice(round(x - w / 2), round(x + w / 2)))  # fmt: skip
      assert (target[part] == k + 1).any()
      seen[part] = True
    digits = (target > 0) & (target < 255)
    assert (digits & ~seen).sum() < 0.1 * digits.sum(), "small rests of boxes"


def test_a_group_with_a_bad_image_is_one():
  source = Encoded(8, bad=(3,))
  group = clips(source, 2, transforms=[decode(3), resize((8, 8))])
  with pytest.raises(BadImage, match=r"3\.jpg"):
    Loader(group, (), 7, shuffle=False).batch(0)
  loader = Loader(group, (), 7, shuffle=False, on_bad_image="skip")
  batch = loader.batch(0)
  assert batch["mask"].tolist() == [1, 1, 0, 0, 1, 1, 1]
  assert loader.skipped_names == ("3.jpg",)
  assert batch["image"].shape == (7, 2, 8, 8, 3)


def members(found):
  source = numbered(5)

  class Mine:  # fmt: skip
    __len__ = lambda self: 3
    __call__ = lambda self, i, rng: found

  return Grouped(source, Mine(), stacked()).draw(np.arange(1), [RNG])


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: Others(numbered(3), 4)(0, RNG),
     "groups of 4, and the source has 3 examples; expected groups of 1 to 3"),
    (lambda: members([0, 5]), r"members \[0, 5\] of group 0; .* 0 to 4"),
    (lambda: members([]), r"members \[\] of group 0; expected one index"),
    (lambda: Partners(Encoded(3), 0.5), "got a Encoded, which has no labels"),
    (lambda: pairs(numbered(9), same=1.5), "same: got 1.5; expected a prob"),
    (lambda: Partners(numbered(11), 0.5)(0, RNG), "class 1 has one example"),
    (lambda: Partners(numbered(5, 1), 0.5)(0, RNG), "got one class; expected"),
    (lambda: clips(numbered(9), 0), "clips: got length 0"),
    (lambda: len(clips(numbered(9), 4, stride=3)),
     "clips over 10 frames, and the longest video has 9"),
    (lambda: len(Consecutive(numbered(9), 2, videos=[1, 2])),
     r"videos of shape \(2,\); expected \(9,\)"),
    (lambda: mosaic((1, 8)), r"mosaic: got size \(1, 8\)"),
    (lambda: mosaic((8, 8))([{}] * 3, RNG), "got 3 examples; expected 4"),
    (lambda: mosaic((8, 8))([{"image": b""}] * 4, RNG), "still encoded"),
    (lambda: mosaic((8, 8))([plain(3, depth=1)] * 4, RNG), "also has depth"),
    (lambda: mosaic((8, 8))([plain(3), plain(1), *[plain(3)] * 2], RNG),
     r"has \(1, 'uint8'\); expected \(3, 'uint8'\)"),
    (lambda: mosaic((8, 8))([plain(3), plain(3, boxes=1)] * 2, RNG),
     "has boxes, image; expected image"),
    (lambda: stacked()([plain(3), plain(1)], RNG), r"an image has .*\(4, 4, 1"),
    (lambda: stacked()([plain(3), {}], RNG), r"has {}; expected"),
  ],
)  # fmt: skip
def test_bad_input(make, message):
  with pytest.raises(DataError, match=message):
    make()


def plain(channels, **more):
  return {"image": np.zeros((4, 4, channels), np.uint8), **more}


def test_transforms_take_clips_or_name_them():
  clip = {"image": np.arange(2 * 6 * 7).reshape(2, 6, 7, 1).astype(np.uint8)}
  got = centre_crop((2, 3))(clip, None)["image"]
  np.testing.assert_array_equal(got, clip["image"][:, 2:4, 2:5])
  assert record_size()(clip, None)["size"].tolist() == [6, 7]
  for refusing in (
    decode(1),
    resize((4, 4)),
    letterbox((4, 4)),
    resize_centre_crop(4, 4),
    resize_with_target((4, 4)),
    random_resized_crop(4, channels=1),
  ):
    with pytest.raises(DataError, match=r"\w+: an image is an array of shape"):
      refusing(clip, RNG)
