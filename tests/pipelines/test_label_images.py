"""What TensorBoard shows of a classifier: truth above, prediction inside."""

import numpy as np
import pytest

from vision_jax.pipelines.label_images import RIGHT, WRONG, label_images
from vision_jax.viz.bands import show_bands
from vision_jax.viz.grid import TITLE
from vision_jax.viz.text import put_label

NAMES = ("cat", "dog", "cow")
SHOWN = {  # true and found labels, and the texts of both
  "one": ([0, 2], [0, 1], ["cat", "cow"], ["cat", "dog"]),
  "several": (
    [[1, 0, 1], [0, 0, 0]],
    [[True, False, True], [False, True, False]],
    ["cat, cow", "-"],
    ["cat, cow", "dog"],
  ),
}


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_truth_stands_above_and_the_prediction_inside(kind, channels):
  """On green where they are the same, and on red where they are not."""
  true, found, above, inside = SHOWN[kind]
  image = np.full((2, 80, 100, channels), 90, np.uint8)
  batch = {"image": image, "label": np.array(true, np.int32)}
  drawn = label_images(NAMES)(batch, {"label": np.array(found)})["labels"]
  h, w = 160, 200  # at least 160 pixels wide
  assert drawn.shape[0] == h + TITLE
  for i, colour in enumerate((RIGHT, WRONG)):
    x = i * (w + 2)
    wanted = np.full((h, w, 3), 90, np.uint8)
    style = {"colour": (255,) * 3, "background": colour, "height": 11}
    put_label(wanted, inside[i], (0, h), **style)
    np.testing.assert_array_equal(drawn[TITLE:, x : x + w], wanted)
    line = np.full((TITLE, w, 3), 255, np.uint8)
    style = {"colour": (0,) * 3, "background": (255,) * 3, "height": 11}
    put_label(line, f"truth: {above[i]}", (0, 0), **style)
    np.testing.assert_array_equal(drawn[:TITLE, x : x + w], line)


def test_a_sorted_batch_is_shown_evenly_and_numbers_have_no_names():
  image = np.arange(50, dtype=np.uint8)[:, None, None, None]
  batch = {"image": image.repeat(160, 1).repeat(160, 2)}
  batch["label"] = np.arange(50)
  drawn = label_images((), 4)(batch, {"label": np.arange(50)})["labels"]
  seen = [drawn[TITLE, i * 162, 0] for i in range(4)]
  np.testing.assert_array_equal(seen, [0, 16, 32, 49])


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_bands_of_any_range_are_shown_as_elsewhere(kind):
  """Stretched, as floats of 32 bits are in no known unit."""
  image = np.arange(160 * 160 * 5) % 60_000
  image = image.reshape(1, 160, 160, 5).astype(kind)
  batch = {"image": image, "label": np.zeros(1, int)}
  draw = label_images(NAMES, bands=(4, 2, 0))
  drawn = draw(batch, {"label": batch["label"]})["labels"]
  wanted = show_bands(image[0], (4, 2, 0))
  np.testing.assert_array_equal(drawn[TITLE : TITLE + 80, :160], wanted[:80])
