"""Generated digit scenes, which stand in for data of one's own."""

from collections.abc import Sequence

from vision_jax.data.sources.scenes import DigitScenes
from vision_jax.errors import UserError

DIGITS = DigitScenes.class_names
SCENE_CLASSES = ("background", *DIGITS)  # of the pixels
# Train and val draw from the same digits, in other scenes: (digits, seed).
_DRAWN = {"train": ("train", 0), "val": ("train", 1), "test": ("test", 0)}


def check_scene_names(
  names: Sequence[str], expected: Sequence[str] = DIGITS
) -> None:
  """Checks given class names, which scenes have of their own.

  Raises:
    UserError: for other names, or another order, which would mislabel.
  """
  if tuple(names) != tuple(expected):
    raise UserError(
      f"--config.class_names: got {tuple(names)} for scenes of digits; "
      f"expected {tuple(expected)}."
    )


def open_scenes(
  numbers: Sequence[int],
  size: Sequence[int],
  *,
  most: int,
  most_trained: int | None = None,
) -> dict[str, DigitScenes]:
  """Returns the splits that have scenes, by name.

  Args:
    numbers: of the scenes of train, val and test.
    size: (h, w) of the images, the same.
    most: digits in a scene, at most.
    most_trained: the same of train's scenes; None for `most`.

  Raises:
    UserError: if there are no scenes to train on, or they are not square.
  """
  numbers, size = tuple(numbers), tuple(size)
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
  digits = {"train": most_trained or most}
  return {
    name: DigitScenes(
      *(split, length),
      size=size[0],
      max_objects=digits.get(name, most),
      seed=seed,
    )
    for (name, (split, seed)), length in zip(
      _DRAWN.items(), numbers, strict=True
    )
    if length
  }
