"""Boxes to tracks: the filter against a textbook's, and a video through it."""

import types

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from tests.inference.test_predict_video import lines_of
from tests.oracles import library
from tests.programs.halves import halves, run_halves
from vision_jax.core.types import as_given
from vision_jax.data.sources.moving_digits import MovingDigits
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference import box_filter
from vision_jax.inference.tracking import Sort
from vision_jax.inference.tracks import tracks_writer
from vision_jax.main import main
from vision_jax.metrics.tracking import TrackTable, tracking_metrics

FRAMES, SIZE = 12, (48, 64)


def boxes_at(*corners, size=10.0):
  low = np.array(corners, float).reshape(-1, 2)
  return np.concatenate([low, low + size], 1)


def run(sort, frames, labels=None):
  """Numbers that are shown in each frame."""
  found = []
  for boxes in frames:
    label = np.zeros(len(boxes), int) if labels is None else labels
    found.append(sort(boxes, np.ones(len(boxes)), label).number.tolist())
  return found


def test_the_filter_is_a_textbooks():
  """Written for one box, in Joseph's form, with the inverse."""
  rng = np.random.default_rng(0)
  walks = [boxes_at((5 + 3 * t, 40 - t), (t, t)) for t in range(8)]
  walks = [x + rng.normal(0, 0.5, x.shape) for x in walks]
  boxes = box_filter.begun(walks[0])
  mean, covariance = boxes.mean[1], boxes.covariance[1]
  f, h = np.eye(7), np.eye(4, 7)
  f[[0, 1, 2], [4, 5, 6]] = 1
  scale = lambda x: np.array(
    [x[2] ** 0.5, x[2] ** 0.5, x[2], x[3], x[2] ** 0.5, x[2] ** 0.5, x[2]]
  )
  for seen in walks[1:]:
    boxes = box_filter.corrected(box_filter.moved(boxes), seen)
    mean = f @ mean
    q = np.diag((scale(mean) * box_filter.DRIFT) ** 2)
    covariance = f @ covariance @ f.T + q
    r = np.diag((scale(mean)[:4] * box_filter.DETECTED) ** 2)
    k = covariance @ h.T @ np.linalg.inv(h @ covariance @ h.T + r)
    mean = mean + k @ (box_filter.measured(seen)[1] - h @ mean)
    left = np.eye(7) - k @ h
    covariance = left @ covariance @ left.T + k @ r @ k.T
    np.testing.assert_allclose(boxes.mean[1], mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(boxes.covariance[1], covariance, atol=1e-7)
  np.testing.assert_allclose(boxes.mean[0, 4:6], [3, -1], atol=0.5)
  np.testing.assert_allclose(boxes.xyxy[1], walks[-1][1], atol=1.0)


def test_tracks_are_shown_from_the_third_frame_and_survive_one_without():
  frames = [boxes_at((2 * t, 0)) for t in range(8)]
  assert run(Sort(), frames) == [[], [], *[[1]] * 6]
  gap = [*frames[:4], boxes_at(), *frames[5:]]
  assert run(Sort(), gap) == [[], [], [1], [1], [], [1], [1], [1]]
  assert run(Sort(age=0), gap)[5:] == [[], [], [2]]
  early = [frames[0], boxes_at(), *frames[2:]]
  assert run(Sort(), early) == [[], [], [], [], *[[1]] * 4]
  assert run(Sort(hits=1), [boxes_at()] * 3) == [[], [], []]


def test_tracks_cross_and_keep_their_numbers():
  left = lambda t: (4.0 * t, 10.0)
  right = lambda t: (60 - 4.0 * t, 13.0)
  frames = [boxes_at(left(t), right(t)) for t in range(16)]
  # From the middle on the detector gives them in the other order.
  frames = [x if t < 8 else x[::-1] for t, x in enumerate(frames)]
  found = run(Sort(), frames)
  assert found[-1] == [1, 2]
  sort = Sort()
  for boxes in frames:
    tracks = sort(boxes, np.ones(2), np.zeros(2, int))
  np.testing.assert_allclose(
    tracks.boxes, boxes_at(left(15), right(15)), atol=2
  )


def test_a_track_is_of_one_class():
  sort, box = Sort(hits=1), boxes_at((0, 0))
  one = lambda label: sort(box, np.ones(1), np.array([label])).number.tolist()
  assert [one(0), one(1), one(0)] == [[1], [2], [1]]


def test_boxes_that_cannot_be():
  with pytest.raises(UserError, match=r"boxes: got .*nan.*expected finite"):
    run(Sort(), [np.full((1, 4), np.nan)])
  assert run(Sort(hits=1), [np.zeros((2, 4))]) == [[]]  # without area
  with pytest.raises(UserError, match=r"got age=1, hits=0, overlap=0.3"):
    Sort(hits=0)


class Blocks:
  """A task that finds the red block and the green one, none in the dark."""

  def predict(self, params, stats, batch, key):
    del params, stats, key
    image = batch["image"].astype(jnp.float32)  # in [0, 255]
    bright = jnp.stack([image[..., k] > 150 for k in (0, 1)], 1)  # b p h w
    rows, columns = bright.any(3), bright.any(2)
    ends = lambda x: (
      jnp.argmax(x, -1),
      x.shape[-1] - jnp.argmax(x[..., ::-1], -1),
    )
    (top, bottom), (left, right) = ends(rows), ends(columns)
    boxes = jnp.stack([left, top, right, bottom], -1).astype(jnp.float32)
    score = jnp.where(bright.sum((2, 3)) > 20, 0.9, 0.0)
    return {"boxes": boxes, "score": score, "label": jnp.zeros_like(top)}


def corners(t):
  return [(2 + 4 * t, 10), (50 - 4 * t, 18)]


def write_clip(path, dark=()):
  h, w = SIZE
  codec = cv2.VideoWriter_fourcc(*"MJPG")
  video = cv2.VideoWriter(str(path), codec, 10, (w, h))
  for t in range(FRAMES):
    image = np.zeros((h, w, 3), np.uint8)
    for k, (x, y) in enumerate(corners(t)):
      if t not in dark:
        image[y : y + 10, x : x + 10, 2 - k] = 255  # of OpenCV's BGR
    video.write(image)
  video.release()
  return path


def blocks(names=("block",)):
  how = Predict([decode(3), resize(SIZE)], names, ("overlay",))
  return types.SimpleNamespace(task=Blocks(), inputs=as_given, predict=how)


def tracked(tmp_path, **clip):
  path = write_clip(tmp_path / "clip.avi", **clip)
  out = tmp_path / "out"
  run_halves(blocks(), path, out, formats=["overlay", tracks_writer(hits=1)])
  return out


def test_a_video_comes_back_with_its_tracks(tmp_path):
  out = tracked(tmp_path)
  rows = np.loadtxt(out / "tracks.csv", delimiter=",", ndmin=2)
  assert rows.shape == (2 * FRAMES, 10)
  assert (rows[:, 7:] == -1).all() and (rows[:, 0].min(), rows[0, 6]) == (
    1,
    0.9,
  )
  found = TrackTable.of_mot(rows)
  boxes = np.concatenate([boxes_at(*corners(t)) for t in range(FRAMES)])
  frame = np.repeat(np.arange(FRAMES) + 1, 2)
  truth = TrackTable(frame, np.tile([7, 8], FRAMES), boxes)
  metrics = tracking_metrics(truth, found)
  assert metrics["mota"] == metrics["idf1"] == 1 and metrics["motp"] > 0.8
  lines = lines_of(out)
  assert [x["number"] for x in lines[5]["tracks"]] == [1, 2]
  assert lines[5]["tracks"][0]["class"] == "block"
  back = cv2.VideoCapture(str(out / "tracks" / "clip.mp4"))
  assert back.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
  assert back.read()[1].shape == (SIZE[0] * 5, SIZE[1] * 5, 3)


def test_frames_without_detections_have_none(tmp_path):
  out = tracked(tmp_path, dark=range(FRAMES))
  assert (out / "tracks.csv").read_text() == ""
  assert (out / "tracks" / "clip.mp4").exists()
  assert all(x["tracks"] == [] for x in lines_of(out))


def test_what_is_no_detector_or_no_video(tmp_path, capsys):
  clip = write_clip(tmp_path / "clip.avi")
  with pytest.raises(
    UserError, match="tracks writes boxes, score, label, whic"
  ):
    run_halves(
      *(halves(tmp_path / "none", 0), clip, tmp_path / "out"),
      formats=[tracks_writer()],
    )
  words = ["--mode=track", "--workdir=w", "--output=o"]
  assert main(words) == 2
  assert "--mode=track needs --images=" in capsys.readouterr().err
  assert main([*words, f"--images={tmp_path}"]) == 2
  assert "--mode=track expects a video out of" in capsys.readouterr().err
  halves(tmp_path / "images", 1)
  with pytest.raises(UserError, match=r"00\.png, which is no frame of a video"):
    run_halves(
      *(blocks(), tmp_path / "images", tmp_path / "out"),
      formats=[tracks_writer()],
    )


@pytest.mark.slow
def test_digits_that_move_are_followed():
  source = MovingDigits("test", 16, frames=8, size=32)
  for example in source.read(np.arange(len(source))):
    sort, numbers = Sort(hits=1), set()
    for image in example["image"][..., 0]:
      y, x = np.nonzero(image >= 48)  # above all noise
      box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]])
      tracks = sort(box, np.ones(1), np.zeros(1, int))
      numbers |= {*tracks.number.tolist()}
    assert numbers == {1}, example["name"]
    np.testing.assert_allclose(tracks.boxes, box, atol=1.5)


@pytest.mark.slow
def test_motmetrics_reads_the_table(tmp_path):
  motmetrics = library("motmetrics")
  out = tracked(tmp_path)
  read = motmetrics.io.loadtxt(str(out / "tracks.csv"), fmt="mot15-2D")
  ours = TrackTable.of_mot(
    np.loadtxt(out / "tracks.csv", delimiter=",", ndmin=2)
  )
  np.testing.assert_allclose(read[["X", "Y"]].to_numpy(), ours.boxes[:, :2])
  assert read.index.get_level_values("Id").tolist() == ours.number.tolist()
