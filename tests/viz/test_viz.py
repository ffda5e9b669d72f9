"""Palettes, overlays, legends, grids, boxes and the files of masks."""

import cv2
import numpy as np
import pytest

from vision_jax.viz.boxes import draw_boxes, readable_scale
from vision_jax.viz.grid import TITLE, grid
from vision_jax.viz.overlay import (
  colour_mask,
  legend,
  overlay_mask,
  resize_mask,
  with_legend,
)
from vision_jax.viz.palette import colour_names, palette, readable_on
from vision_jax.viz.panels import segmentation_panel
from vision_jax.viz.pixels import to_rgb, to_unit
from vision_jax.viz.png import write_png

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
  # A smaller mask is enlarged.
  assert overlay_mask(IMAGE, TARGET[::2, ::2], 4).shape == IMAGE.shape


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
  out = grid(images, 2, gap=3, least=0)
  assert out.shape == (103, 123, 3)
  np.testing.assert_array_equal(out[:40, :60], IMAGE)
  assert (out[:10, 63:73] == 255).all()
  np.testing.assert_array_equal(out[53:, :20], to_rgb(images[2]))


@pytest.mark.parametrize(
  ("shape", "columns", "factor"),
  [((8, 8), 10, 7), ((32, 20), 4, 7), ((300, 90), 2, 1), ((1, 1), 1, 256)],
)
def test_a_small_grid_is_enlarged_by_whole_pixels(shape, columns, factor):
  images = RNG.integers(0, 256, (2 * columns, *shape, 3), dtype=np.uint8)
  out = grid(images, columns)
  h, w = (n * factor for n in shape)
  assert out.shape == (2 * h + 2, columns * (w + 2) - 2, 3)
  assert max(2 * h, columns * w) >= 512
  large = images[-1].repeat(factor, 0).repeat(factor, 1)
  np.testing.assert_array_equal(out[-h:, -w:], large)
  # A line of titles takes room above its row, and no pixel of an image.
  titled = grid(images, columns, titles=["a"] * columns + [""] * columns)
  assert not (titled[:TITLE] == 255).all()
  np.testing.assert_array_equal(titled[TITLE:], out)


def test_titles_are_above_all_rows_that_have_some():
  titles = ["", "one", "", "", "", "two"]
  out = grid([IMAGE] * 6, 2, titles=titles, least=0)
  assert out.shape == (3 * 42 - 2 + 2 * TITLE, 122, 3)
  # The second row has no titles; the third one's last has.
  for top in (TITLE, TITLE + 42, 2 * TITLE + 84):
    np.testing.assert_array_equal(out[top : top + 40, :60], IMAGE)
    np.testing.assert_array_equal(out[top : top + 40, 62:], IMAGE)


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


def test_letters_and_lines_grow_with_a_large_image():
  small, large = (np.zeros((n, n, 3), np.uint8) for n in (500, 4000))
  assert readable_scale(small) == 1 and readable_scale(large) == 4
  assert readable_scale(np.zeros((30, 2500, 3))) == 2.5
  drawn = draw_boxes(large, [[1000, 1000, 3000, 3000]], [0], [0.5], scale=4)
  filled = (drawn == palette(1)[0]).all(-1)
  assert filled[2000, 1000:1008].any() and not filled[2000, 1008:2990].any()
  assert filled[2000].sum() >= 2 * 8 - 2  # two lines, four times as wide
  rows = np.flatnonzero(filled[:990, 1000:1100].any(1))
  assert 50 < np.ptp(rows) < 90  # the label


def test_a_png_has_the_pixels(tmp_path):
  write_png(tmp_path / "rgb.png", IMAGE)
  read = cv2.imread(str(tmp_path / "rgb.png"))
  np.testing.assert_array_equal(read[..., ::-1], IMAGE)


def test_a_panel_has_a_row_for_each_example_that_counts():
  batch = {
    "image": np.stack([IMAGE] * 4),
    "target": np.stack([TARGET] * 4),
    "mask": np.array([0, 1, 1, 1]),
  }
  guess = np.zeros((4, 40, 60), np.uint8)
  names = tuple("wxyz")
  out = segmentation_panel(batch, guess, names, number=2)
  # 3 x 60 pixels are enlarged 3 times to 512, with gaps, titles and a legend.
  assert out.shape == (2 * (TITLE + 120) + 2, 3 * 180 + 4 + 160, 3)
  large = IMAGE.repeat(3, 0).repeat(3, 1)
  row = out[TITLE : TITLE + 120]
  np.testing.assert_array_equal(row[:, :180], large)
  parts = {182: TARGET, 364: guess[0]}  # the truth, and what was found
  for x, mask in parts.items():
    shown = overlay_mask(IMAGE, mask, 4).repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(row[:, x : x + 180], shown)
  assert all((out[:TITLE, x : x + 60] < 128).any() for x in (0, *parts))
  del batch["target"]
  two = segmentation_panel(batch, guess, names)
  assert two.shape[1] == 2 * 60 * 5 + 2 + 160


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
