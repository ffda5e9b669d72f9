"""Palettes, overlays, legends, grids, boxes and the files of masks."""

import cv2
import numpy as np
import pytest

from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import grid
from vision_jax.viz.masks import write_masks, write_png
from vision_jax.viz.overlay import (
  colour_mask,
  legend,
  overlay_mask,
  resize_mask,
  side_by_side,
  with_legend,
)
from vision_jax.viz.palette import colour_names, palette, readable_on
from vision_jax.viz.panels import segmentation_panel
from vision_jax.viz.pixels import to_rgb, to_unit

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
TARGET = RNG.integers(0, 4, (40, 60)).astype(np.uint8)
TARGET[:5] = 255


def test_colours_are_distinct_and_stay():
  colours = palette(21)
  gaps = np.abs(colours[:, None].astype(int) - colours).sum(-1)
  assert gaps[~np.eye(21, dtype=bool)].min() > 30
  np.testing.assert_array_equal(palette(5), colours[:5])
  assert palette(0).shape == (0, 3)
  named = colour_names(("a", "b"))
  assert named["b"] == tuple(colours[1].tolist())
  assert readable_on((250, 250, 250)) == (0, 0, 0)


def test_an_overlay_mixes_colours_and_leaves_what_is_ignored():
  out = overlay_mask(IMAGE, TARGET, 4, alpha=0.25)
  np.testing.assert_array_equal(out[:5], IMAGE[:5])
  expected = np.round(0.75 * IMAGE + 0.25 * palette(4)[TARGET % 4])
  np.testing.assert_array_equal(out[5:], expected[5:].astype(np.uint8))
  assert not colour_mask(TARGET, 4)[:5].any()
  # Three pictures in a row, and a smaller mask is enlarged.
  row = side_by_side(IMAGE, TARGET, TARGET[::2, ::2], 4)
  assert row.shape == (40, 180, 3)


def test_a_mask_is_enlarged_by_nearest_pixels():
  small = np.arange(6, dtype=np.uint8).reshape(2, 3)
  large = resize_mask(small, (4, 9))
  np.testing.assert_array_equal(large, small.repeat(2, 0).repeat(3, 1))
  np.testing.assert_array_equal(resize_mask(large, (2, 3)), small)


def test_a_legend_has_a_line_of_each_colour():
  out = with_legend(IMAGE, ["road", "sky", "a very long name of a class"])
  assert out.shape == (40, 220, 3)
  np.testing.assert_array_equal(out[:, :60], IMAGE)
  for i, colour in enumerate(palette(3)):
    part = out[13 * i : 13 * (i + 1), 60:].reshape(-1, 3)
    assert (part == colour).all(-1).mean() > 0.5
  assert legend(["x"] * 7).shape == (126, 160, 3)
  assert legend(["x"] * 60, height=40).shape == (40, 160, 3)


def test_a_grid_holds_images_of_any_kind():
  images = [IMAGE, np.ones((10, 10)), RNG.random((50, 20, 1))]
  out = grid(images, 2, gap=3)
  assert out.shape == (103, 123, 3)
  np.testing.assert_array_equal(out[:40, :60], IMAGE)
  assert (out[:10, 63:73] == 255).all()
  np.testing.assert_array_equal(out[53:, :20], to_rgb(images[2]))
  titled = grid([IMAGE] * 5, titles=[str(i) for i in range(5)])
  assert titled.shape == (2 * 42 - 2, 3 * 62 - 2, 3)


def test_boxes_are_drawn_and_the_best_over_the_others():
  dark = np.zeros((60, 80, 3), np.uint8)
  boxes = [[10, 20, 50, 50], [10, 20, 50, 50], [-900, -900, 1e9, 1e9]]
  out = draw_boxes(
    dark,
    np.array(boxes),
    np.array([1, 0, 2]),
    np.array([0.9, 0.8, 0.1]),
    class_names=("cell", "cat", "x"),
  )
  assert (out[35, 10] == palette(3)[1]).all()  # the border of the best
  assert not out[35, 30].any() and not dark.any()
  assert (draw_boxes(dark, np.zeros((0, 4))) == 0).all()


def test_masks_are_written_at_the_images_size(tmp_path):
  mask, overlay = write_masks(
    tmp_path, "a/b", IMAGE, TARGET[::4, ::4], ("w", "x", "y", "z")
  )
  assert mask == tmp_path / "masks" / "a" / "b.png"
  assert overlay == tmp_path / "overlays" / "a" / "b.png"
  read = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
  np.testing.assert_array_equal(read, resize_mask(TARGET[::4, ::4], (40, 60)))
  assert cv2.imread(str(overlay)).shape == (40, 220, 3)
  write_png(tmp_path / "rgb.png", IMAGE)
  read = cv2.imread(str(tmp_path / "rgb.png"))
  np.testing.assert_array_equal(read[..., ::-1], IMAGE)
  wide, _ = write_masks(tmp_path, "wide", IMAGE, np.full((4, 4), 300))
  assert cv2.imread(str(wide), cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_a_panel_has_a_row_for_each_example_that_counts():
  batch = {
    "image": np.stack([IMAGE] * 4),
    "target": np.stack([TARGET] * 4),
    "mask": np.array([0, 1, 1, 1]),
  }
  guess = np.zeros((4, 40, 60), np.uint8)
  out = segmentation_panel(batch, guess, tuple("wxyz"), number=2)
  assert out.shape == (82, 340, 3)
  np.testing.assert_array_equal(out[:40, :60], IMAGE)
  del batch["target"]
  assert segmentation_panel(batch, guess, tuple("wxyz")).shape[1] == 280


def test_pixels_of_every_type_are_shown_alike():
  for image in (IMAGE, IMAGE * np.uint16(257), IMAGE / 255):
    np.testing.assert_array_equal(to_rgb(image), IMAGE)
    np.testing.assert_allclose(to_unit(image), IMAGE / 255, rtol=1e-6)
  strange = np.array([-1, 2, np.nan], np.float32)
  np.testing.assert_array_equal(to_unit(strange), [0, 1, 0])


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: to_rgb(np.zeros((4, 4, 2))), r"got shape \(4, 4, 2\)"),
    (lambda: colour_mask(TARGET, 3), r"got values \[0, 1, 2, 3\]; .* 0 to 2"),
    (lambda: overlay_mask(IMAGE, TARGET, 4, alpha=2), "alpha: got 2"),
    (lambda: grid([]), "no images"),
    (lambda: grid([IMAGE], titles=("a", "b")), "2 titles for 1 images"),
    (lambda: draw_boxes(IMAGE, [[0, 0, 1, 1]], [1, 2]), "labels: got 2 for 1"),
    (lambda: draw_boxes(IMAGE, [[0, np.nan, 1, 1]]), "expected finite"),
    (lambda: colour_names(("a",), np.zeros((2, 3))), "got 2 for 1 names"),
    (lambda: palette(-1), "got -1 classes"),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()
