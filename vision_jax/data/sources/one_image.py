"""One image that a user names, decoded."""

import os

import numpy as np

from vision_jax.data.errors import BadImage
from vision_jax.data.images import resize_image
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.transforms.image import short_side, to_array
from vision_jax.errors import UserError


def read_one(
  flag: str, path: str | os.PathLike[str], size: int, *, least: int = 1
) -> np.ndarray:
  """Returns the one image that a flag names, (h, w, 3) uint8.

  Args:
    flag: what errors call it, such as "--style".
    path: its file.
    size: of the short side, if that is larger; 0 leaves it.
    least: pixels that each side has to have then.

  Raises:
    UserError: if there is none, or several, it cannot be decoded, or is too
      small.
  """
  source = ImageList(path, flag=flag)
  if len(source) != 1:
    raise UserError(
      f"{flag}: {path} has {len(source)} images; expected one. Name its file."
    )
  try:
    image = to_array(source.read([0])[0], 3)
  except BadImage as error:
    raise UserError(
      f"{flag}: {path} cannot be read ({error.reason}); expected one whole, "
      "decodable image, such as a .jpg or .png. Give another one, or save it "
      "again by the program that made it."
    ) from error
  if size and min(image.shape[:2]) > size:
    image = resize_image(image, short_side(image, size))
  h, w, _ = image.shape
  if min(h, w) < least:
    raise UserError(
      f"{flag}: {path} is of {h} x {w} pixels; expected sides of {least} or "
      "more, which a VGG halves several times. Give a larger image, or let it "
      "stay larger."
    )
  return image
