"""Small sets of boxes are written as they are described, and read back."""

import cv2
import numpy as np
import pytest

from benchmarks import small_boxes
from tests.box_files import write_voc
from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.data.sources.voc import VocSource

BOTH = [("RBC", 6, 4, 30, 20), ("WBC", 0, 0, 60, 40)]


@pytest.fixture
def bccd(tmp_path):
  root = tmp_path / "data" / "bccd_voc"
  for split, number in (("train", 3), ("val", 2), ("test", 2)):
    for i in range(number):
      cells = BOTH if i else BOTH[1:]
      write_voc(root, cells, name=f"{split}{i}", split=split)
  return root


def test_one_class_is_kept(bccd, tmp_path):
  small_boxes.write_one_class(bccd, tmp_path / "rbc", "RBC", each=2)
  train = VocSource(tmp_path / "rbc", "train")
  assert train.class_names == ("RBC",) and len(train) == 2
  without, one = train.read(np.arange(2))
  assert len(without["boxes"]) == 0 and len(one["boxes"]) == 1
  assert len(VocSource(tmp_path / "rbc", "test", class_names=("RBC",))) == 2
  original = (bccd / "JPEGImages/train1.jpg").read_bytes()
  assert (tmp_path / "rbc/JPEGImages/train1.jpg").read_bytes() == original


def test_digits_are_in_front_of_the_clutter(tmp_path):
  small_boxes.write_clutter(tmp_path, each=2)
  scenes = DigitScenes("test", 52, size=128, max_objects=5, seed=1)
  source = VocSource(tmp_path, "test")
  assert source.class_names == ("digit",) and len(source) == 2
  expected = scenes.read(np.arange(50, 52))
  for got, scene in zip(source.read(np.arange(2)), expected, strict=True):
    truth = scene["boxes"][scene["box_mask"] > 0]
    np.testing.assert_allclose(got["boxes"], truth, atol=1e-3)
    pixels = np.frombuffer(got["image"], np.uint8)
    image = cv2.imdecode(pixels, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    apart = np.abs(image - scene["image"]).mean(-1)
    digit = cv2.erode((scene["target"] > 0).astype(np.uint8), np.ones((3, 3)))
    assert apart[digit > 0].mean() < 12 < apart.max()


def test_without_bccd_it_writes_the_rest(tmp_path, capsys):
  output = tmp_path / "out"
  words = [f"--output={output}", f"--data_dir={tmp_path}"]
  assert small_boxes.main(words) == 2
  assert "BCCD is left out" in capsys.readouterr().err
  assert len([*(output / "clutter/JPEGImages").iterdir()]) == 400


def test_with_it_all_are_written(bccd, tmp_path, monkeypatch):
  monkeypatch.setattr(small_boxes, "write_clutter", lambda folder: None)
  words = [f"--output={tmp_path}", f"--data_dir={bccd.parent}"]
  assert small_boxes.main(words) == 0
  assert (tmp_path / "bccd_wbc/ImageSets/Main/val.txt").exists()
