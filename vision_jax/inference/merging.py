"""Boxes and masks of windows as those of their image."""

from collections.abc import Iterable, Iterator

import numpy as np

from vision_jax.ops.tiling import Tiles
from vision_jax.writers.base import Row

SAME = 0.5  # IoU from which on two boxes of a class are one object
INSIDE = 0.7  # part of a cut box from which on another box holds it
EDGE = 0.01  # of a window's side: how near a cut box comes to it
MOST = 2000  # boxes of an image, the best ones


def blend(
  tiles: Tiles, size: tuple[int, int], parts: Iterable[np.ndarray]
) -> Iterator[np.ndarray]:
  """Yields an image's probabilities in strips (h_i, w, k), from the top.

  They are the mean over the windows, weighted as `tiles` weighs them: together
  what `tiles` returns of the whole image, of which no more than a row of
  windows is held.

  Args:
    tiles: where windows stand; its margin is 0.
    size: (h, w) of the image.
    parts: (*window, k) of each window, row by row.
  """
  (h, w), window, parts = size, tiles.window[0], iter(parts)
  rows, columns = tiles.axes(h, w)
  across, down, band = columns.total()[:w], rows.total(), None
  for r, y in enumerate(rows.starts):
    for x, weights in zip(columns.starts, columns.weights, strict=True):
      part = np.asarray(next(parts), np.float32)
      if band is None:
        band = np.zeros((window, columns.covered, part.shape[-1]), np.float32)
      weight = np.outer(rows.weights[r], weights).astype(np.float32)
      band[:, x : x + part.shape[1]] += part * weight[..., None]
    last = r == len(rows.starts) - 1
    done = int(h - y if last else rows.starts[r + 1] - y)
    whole = np.outer(down[y : y + done], across)[..., None]
    yield band[:done, :w] / whole
    band = np.concatenate([band[done:], np.zeros_like(band[:done])])


def place_boxes(
  row: Row, corner: tuple[int, int], window: int, size: tuple[int, int]
) -> dict[str, np.ndarray]:
  """Returns a window's boxes where they are in the image, and which are cut.

  Boxes that are more in what was mirrored than in the image are left out; the
  others end at its border.

  Args:
    row: `boxes` (p, 4) xyxy in pixels of the window, `score` and `label` (p,).
    corner: (y, x) of the window.
    window: its side.
    size: (h, w) of the image.
  """
  (h, w), (y, x) = size, corner
  boxes = np.asarray(row["boxes"], np.float64)
  near = max(EDGE * window, 2.0)
  inner = [x > 0, y > 0, x + window < w, y + window < h]
  far = np.concatenate([boxes[:, :2], window - boxes[:, 2:]], 1)
  cut = ((far < near) & inner).any(1)
  moved = boxes + np.array([x, y, x, y])
  clipped = np.clip(moved, 0, [w, h, w, h])
  stays = _area(clipped) >= 0.5 * _area(moved)
  found = {"boxes": clipped.astype(np.float32), "cut": cut}
  found |= {name: np.asarray(row[name]) for name in ("score", "label")}
  return {name: values[stays] for name, values in found.items()}


def merge_boxes(
  boxes: np.ndarray,
  score: np.ndarray,
  label: np.ndarray,
  window: np.ndarray,
  cut: np.ndarray,
  least: float,
) -> np.ndarray:
  """Returns which boxes stay, the best first; at most `MOST`.

  A box gives way to one of its class in another window whose IoU with it is
  above `SAME`, or, if it is cut, to one that holds more than `INSIDE` of it.
  Whole boxes that count come before all others, then the better score. Those
  of one window stay as the net has them.

  Args:
    boxes: (n, 4) xyxy.
    score, label, window: (n,), the window's number.
    cut: (n,), whether a window's border cuts it.
    least: score from which on a box counts.
  """
  best = np.argsort(-score, kind="stable")[:MOST]
  sure = ~cut[best] & (score[best] >= least)
  kept: list[int] = []
  for i in best[np.argsort(~sure, kind="stable")]:
    others = np.array(kept, int)
    rivals = (label[others] == label[i]) & (window[others] != window[i])
    both = _shared(boxes[i], boxes[others[rivals]])
    areas, own = _area(boxes[others[rivals]]), _area(boxes[i])
    same = both > SAME * (areas + own - both)
    held = cut[i] & (both > INSIDE * own)
    if not (same | held).any():
      kept.append(int(i))
  kept = np.array(kept, int)
  return kept[np.argsort(-score[kept], kind="stable")]


def _area(boxes: np.ndarray) -> np.ndarray:
  sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
  return np.asarray(sides, np.float64).prod(-1)


def _shared(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
  """Returns the area (n,) that a box has in common with each of `boxes`."""
  low = np.maximum(box[:2], boxes[:, :2])
  high = np.minimum(box[2:], boxes[:, 2:])
  return _area(np.concatenate([low, high], 1))
