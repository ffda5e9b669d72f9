"""Many images on a page, small, each with what was predicted."""

import pathlib

import cv2
import numpy as np

from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import enlarge, enlargement, grid
from vision_jax.viz.overlay import overlay_mask, resize_mask
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png
from vision_jax.viz.text import put_label
from vision_jax.writers.base import About, Row, shown
from vision_jax.writers.line import found_classes, line

SIDE = 160  # pixels of a thumbnail
COLUMNS, ROWS = 10, 10
STRIP = 16  # pixels of the line with a file's name


class ContactSheetWriter:
  """Writes `contact_sheet_001.png` and on, up to 100 images each.

  Above an image stands its class or its text with the probability, or the
  number of its boxes that count with the best one's class; boxes and masks are
  drawn over. Below stands its file's name.
  """

  needs = ()
  one_of = ("logits", "boxes", "target", "text")

  def __init__(self, about: About):
    self._about, self._pages = about, 0
    self._cells: list[np.ndarray] = []
    self._titles: list[str] = []

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> None:
    """Adds an image; writes a page that is full."""
    image = shown(file, self._about.show_bands)
    self._cells.append(_cell(self._drawn(to_rgb(image), row), name))
    self._titles.append(title(row, self._about))
    if len(self._cells) == COLUMNS * ROWS:
      self.close()

  def close(self) -> None:
    """Writes the page that is begun."""
    if not self._cells:
      return
    self._pages += 1
    columns = min(COLUMNS, len(self._cells))
    page = grid(self._cells, columns, titles=self._titles, background=255)
    path = self._about.output / f"contact_sheet_{self._pages:03}.png"
    write_png(path, page)
    self._cells, self._titles = [], []

  def _drawn(self, image: np.ndarray, row: Row) -> np.ndarray:
    small = thumbnail(image)
    if "boxes" in row:
      sure = self._about.sure(row)
      (h, w), (full_h, full_w) = small.shape[:2], image.shape[:2]
      boxes = sure["boxes"] * np.array([w / full_w, h / full_h] * 2)
      return draw_boxes(small, boxes, sure["label"], text=False)
    if "target" in row:
      target = resize_mask(row["target"], small.shape[:2])
      k = len(self._about.class_names) or int(target.max(initial=0)) + 1
      return overlay_mask(small, target, k, ignore=None)
    return small


def title(row: Row, about: About) -> str:
  """Returns what was predicted of an image, in a few words."""
  if "boxes" in row:
    sure = about.sure(row)
    if not len(sure["score"]):
      return "no box"
    best = int(np.argmax(sure["score"]))
    label, score = int(sure["label"][best]), sure["score"][best]
    return f"{len(sure['score'])}: {about.name(label)} {score:.2f}"
  if "logits" in row:
    labels, probs = found_classes(row, about)
    names = [f"{about.name(k)} {probs[k]:.2f}" for k in labels]
    return ", ".join(names) or "no class"
  if "text" in row:
    found = line(row, about)
    return f"{found['text']} {found['score']:.2f}"
  labels, counts = np.unique(row["target"], return_counts=True)
  first = int(np.argmax(counts))
  share = 100 * counts[first] / counts.sum()
  return f"{about.name(int(labels[first]))} {share:.0f} %"


def thumbnail(image: np.ndarray, side: int = SIDE) -> np.ndarray:
  """Returns an image (h w 3) whose longer side has `side` pixels or some more.

  A smaller one is enlarged by a whole factor.
  """
  h, w, _ = image.shape
  if max(h, w) <= side:
    return enlarge(image, enlargement((h, w), side))
  size = tuple(max(round(n * side / max(h, w)), 1) for n in (w, h))
  return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _cell(image: np.ndarray, name: str) -> np.ndarray:
  """Returns an image in the middle of a square, with its name below."""
  side = max(SIDE, *image.shape[:2])
  cell = np.full((side + STRIP, side, 3), 235, np.uint8)
  y, x = ((side - n) // 2 for n in image.shape[:2])
  cell[y : y + image.shape[0], x : x + image.shape[1]] = image
  ink, ground = (60, 60, 60), (235, 235, 235)
  put_label(
    cell[side:], name[-24:], (2, 0), colour=ink, background=ground, height=9
  )
  return cell
