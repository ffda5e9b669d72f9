"""Generated clips and skeletons, their windows, and joints that are missing."""

import logging
import pickle

import numpy as np
import pytest

from tests.programs import command
from vision_jax.data.errors import DataError
from vision_jax.data.sources import moving_digits, poses
from vision_jax.data.sources.clip_file import ClipFile
from vision_jax.data.sources.moving_digits import MovingDigits
from vision_jax.data.sources.skeletons import (
  CLASS_NAMES,
  SkeletonActions,
  SkeletonSequences,
)
from vision_jax.data.transforms.clips import mask_joints, window
from vision_jax.pipelines.sources.moving import MovingClips, MovingSkeletons
from vision_jax.recipe import recipe

ALL = np.arange(16)


def test_digits_move_as_their_class_says():
  source = MovingDigits("train", 16, frames=6, size=20)
  for clip in source.read(ALL):
    direction, speed = moving_digits.CLASS_NAMES[clip["label"]].split()
    step = np.array(moving_digits.DIRECTIONS[direction])
    step *= moving_digits.SPEEDS[speed]
    ink = np.where(clip["image"][..., 0] > 48, clip["image"][..., 0], 0)
    ink = ink.astype(float)
    y, x = np.mgrid[:20, :20]
    total = ink.sum((1, 2))
    centre = np.stack([(ink * a).sum((1, 2)) / total for a in (y, x)], -1)
    np.testing.assert_allclose(np.diff(centre, axis=0), [step] * 5, atol=0.02)
  labels = [clip["label"] for clip in source.read(ALL)]
  assert labels == source.labels().tolist() == [*range(8)] * 2


@pytest.mark.parametrize(
  "make",
  [
    lambda split, seed=0: MovingDigits(split, 16, frames=3, size=12, seed=seed),
    lambda split, seed=0: SkeletonActions(split, 16, 8, seed=seed),
    lambda split, seed=0: SkeletonSequences(split, 16, 40, seed=seed),
  ],
  ids=["digits", "actions", "sequences"],
)
def test_examples_are_pure_and_of_their_split(make):
  train, again, val, other = make("train"), make("train"), make("val"), None
  other = make("train", seed=1)
  one = train.read(np.array([5]))[0]
  for key, x in again.read(ALL)[5].items():
    np.testing.assert_array_equal(x, one[key])
  prints = {x.fingerprint() for x in (train, again, val, other)}
  assert len(prints) == 3 and train.fingerprint() == again.fingerprint()
  key = "image" if "image" in one else "joints"
  assert not np.array_equal(val.read(np.array([5]))[0][key], one[key])
  with pytest.raises(DataError, match="got split 'dev'"):
    make("dev")


def test_a_figure_keeps_its_lengths_and_stands():
  phase = np.linspace(0, 7, 30)
  for action in poses.ACTIONS.values():
    found = poses.joints(action(phase))
    assert found.shape == (30, len(poses.JOINTS), 2)
    for (a, b), length in zip(poses.EDGES, poses.LENGTHS, strict=True):
      apart = np.linalg.norm(found[:, a] - found[:, b], axis=-1)
      np.testing.assert_allclose(apart, length)
    np.testing.assert_allclose(found[..., 1].min(1), 0, atol=0.45)
    assert (found[:, poses.JOINTS.index("head"), 1] > 0.8).all()


def test_sequences_have_an_action_for_each_frame():
  source = SkeletonSequences("train", 40, 80, missing=0.1)
  for example in source.read(np.arange(40)):
    frames, target = example["frame_mask"] > 0, example["target"]
    assert 60 <= frames.sum() <= 80
    np.testing.assert_array_equal(target != 255, frames)
    assert frames[: frames.sum()].all()
    changes = np.flatnonzero(np.diff(target[frames].astype(int)))
    assert (np.diff(changes) >= 14).all() and len(changes) >= 1
    missing = np.isnan(example["joints"]).any(-1)
    assert missing[~frames].all() and 0.03 < missing[frames].mean() < 0.2
  seen = {int(k) for x in source.read(np.arange(40)) for k in x["target"]}
  assert seen == {*range(len(CLASS_NAMES)), 255}


