"""Masks that a net has found in boxes, put where the boxes are."""

import cv2
import numpy as np

HALF = 0.5  # from which on a pixel is of the object


def paste(
  probs: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
  """Returns masks (p, h, w) bool of an image, as torchvision pastes them.

  A mask is enlarged to its box, bilinearly, with a border of zeros of one of
  its own pixels, and cut at a half; the box's corners are whole pixels.

  Args:
    probs: (p, m, m) in [0, 1].
    boxes: (p, 4) xyxy in pixels of the image.
    size: (h, w) of the image.
  """
  found = np.zeros((len(probs), *size), bool)
  if not len(probs):
    return found
  cells = probs.shape[-1]
  padded = np.pad(probs.astype(np.float32), ((0, 0), (1, 1), (1, 1)))
  corners = _enlarged(boxes, (cells + 2) / cells)
  for mask, image, box in zip(padded, found, corners.tolist(), strict=True):
    _paste_one(mask, image, box)
  return found


def numbered(masks: np.ndarray) -> np.ndarray:
  """Returns a map (h, w) int32 that numbers masks (p, h, w), best first.

  0 is background, i + 1 a pixel of which the mask at place i is the first.
  """
  if not len(masks):
    return np.zeros(masks.shape[1:], np.int32)
  return np.where(masks.any(0), masks.argmax(0) + 1, 0).astype(np.int32)


def _enlarged(boxes: np.ndarray, factor: float) -> np.ndarray:
  """Boxes (p, 4), enlarged around their middles, in whole pixels."""
  boxes = np.asarray(boxes, np.float32)
  middle = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
  half = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32(factor)
  return np.concatenate([middle - half, middle + half], 1).astype(np.int64)


def _paste_one(mask: np.ndarray, image: np.ndarray, box: list[int]) -> None:
  """Writes where a mask is above a half in its box, as far as it is there."""
  x1, y1, x2, y2 = box
  width, height = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
  low, high = (
    (max(x1, 0), max(y1, 0)),
    (
      min(x1 + width, image.shape[1]),
      min(y1 + height, image.shape[0]),
    ),
  )
  if low[0] >= high[0] or low[1] >= high[1]:
    return
  large = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
  part = large[low[1] - y1 : high[1] - y1, low[0] - x1 : high[0] - x1]
  image[low[1] : high[1], low[0] : high[0]] = part > HALF
