"""`--mode=pairs`, and translated images and videos out."""

import types

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.data_fixtures import encode, random_image
from tests.inference.test_predict_video import lines_of, write_video
from tests.programs.command import call
from tests.programs.halves import run_halves
from vision_jax.core.types import as_given
from vision_jax.data.styles import STYLES
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference.pairs import splits_of, write_pairs
from vision_jax.pipelines.sources.pairs import PairData


def write(folder, names):
  folder.mkdir()
  for i, name in enumerate(names):
    data = encode(random_image(30, 40, seed=i), "PNG")
    (folder / f"{name}.png").write_bytes(data)
  return folder


def written(folder):
  """split -> part -> the names in it."""
  return {
    split: {
      part: {x.stem for x in (folder / split / part).glob("*.png")}
      for part in ("input", "target")
    }
    for split in ("train", "val", "test")
  }


@pytest.mark.parametrize("style", STYLES)
def test_pairs_of_images_of_any_kind(tmp_path, style):
  images, logged = write(tmp_path / "in", "abcdefgh"), []
  pixels = random_image(30, 40, seed=9)
  deep = pixels[..., 0].astype(np.uint16) * 257
  clear = np.concatenate([pixels, pixels[..., :1]], -1)
  (images / "grey.png").write_bytes(encode(pixels[..., :1], "PNG"))
  (images / "deep.png").write_bytes(encode(deep[..., None], "PNG"))
  (images / "clear.png").write_bytes(encode(clear, "PNG"))
  (images / "broken.png").write_bytes(b"no image")
  counts = write_pairs(
    *(images, tmp_path / "out", style), holdout=0.2, size=20, log=logged.append
  )
  assert counts["train"] >= 6 and counts["val"] and counts["test"]
  assert sum(counts.values()) == 11 and "broken.png" in logged[-1]
  names = written(tmp_path / "out")
  assert {k: len(x["input"]) for k, x in names.items()} == counts
  for split, parts in names.items():
    assert parts["input"] == parts["target"]
    for name in parts["input"]:
      given, made = (
        np.array(Image.open(tmp_path / "out" / split / part / f"{name}.png"))
        for part in ("input", "target")
      )
      assert given.shape == made.shape == (20, 27, 3)
      assert given.dtype == made.dtype == np.uint8
      np.testing.assert_array_equal(made, STYLES[style](given))
  data = PairData("folder", data_dir=str(tmp_path / "out"))
  assert len(data.train) == counts["train"]
  assert [*data.evals] == ["val", "test"]
  with pytest.raises(UserError, match="holds results of an earlier call"):
    write_pairs(images, tmp_path / "out", style)


def test_the_split_is_by_the_names_hashes():
  names = [f"image{i}" for i in range(60)]
  splits = dict(zip(names, splits_of(names, 0.1), strict=True))
  counts = {s: [*splits.values()].count(s) for s in ("train", "val", "test")}
  assert counts["train"] in (47, 48, 49) and min(counts.values()) >= 5
  fewer = names[::-1][1:]  # in another order, and one less
  again = dict(zip(fewer, splits_of(fewer, 0.1), strict=True))
  assert sum(again[name] != splits[name] for name in fewer) <= 2
  assert {*splits_of(["a", "b", "c"], 0.1)} == {"train", "val", "test"}
  for few, share in ((names[:2], 0.1), (names, 0.5), (names, 0.0)):
    with pytest.raises(UserError, match="expected three images or more"):
      splits_of(few, share)


@pytest.mark.slow
def test_the_mode(tmp_path):
  images, out = write(tmp_path / "in", "abcde"), tmp_path / "out"
  flags = ("--mode=pairs", f"--images={images}", f"--output={out}")
  done = call(*flags, "--style=edges", devices=1)
  assert done.code == 0, done.err
  assert f"{out}: 3 train, 1 val, 1 test" in done.err
  assert (out / "pairs.png").exists()
  bad = call(*flags, "--style=oil", devices=1)
  assert bad.code == 2 and "--style: got 'oil'; expected" in bad.err
  bad = call("--mode=pairs", f"--images={images}", devices=1)
  assert bad.code == 2 and "needs --images=IMAGES and --output" in bad.err


class Negative:
  """A task that makes the negative, at the size that it sees."""

  def predict(self, params, stats, batch, key):
    del params, stats, key
    return {"translated": 1 - batch["image"] / 255.0}


def negatives(*, own_size=False):
  steps = [decode(3), *([] if own_size else [resize((9, 12))])]
  how = Predict(steps, formats=("translated",), own_size=own_size)
  return types.SimpleNamespace(task=Negative(), inputs=as_given, predict=how)


@pytest.mark.parametrize("own_size", [False, True])
def test_images_come_back_at_their_own_size(tmp_path, own_size):
  images = write(tmp_path / "in", "ab")
  run_halves(negatives(own_size=own_size), images, tmp_path / "out")
  for i, line in enumerate(lines_of(tmp_path / "out")):
    made = np.array(Image.open(line["translated"]))
    expected = 255 - random_image(30, 40, seed=i).astype(int)
    assert made.shape == (30, 40, 3)
    error = np.abs(made - expected)
    assert (error.max() if own_size else error.mean() / 12) <= 1


def test_a_video_comes_back_as_one(tmp_path):
  path = write_video(tmp_path / "clip.avi", count=7)
  run_halves(negatives(), path, tmp_path / "out", every=2)
  lines = lines_of(tmp_path / "out")
  assert [line["frame"] for line in lines] == [0, 2, 4, 6]
  back = cv2.VideoCapture(str(tmp_path / "out" / "translated" / "clip.mp4"))
  for line in lines:
    done, frame = back.read()
    assert done and frame.shape == (18, 24, 3)
    grey = 255 - 10 * line["frame"]
    assert abs(frame.mean() - grey) < 12
    assert abs(cv2.imread(line["translated"]).mean() - grey) < 4
  assert not back.read()[0]
  empty = write_video(tmp_path / "empty.avi", count=0)
  with pytest.raises(UserError, match=r"empty\.avi (has no frame|cannot be)"):
    run_halves(negatives(), empty, tmp_path / "none")
