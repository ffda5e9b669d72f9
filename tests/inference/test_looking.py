"""What is drawn besides samples: nearest images, a training's course."""

import contextlib
import json
import types

import cv2
import numpy as np
import pytest

from tests.programs.command import call
from vision_jax.errors import UserError
from vision_jax.inference.memorised import write_nearest

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (25, 4, 6, 3)).astype(np.uint8)
HELD = RNG.integers(0, 256, (9, 4, 6, 3)).astype(np.uint8)


class Images:
  """Batches of ten, the last filled up."""

  def __init__(self, images):
    self.images = images

  def epoch(self):
    for start in range(0, len(self.images), 10):
      part = self.images[start : start + 10]
      left = 10 - len(part)
      image = np.concatenate([part, np.zeros((left, *part.shape[1:]), "uint8")])
      yield {"image": image, "mask": np.repeat([1.0, 0.0], [len(part), left])}


class Known(contextlib.nullcontext):
  """An experiment of these images, seen in [-1, 1]."""

  task = types.SimpleNamespace(value_range=(-1.0, 1.0))

  def __init__(self, train=TRAIN, **evals):
    super().__init__()
    self.train_data = Images(train)
    self.evals = {
      name: types.SimpleNamespace(data=Images(x)) for name, x in evals.items()
    }

  def inputs(self, batch):
    return batch | {"image": batch["image"].astype(np.float32) / 127.5 - 1}


def test_copies_of_training_images_are_found(tmp_path):
  samples, lines = TRAIN[[3, 17, 24]].copy(), []
  samples[1, 0, 0, 0] ^= 255
  small = RNG.integers(0, 256, (7, 2, 2, 3)).astype(np.uint8)
  experiment = Known(digits=small, test=HELD)
  write_nearest(experiment, samples, 2, tmp_path, lines.append)
  found = json.loads((tmp_path / "nearest.json").read_text())
  moved = abs(int(samples[1, 0, 0, 0]) - int(TRAIN[17, 0, 0, 0])) / 255
  np.testing.assert_allclose(
    found["samples"], [0, moved / np.sqrt(72), 0], atol=1e-6
  )
  far = (HELD[:3, None] / 255 - TRAIN[None] / 255).reshape(3, 25, 72)
  wanted = np.sqrt((far**2).mean(-1)).min(1)
  np.testing.assert_allclose(found["held_out"], wanted, atol=1e-5)
  assert found["median_samples"] < 1e-6
  assert f"held_out {np.median(wanted):.4f}" in lines[0]
  shown = cv2.imread(str(tmp_path / "nearest.png"))[..., ::-1]
  h, w = shown.shape[0] // 3, shown.shape[1] // 3  # with a gap of 2 or less
  k = h // 4  # each pixel is enlarged
  np.testing.assert_array_equal(
    shown[k // 2 : 4 * k : k, w + k // 2 :: k][:4, :6][:, :5],
    TRAIN[3][:, :5],
  )


def test_without_held_out_images_of_that_size(tmp_path):
  write_nearest(Known(), TRAIN[:2], 1, tmp_path, print)
  assert set(json.loads((tmp_path / "nearest.json").read_text())) == {
    "samples",
    "median_samples",
  }


def test_images_of_another_size_or_too_few_are_refused(tmp_path):
  with pytest.raises(UserError, match=r"images are \(4, 6, 3\), and samples"):
    write_nearest(Known(), TRAIN[:, :2], 1, tmp_path, print)
  with pytest.raises(UserError, match="--nearest: got 26; expected no more"):
    write_nearest(Known(), TRAIN, 26, tmp_path, print)


@pytest.mark.slow
def test_the_same_noise_along_a_training(tmp_path):
  config = "--config=configs/generation/digits_gan.py:tiny"
  often = [f"--config.{name}_every=5" for name in ("save", "keep")]
  flags = ("--workdir=run", "--config.steps=10", "--config.eval_every=0")
  assert call(config, *often, *flags, devices=1, cwd=tmp_path).code == 0
  use = ("--mode=sample", "--workdir=run", "--along", "--num_samples=6")
  done = call(*use, "--output=out", devices=1, cwd=tmp_path)
  assert done.code == 0, done.err
  shown = cv2.imread(str(tmp_path / "out/along.png"))
  first, second = np.split(shown[: shown.shape[0] // 2 * 2], 2)
  assert shown.shape[1] > shown.shape[0] and not np.array_equal(first, second)
  video = cv2.VideoCapture(str(tmp_path / "out/along.mp4"))
  assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 2
  done = call(*use, "--output=more", "--nearest=2", devices=1, cwd=tmp_path)
  assert done.code != 0 and "leave out --nearest" in done.err
  done = call(
    *("--mode=sample", "--workdir=run", "--output=walk", "--video=5"),
    *("--num_samples=8", "--sample.traverse=4", "--nearest=1"),
    devices=1,
    cwd=tmp_path,
  )
  assert done.code == 0 and "nearest training image" in done.out + done.err
  drawn = np.load(tmp_path / "walk/samples.npz")["image"].astype(int)
  assert len(drawn) == 8 and not np.array_equal(drawn[0], drawn[1])
  video = cv2.VideoCapture(str(tmp_path / "walk/samples.mp4"))
  assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 8
  assert (tmp_path / "walk/nearest.png").exists()
