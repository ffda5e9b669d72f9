"""Images inside a page, each as small as what is left for it asks."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks.page.markup import Markup, element

BUDGET = 2_000_000  # bytes of all images of a page, before base64
MOST = 150_000  # of one
SIDES = (1200, 900, 700, 500, 360, 240, 160)
QUALITY = 82


def allowance(number: int) -> int:
  """Returns the bytes that each of so many images may have."""
  return min(MOST, BUDGET // max(number, 1))


def shown(name: str, data: bytes, most: int) -> Markup | None:
  """Returns an image with its name below; None of what is no image.

  Args:
    name: what it shows.
    data: its file's bytes, of any kind that OpenCV reads.
    most: bytes that it may have here.
  """
  found = encoded(data, most)
  if found is None:
    return None
  kind, small, (height, width) = found
  image = element(
    "img",
    src=f"data:image/{kind};base64,{base64.b64encode(small).decode()}",
    alt=name,
    width=width,
    height=height,
    loading="lazy",
  )
  return element("figure", image, element("figcaption", name), class_="image")


def encoded(data: bytes, most: int) -> tuple[str, bytes, Sequence[int]] | None:
  """Returns kind, bytes and (h, w) of an image that takes at most so many.

  A PNG stays one where it is small enough: it has no losses. Others become
  JPEG, with the longest side that fits; the shortest, where none does.
  """
  image = _decoded(data)
  if image is None:
    return None
  if data.startswith(b"\x89PNG") and len(data) <= most:
    return "png", data, image.shape[:2]
  for side in SIDES:
    smaller = _reduced(image, side)
    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    small = cv2.imencode(".jpg", smaller, flags)[1].tobytes()
    if len(small) <= most:
      break
  return "jpeg", small, smaller.shape[:2]


def _decoded(data: bytes) -> np.ndarray | None:
  try:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  except cv2.error:  # of no bytes at all
    return None


def _reduced(image: np.ndarray, side: int) -> np.ndarray:
  share = side / max(image.shape[:2])
  if share >= 1:
    return image
  size = [max(round(n * share), 1) for n in image.shape[1::-1]]
  return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