def test_windows_lie_within_the_clip():
  clip = {"image": np.arange(10)[:, None], "name": "a clip"}
  rng = np.random.default_rng(0)
  middle = window(4)(clip, None)["image"][:, 0]
  assert middle.tolist() == [3, 4, 5, 6]
  drawn = [window(4, random=True)(clip, rng)["image"][:, 0] for _ in range(60)]
  assert {int(x[0]) for x in drawn} == {*range(7)}
  assert all((np.diff(x) == 1).all() for x in drawn)
  both = clip | {"target": np.arange(10)}
  part = window(4, keys=("image", "target"))(both, None)
  np.testing.assert_array_equal(part["target"], part["image"][:, 0])


def test_a_clip_shorter_than_the_window_is_refused():
  clip = {"image": np.zeros((3, 8, 8, 1), np.uint8), "name": "runs/7.mp4"}
  expected = (
    r"runs/7.mp4: has 3 frames; expected 4 or more, as a window has\. Leave it "
    r"out, or use --config.window=3\."
  )
  with pytest.raises(DataError, match=expected):
    window(4)(clip, None)


def test_missing_joints_are_masked_and_it_is_logged_once(caplog):
  joints = np.arange(24, dtype=np.float64).reshape(2, 4, 3)
  joints[0, 1, 2] = joints[1, 3] = np.nan
  apply = mask_joints()
  with caplog.at_level(logging.WARNING):
    found = apply({"joints": joints, "name": "s1"}, None)["joints"]
    apply({"joints": joints, "name": "s2"}, None)
  assert found.dtype == np.float32 and found.shape == (2, 4, 4)
  seen = np.ones((2, 4))
  seen[0, 1] = seen[1, 3] = 0
  np.testing.assert_array_equal(found[..., 3], seen)
  expected = np.where(seen[..., None] > 0, joints, 0)
  np.testing.assert_array_equal(found[..., :3], expected)
  (record,) = caplog.records
  assert (
    "s1 has joints that are missing (NaN); they are masked"
    in record.msg % (record.args)
  )


