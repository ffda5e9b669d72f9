"""Generated stick figures with the keypoints of a person, and exact truth."""

import cv2
import numpy as np

from vision_jax.data.source import Example
from vision_jax.data.sources.coco_keypoints import Keypoints
from vision_jax.data.sources.drawn import Drawn
from vision_jax.data.transforms.boxes import to_fractions

CLASS_NAMES = ("person",)
# Name and place, x and y of a box of 1 x 2, of one who looks at us. Those on
# the left side, which is on our right, come before their right ones.
_MIDDLE = {"nose": (0.5, 0.2)}
_LEFT = {
  **{"eye": (0.56, 0.15), "ear": (0.62, 0.2), "shoulder": (0.7, 0.5)},
  **{"elbow": (0.84, 0.8), "wrist": (0.9, 1.1), "hip": (0.62, 1.1)},
  **{"knee": (0.66, 1.5), "ankle": (0.68, 1.9)},
}
_LINES = (
  *("nose left_eye", "left_eye left_ear", "left_shoulder right_shoulder"),
  *("left_shoulder left_elbow", "left_elbow left_wrist"),
  *("left_shoulder left_hip", "left_hip right_hip", "left_hip left_knee"),
  "left_knee left_ankle",
)
_PLACES = _MIDDLE | {
  f"{side}_{name}": (x if side == "left" else 1 - x, y)
  for name, (x, y) in _LEFT.items()
  for side in ("left", "right")
}
_NAMES = tuple(_PLACES)


def _kind() -> Keypoints:
  other = Keypoints(_NAMES).mirrored
  lines = [tuple(map(_NAMES.index, line.split())) for line in _LINES]
  lines += [(other[a], other[b]) for a, b in lines]
  each = dict.fromkeys((min(line), max(line)) for line in lines)
  return Keypoints(_NAMES, tuple(each))


KEYPOINTS = _kind()


class People(Drawn):
  """Stick figures on a noisy ground; example i is pure in (seed, split, i).

  Left limbs have one colour and right ones another, the same for all. Figures
  lie over each other, the later ones on top. An example has `image`
  (size size 3) uint8, `size` (2,), `boxes` (n, 4) cxcywh in [0, 1], `label`,
  `area`, in pixels, and `crowd` (n,), and `keypoints` (n, 17, 3): x and y in
  [0, 1], and 2 for most, 1 for some, and for those that are not labelled 0.

  Args:
    split, length, size, seed: as of `Drawn`.
    most: figures in an image, at most.
  """

  num_classes = 1
  class_names = CLASS_NAMES
  kind = KEYPOINTS

  objects = "people"
  least = 32

  def __init__(self, split: str, length: int, *, most: int = 3, **given: int):
    super().__init__(split, length, most=most, **given)

  def labelled(self) -> np.ndarray:
    """Returns how many keypoints of each image are labelled, (m,)."""
    examples = self.read(np.arange(self.length))
    return np.array([(x["keypoints"][..., 2] > 0).sum() for x in examples])

  def _image(self, rng: np.random.Generator, name: str) -> Example:
    size, number = self.size, int(rng.integers(1, self.most + 1))
    ground = rng.uniform(60, 190) + rng.normal(0, 8, (size, size, 3))
    image = np.clip(np.round(ground), 0, 255).astype(np.uint8)
    places = np.stack([_placed(rng, size) for _ in range(number)])
    for points in places:
      _draw(image, points)
    low, high = places.min(1) - 1, places.max(1) + 1
    low, high = np.clip([low, high], 0, size)
    seen = rng.choice([0, 1, 2], (number, len(_NAMES), 1), p=[0.1, 0.1, 0.8])
    keypoints = np.concatenate([places / size, seen], -1)
    return {
      "name": name,
      "image": image,
      "size": np.array([size, size], np.int32),
      "boxes": to_fractions(np.concatenate([low, high], 1), (size, size)),
      "label": np.zeros(number, np.int32),
      "area": (high - low).prod(1).astype(np.float32) / 2,
      "crowd": np.zeros(number, np.float32),
      "keypoints": np.where(seen > 0, keypoints, 0).astype(np.float32),
    }


def _placed(rng: np.random.Generator, size: int) -> np.ndarray:
  """Draws where a figure's keypoints (17, 2) are, in pixels of the image."""
  height = size * rng.uniform(0.5, 0.9)
  points = np.array([*_PLACES.values()]) * height / 2
  points += rng.normal(0, height / 40, points.shape)
  room = size - height * np.array([0.5, 1])
  return np.clip(points + rng.uniform(0, 1, 2) * room, 1, size - 1)


def _draw(image: np.ndarray, points: np.ndarray) -> None:
  """Draws a figure, its left in one colour and its right in another."""
  at = [tuple(map(int, np.round(8 * place))) for place in points]
  for a, b in KEYPOINTS.skeleton:
    sides = {_NAMES[k].split("_")[0] for k in (a, b)} - {"nose"}
    colour = {"left": (230, 40, 40), "right": (40, 60, 230)}
    both = (250, 250, 250)
    drawn = colour[next(iter(sides))] if len(sides) == 1 else both
    cv2.line(image, at[a], at[b], drawn, 2, cv2.LINE_AA, 3)
