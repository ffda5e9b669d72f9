"""What stands in for a data set, and comes with the packages: digits, scenes.

Digits are scikit-learn's, enlarged to another set's size; scenes are drawn of
them, with exact boxes and masks. People are stick figures.
"""

import dataclasses
from collections.abc import Sequence

from vision_jax.data.sources.digits import CLASS_NAMES
from vision_jax.data.sources.people import CLASS_NAMES as PEOPLE
from vision_jax.data.sources.people import People
from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.errors import UserError

DIGITS = CLASS_NAMES
SCENE_CLASSES = ("background", *DIGITS)  # of the pixels
# Train and val draw from the same digits, in other scenes: (digits, seed).
_DRAWN = {"train": ("train", 0), "val": ("train", 1), "test": ("test", 0)}


@dataclasses.dataclass(frozen=True)
class Scenes:
  """The splits of generated scenes.

  Attributes:
    numbers: how many scenes are in each of train, val and test.
    size: (h, w) of the images, the same.
    most: digits in a scene, at most.
    most_trained: the same of train's scenes; None for `most`.
    numbered: whether scenes have a map of the digits' numbers.

  Raises:
    UserError: if there are no scenes to train on, or they are not square.
  """

  numbers: Sequence[int]
  size: Sequence[int]
  most: int
  most_trained: int | None = None
  numbered: bool = False

  def __post_init__(self):
    numbers, size = tuple(self.numbers), tuple(self.size)
    if len(numbers) != 3 or not numbers[0]:
      raise UserError(
        f"--config.scenes: got {numbers}; expected how many for train, val and "
        "test, and at least one to train on."
      )
    if len(size) != 2 or size[0] != size[1]:
      raise UserError(
        f"--config.image_size: got {size}; expected the same height and width "
        "for scenes."
      )

  def splits(self) -> tuple[str, ...]:
    """Returns those that have scenes."""
    lengths = zip(_DRAWN, self.numbers, strict=True)
    return tuple(split for split, length in lengths if length)

  def open(self, split: str) -> DigitScenes:
    """Returns the scenes of "train", "val" or "test"."""
    trained = split == "train" and self.most_trained
    most = trained or self.most
    drawn, seed = _DRAWN[split]
    length = self.numbers[list(_DRAWN).index(split)]
    return DigitScenes(
      drawn,
      length,
      size=self.size[0],
      max_objects=most,
      seed=seed,
      numbered=self.numbered,
    )

  def people(self, split: str, class_names: Sequence[str]) -> People:
    """Returns a split's figures, as many as there would be scenes.

    Args:
      split: "train", "val" or "test".
      class_names: those given.
    """
    check_names(class_names, PEOPLE, "generated people")
    length = self.numbers[list(_DRAWN).index(split)]
    return People(split, length, size=self.size[0], most=self.most)


def check_names(
  names: Sequence[str],
  expected: Sequence[str] = DIGITS,
  of: str = "scenes of digits",
) -> None:
  """Checks given class names, which scenes have of their own.

  Raises:
    UserError: for other names, or another order, which would mislabel.
  """
  if tuple(names) != tuple(expected):
    raise UserError(
      f"--config.class_names: got {tuple(names)} for {of}; expected "
      f"{tuple(expected)}."
    )