def test_padding_is_no_missing_joint(caplog):
  joints = np.zeros((3, 2, 2), np.float32)
  joints[2] = np.nan
  example = {"joints": joints, "frame_mask": np.float32([1, 1, 0])}
  with caplog.at_level(logging.WARNING):
    found = mask_joints()(example, None)["joints"]
  assert not caplog.records
  np.testing.assert_array_equal(found[..., 2], [[1, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
  ("joints", "message"),
  [
    (
      np.zeros((2, 3), int),
      r"s: has joints \(2, 3\) of int64; expected floats",
    ),
    (np.zeros(3), r"has joints \(3,\) of float64; expected floats"),
    (np.full((2, 3), np.inf), "has joints at infinity; expected finite"),
  ],
)
def test_joints_that_are_none_are_refused(joints, message):
  with pytest.raises(DataError, match=message):
    mask_joints()({"joints": joints, "name": "s"}, None)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: MovingDigits("train", 4, frames=9, size=20),
     "frames of 20 pixels; expected 24 or more, which a digit crosses in 9"),
    (lambda: MovingDigits("train", 4, frames=1), "1 frames; expected train"),
    (lambda: SkeletonActions("train", 4, missing=1.0), "1.0 of joints missing"),
    (lambda: MovingClips("npz", (1, 0, 0), 8, "", (), 24),
     "--config.data_dir: got none; expected the npz file"),
    (lambda: MovingClips("digits", (4, 0, 0), 8, "", (), 24),
     "did you mean 'moving_d"),
    (lambda: MovingSkeletons("skeleton_actions", (0, 1, 1), 8, "", (), 0.0),
     r"--config.clips: got \(0, 1, 1\); expected how many for train, val"),
  ],
)  # fmt: skip
def test_what_cannot_be_generated_is_refused(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def skeletons_file(place, **changes):
  """Six skeletons of three joints, two of them to test on."""
  rng = np.random.default_rng(0)
  arrays = {
    "train_joints": rng.normal(size=(4, 7, 3, 2)),
    "train_target": np.arange(28).reshape(4, 7) // 7,
    "test_joints": rng.normal(size=(2, 7, 3, 2)),
    "test_target": np.full((2, 7), 255),
    "edges": [[0, 1], [1, 2]],
    "centre": 1,
  }
  arrays = {k: x for k, x in (arrays | changes).items() if x is not None}
  np.savez(place / "own.npz", **arrays)
  return ClipFile(str(place / "own.npz"), "joints")


def test_ones_own_file(tmp_path):
  file = skeletons_file(tmp_path)
  assert file.splits() == ["train", "test"] and file.frame() == (3, 2)
  assert file.names() == ("0", "1", "2", "3")
  assert file.edges() == ((0, 1), (1, 2)) and file.centre() == 1
  source = file.open("train")
  assert len(source) == 4
  example = source.read(np.array([2]))[0]
  assert example["joints"].dtype == np.float32
  assert example["target"].dtype == np.uint8 and (example["target"] == 2).all()
  assert example["frame_mask"].all() and example["name"].endswith("train [2]")
  (padded, _) = file.open("test").read(np.arange(2))
  assert not padded["frame_mask"].any()
  copy = pickle.loads(pickle.dumps(source))
  assert copy.fingerprint() == source.fingerprint()
  assert len(pickle.dumps(source)) < 500
  names = skeletons_file(tmp_path, class_names=["a", "b", "c", "d"]).names()
  assert names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"train_joints": None}, "expected an array train_joints, and val_joints"),
    (
      {"train_target": None},
      r"has for train {'joints': .*; expected joints of",
    ),
    ({"train_target": np.zeros((4, 6), int)}, "label .n,. and target .n, t."),
    ({"train_target": np.zeros((4, 7))}, "target .n, t., integers"),
    ({"train_joints": np.zeros((4, 7, 3))}, "expected joints of 4 axes"),
    ({"edges": [0, 1]}, r"has edges \(2,\); expected an array edges"),
  ],
)
def test_a_file_without_what_is_needed(tmp_path, changes, message):
  file = skeletons_file(tmp_path, **changes)

  def use():
    file.splits()
    file.edges()
    file.open("train").read(np.array([0]))

  with pytest.raises(DataError, match=message):
    use()


@pytest.mark.parametrize(
  "name", ["video/digits_r3d", "skeletons/actions_stgcn"]
)
def test_a_config_takes_ones_own(tmp_path, name):
  rng = np.random.default_rng(0)
  place = tmp_path / "own.npz"
  own = {
    "train_image": rng.integers(0, 256, (8, 6, 12, 12, 3), np.uint8),
    "train_joints": rng.normal(size=(8, 9, 4, 2)),
    "train_label": np.arange(8) % 3,
    "edges": [[0, 1], [1, 2], [1, 3]],
    "class_names": ["a", "b", "c"],
  }
  own |= {k.replace("train", "val"): x for k, x in own.items() if "train" in k}
  np.savez(place, **own)
  values = {"dataset": "npz", "data_dir": str(place), "batch_size": "4"}
  path = command.ROOT / f"configs/{name}.py"
  loaded = recipe.load(f"{path}:tiny", values)
  assert tuple(loaded.config.class_names) == ("a", "b", "c")
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  shape = (4, 4, 12, 12, 3) if "video" in name else (4, 8, 4, 3)
  assert batch["image" if "video" in name else "joints"].shape == shape
  assert list(experiment.evals) == ["val"]
