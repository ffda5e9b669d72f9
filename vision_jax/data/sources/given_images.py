"""What a user gives to be predicted: images, or the frames of a video."""

import os
import pathlib

from vision_jax.data.errors import DataError
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.sources.video import VIDEOS, VideoFrames

Given = ImageList | VideoFrames


def given_images(images: str | os.PathLike[str], every: int = 1) -> Given:
  """Returns the frames of a video file, or else the images of `ImageList`.

  Raises:
    DataError: for `every` where there is no video.
  """
  path = pathlib.Path(images)
  if path.suffix.lower() in VIDEOS and path.is_file():
    return VideoFrames(path, every)
  if every != 1:
    raise DataError(
      f"--every: got {every} for {images}, which is no video; expected a file "
      f"out of {' '.join(sorted(VIDEOS))}. Leave --every out."
    )
  return ImageList(images)
