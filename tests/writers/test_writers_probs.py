"""Probability maps as files, at the size of the images."""

import cv2
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About
from vision_jax.writers.prob_images import ProbImageWriter
from vision_jax.writers.probs import ProbsWriter

RNG = np.random.default_rng(0)
NAMES = ("ground", "cell", "edge", "dirt", "scale")


def case(tmp_path, size, k=5):
  probs = RNG.dirichlet(np.ones(k), (6, 8)).astype(np.float32)
  file = tmp_path / "a.b.png"
  write_png(file, np.full((*size, 3), 90, np.uint8))
  return file, {"probs": probs}


@pytest.mark.parametrize("size", [(6, 8), (15, 10), (3, 4)])
def test_arrays_have_the_images_size_and_add_up(tmp_path, size):
  file, row = case(tmp_path, size)
  writer = ProbsWriter(About(tmp_path / "out", NAMES))
  line = writer(file, row, "a.b")
  writer.close()
  assert line == {
    "probs": str(tmp_path / "out/probs/a.b.npy"),
    "classes": list(NAMES),
  }
  found = np.load(line["probs"])
  assert found.shape == (*size, 5) and found.dtype == np.float32
  np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
  if size == (6, 8):
    np.testing.assert_array_equal(found, row["probs"])
  else:  # pixel centres, half way in between
    torch = library("torch")
    wanted = torch.nn.functional.interpolate(
      torch.tensor(row["probs"]).permute(2, 0, 1)[None], size, mode="bilinear"
    )
    wanted = wanted[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("names", [NAMES, ()])
def test_images_are_of_one_class_each_in_16_bits(tmp_path, names):
  file, row = case(tmp_path, (6, 8))
  row["probs"][0, 0] = [1, 0, 0, 0, 0]
  line = ProbImageWriter(About(tmp_path / "out", names))(file, row, "a.b")
  assert [*line["prob_images"]] == list(names or "01234")
  for k, path in enumerate(line["prob_images"].values()):
    assert path == str(tmp_path / f"out/probs/{k}/a.b.png")
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint16 and image.shape == (6, 8)
    assert image[0, 0] == (65535 if k == 0 else 0)
    np.testing.assert_allclose(image / 65535, row["probs"][..., k], atol=1e-5)
