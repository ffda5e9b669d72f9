"""Videos in, predictions of their frames out, and a video again."""

import json
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.programs.halves import halves, run_halves
from vision_jax.data.errors import DataError
from vision_jax.data.sources.given_images import given_images
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.sources.video import VideoFrames
from vision_jax.errors import UserError

COUNT, RATE = 23, 12.5


def write_video(path, codec="MJPG", count=COUNT, size=(18, 24)):
  """Writes frames whose grey value is ten times their number."""
  h, w = size
  video = cv2.VideoWriter(
    str(path), cv2.VideoWriter_fourcc(*codec), RATE, (w, h)
  )
  assert video.isOpened()
  for i in range(count):
    video.write(np.full((h, w, 3), 10 * i, np.uint8))
  video.release()
  return path


def lines_of(output):
  text = (output / "predictions.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("every", [1, 4])
def test_frames_come_in_order_and_go_back_as_a_video(tmp_path, every):
  path = write_video(tmp_path / "clip.avi")
  experiment = halves(tmp_path / "none", 0, ("masks", "overlay"))
  run_halves(experiment, path, tmp_path / "out", every=every)
  lines = lines_of(tmp_path / "out")
  numbers = [*range(0, COUNT, every)]
  assert [line["frame"] for line in lines] == numbers
  for i, line in zip(numbers, lines, strict=True):
    assert line["file"] == str(tmp_path / "clip" / f"{i:06}.png")
    assert line["video"] == str(path)
    assert line["seconds"] == pytest.approx(i / RATE, abs=1e-3)
    assert line["mask"].endswith(f"masks/clip/{i:06}.png")
    mask = np.asarray(Image.open(line["mask"]))
    assert mask.shape == (18, 24)
    assert abs(int(mask[9, 9]) - 10 * i) <= 3
  back = cv2.VideoCapture(str(tmp_path / "out" / "overlays" / "clip.mp4"))
  assert back.get(cv2.CAP_PROP_FPS) == pytest.approx(RATE / every)
  for line in lines:
    done, frame = back.read()
    drawn = cv2.imread(line["overlay"])
    assert done and frame.shape == drawn.shape == (18, 24, 3)
    assert np.abs(frame.mean((0, 1)) - drawn.mean((0, 1))).max() < 12
  assert not back.read()[0]


def test_frames_are_read_by_their_numbers(tmp_path):
  source = VideoFrames(write_video(tmp_path / "a.mp4", "mp4v"), 2)
  assert len(source) == 12
  value = lambda e: e["image"][-1]
  for i in (0, 1, 5, 3, 3, 11):  # also backwards
    (example,) = source.read([i])
    assert abs(value(example) - 20 * i) <= 8
    assert source.files[i].read_bytes() == example["image"]
  copy = pickle.loads(pickle.dumps(source))
  assert copy.read([4]) == source.read([4])
  assert copy.fingerprint() == source.fingerprint()


def test_what_is_no_video(tmp_path):
  path = tmp_path / "clip.mp4"
  path.write_bytes(b"no video at all" * 20)
  with pytest.raises(UserError, match=r"clip\.mp4 cannot be decoded as a vid"):
    run_halves(halves(tmp_path / "none", 0), path, tmp_path / "out")
  assert not (tmp_path / "out").exists()
  empty = write_video(tmp_path / "empty.avi", count=0)
  with pytest.raises(UserError, match=r"empty\.avi (has no frame|cannot be)"):
    len(VideoFrames(empty))
  whole = write_video(tmp_path / "whole.avi").read_bytes()
  cut = tmp_path / "cut.avi"
  cut.write_bytes(whole[: len(whole) * 9 // 10])
  assert 3 < len(VideoFrames(cut)) <= COUNT  # what there is of it
  with pytest.raises(UserError, match=r"--every: got 2 for .*is no video"):
    given_images(tmp_path, 2)
  assert isinstance(given_images(tmp_path), ImageList)
  with pytest.raises(UserError, match="--every: got 0; expected 1 or more"):
    given_images(path, 0)


class Changing:
  """A capture whose third frame is of another size."""

  def __init__(self, path):
    del path
    self.number = -1

  def isOpened(self):
    return True

  def grab(self):
    self.number += 1
    return self.number < 4

  def read(self):
    done = self.grab()
    return done, np.zeros((8 + (self.number == 2), 6, 3), np.uint8)


def test_frames_of_several_sizes_are_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(cv2, "VideoCapture", Changing)
  source = VideoFrames(tmp_path / "clip.mp4")
  assert len(source.read([0, 1])) == 2
  with pytest.raises(DataError, match=r"frame 2 is 9x6 .* before it 8x6; exp"):
    source.read([2])
