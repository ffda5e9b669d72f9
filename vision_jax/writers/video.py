"""What is made of a video's frames, as a video."""

import pathlib

import numpy as np
from etils import epath

from vision_jax.data.sources.video import Frame
from vision_jax.viz.mp4 import Mp4


class FramesOut:
  """Writes `VIDEO.mp4` of images that are made of frames, in their order.

  It has the rate of those that were taken; without frames there is none.

  Args:
    folder: where the video is to be.
  """

  def __init__(self, folder: epath.Path):
    self._folder = folder
    self._video: Mp4 | None = None

  def add(self, file: pathlib.Path, image: np.ndarray) -> None:
    """Appends an image (h w 3) if the file is a frame."""
    if not isinstance(file, Frame):
      return
    if self._video is None:
      path = self._folder / f"{file.video.path.stem}.mp4"
      self._video = Mp4(path, file.video.rate_taken)
    self._video.add(image)

  def close(self) -> None:
    """Puts the video into its place."""
    if self._video is not None:
      self._video.close()
