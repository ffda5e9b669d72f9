"""Labels of frames as they come: windows, votes, latency, and the command."""

import csv

import numpy as np
import pytest
from etils import epath

from tests.inference.test_predict_video import write_video
from tests.programs import command
from vision_jax.data.errors import DataError
from vision_jax.data.stream import Stream, open_frames
from vision_jax.errors import UserError
from vision_jax.inference.online import Voted, latencies, majority, online
from vision_jax.inference.streams import Streamed

TRUTH = [0, 0, 0, 1, 1, 1, 1, 0, 0]


def last_but_one(window):
  """A net that is a frame late."""
  return int(window[-2])


def run(votes, window=3):
  return [*online(last_but_one, np.array(TRUTH), window, votes)]


def test_a_majority_is_the_last_of_equals():
  assert majority([2, 1, 1, 2, 2]) == 2
  assert majority([1, 2]) == 2 and majority([2, 1]) == 1
  assert majority([3, 1, 1, 3, 2]) == 3


def test_labels_come_from_the_first_whole_window_on():
  seen = []
  predict = lambda window: seen.append(window.tolist()) or len(seen)
  found = [*online(predict, np.arange(5), 3)]
  assert [x.frame for x in found] == [2, 3, 4]
  # The first one twice, as it compiles.
  assert seen == [[0, 1, 2], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
  assert all(x.milliseconds >= 0 for x in found)


def test_votes_by_hand_and_what_they_cost_in_frames():
  assert [x.label for x in run(1)] == [0, 0, 1, 1, 1, 1, 0]  # of 2, 3, ...
  assert [x.voted for x in run(1)] == [x.label for x in run(1)]
  assert [x.voted for x in run(3)] == [0, 0, 0, 1, 1, 1, 1]
  assert latencies(run(1), TRUTH) == [1, 1]
  assert latencies(run(3), TRUTH) == [2, None]  # the end comes before
  assert latencies(run(3), [1] * 9) == []


@pytest.mark.parametrize(
  ("frames", "window", "votes", "message"),
  [
    (2, 3, 1, "has 2 frames; expected 3 or more, as a .* Use --window=2, or a"),
    (0, 3, 1, "has 0 frames; expected 3 or more"),
    (4, 0, 1, "a window of 0 frames and 1 votes; expected 1 or more"),
    (4, 2, 0, "a window of 2 frames and 0 votes"),
  ],
)
def test_fewer_frames_than_a_window(frames, window, votes, message):
  with pytest.raises(UserError, match=message):
    [*online(last_but_one, np.arange(frames), window, votes)]


def test_what_is_written_of_a_stream(tmp_path):
  how = Stream([], 3, "joints", ("stand", "walk"))
  found = Streamed(how, run(3), np.array(TRUTH), every=2)
  first, share, after = found.lines()
  assert first.startswith("7 labels, each of 3 frames: ")
  assert share == "42.9 % of the frames are right"
  assert (
    after
    == "1 of 2 changes were found, after 2 frames in the median, 2 at most"
  )
  found.write(epath.Path(tmp_path))
  with open(tmp_path / "stream.csv") as file:
    rows = [*csv.DictReader(file)]
  assert [row["frame"] for row in rows] == [str(2 * i) for i in range(2, 9)]
  assert rows[2] | {"ms": ""} == {
    "frame": "8",
    "label": "walk",
    "voted": "stand",
    "ms": "",
    "truth": "walk",
  }
  assert (tmp_path / "strip.png").stat().st_size > 100
  assert found.strip().shape[2] == 3
  masked = Streamed(how, run(3), None, masked=4).lines()
  assert masked[1:] == [
    "4 frames have joints that are missing (NaN); they are masked"
  ]
  late = [Voted(2, 5, 5, 1.0)]
  assert Streamed(Stream([], 3), late, None).lines()[0].startswith("1 labels")
  Streamed(Stream([], 3), late, None).strip()  # numbers for names


def test_frames_of_files(tmp_path):
  joints = np.zeros((6, 4, 2), np.float32)
  np.save(tmp_path / "a.npy", joints)
  np.savez(tmp_path / "a.npz", joints=joints, target=np.arange(6))
  frames = open_frames(str(tmp_path / "a.npy"), "joints")
  assert len(frames) == 6 and frames.truth is None
  frames = open_frames(str(tmp_path / "a.npz"), "joints", every=4)
  assert len(frames) == 2 and frames.truth.tolist() == [0, 4]
  video = open_frames(str(write_video(tmp_path / "v.avi")), "image", every=10)
  assert len(video) == 3 and all(x.startswith(b"P6") for x in video)


@pytest.mark.parametrize(
  ("name", "key", "message"),
  [
    ("v.avi", "joints", "expected one of .npy .npz, with the joints of frames"),
    ("a.txt", "image", "expected one of .avi .mkv"),
    ("none.npy", "joints", "none.npy cannot be read"),
    ("flat.npy", "joints", r"has joints \(6, 4\); expected 3 axes, the first"),
    ("other.npz", "joints", r"has \['image'\]; expected an array joints"),
    ("short.npz", "joints", r"has target \(5,\) of 6 frames; expected a class"),
  ],
)
def test_files_that_hold_no_frames(tmp_path, name, key, message):
  np.save(tmp_path / "flat.npy", np.zeros((6, 4)))
  np.savez(tmp_path / "other.npz", image=np.zeros((2, 3, 3, 1)))
  target = np.zeros(5)
  np.savez(tmp_path / "short.npz", joints=np.zeros((6, 4, 2)), target=target)
  with pytest.raises(DataError, match=message):
    open_frames(str(tmp_path / name), key)


def call(run, *flags):
  return command.call(
    *("--mode=stream", f"--workdir={run}", f"--output={run}/out", *flags),
    devices=1,
  )


@pytest.mark.slow
def test_the_command_on_a_video_and_on_skeletons(tmp_path):
  clips, skeletons = tmp_path / "clips", tmp_path / "skeletons"
  few = ("--config.steps=2",)
  path = "configs/video/digits_vivit.py:tiny"
  command.train(clips, *few, config=path, devices=1)
  video = write_video(tmp_path / "v.avi")
  result = call(clips, f"--stream={video}", "--every=2", "--votes=3")
  assert result.code == 0, result.err
  assert "9 labels, each of 4 frames: " in result.out
  result = call(clips, f"--stream={video}", "--window=8")
  assert result.code == 2
  assert "--window: got 8; this net's weights are of windows of 4" in result.err
  result = command.call(
    *("--mode=predict", f"--workdir={clips}", f"--images={video}"),
    f"--output={tmp_path}/p",
    devices=1,
  )
  assert result.code == 2
  assert "this net sees 4 frames of image together, and no single" in result.err
  path = "configs/skeletons/actions_mstcn.py:tiny"
  command.train(skeletons, *few, config=path, devices=1)
  rng = np.random.default_rng(0)
  joints = rng.normal(size=(30, 11, 2)).astype(np.float32)
  joints[3, 2] = np.nan
  target = np.arange(30) // 10
  np.savez(tmp_path / "s.npz", joints=joints, target=target)
  result = call(skeletons, f"--stream={tmp_path}/s.npz")
  assert result.code == 0, result.err
  assert "15 labels, each of 16 frames" in result.out
  assert "% of the frames are right" in result.out
  assert "1 frames have joints that are missing (NaN); they" in result.out
  assert (skeletons / "out/strip.png").exists()
