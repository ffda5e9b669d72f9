"""Images as a video."""

import pathlib
import shutil
import tempfile

import cv2
import numpy as np
from etils import epath

from vision_jax.errors import RunFailure
from vision_jax.files import is_remote, replace_bytes
from vision_jax.viz.pixels import to_rgb


class Mp4:
  """Writes a video, which appears when it is whole; `close` ends it.

  Args:
    path: the file.
    rate: images a second.
  """

  def __init__(self, path: epath.PathLike, rate: float):
    self._path, self._rate = epath.Path(path), rate
    self._folder = tempfile.TemporaryDirectory()
    self._part = pathlib.Path(self._folder.name) / "part.mp4"
    self._video: cv2.VideoWriter | None = None

  def add(self, image: np.ndarray) -> None:
    """Appends an image, see `to_rgb`; all are of the first's size.

    The codec takes even sizes: an odd one's last row or column comes twice.

    Raises:
      RunFailure: if no video can be written here.
    """
    image = to_rgb(image)
    h, w, _ = image.shape
    image = np.pad(image, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")
    if self._video is None:
      codec, size = cv2.VideoWriter_fourcc(*"mp4v"), image.shape[1::-1]
      self._video = cv2.VideoWriter(str(self._part), codec, self._rate, size)
      if not self._video.isOpened():
        raise RunFailure(
          f"{self._path}: OpenCV writes no MP4 here; expected one built with "
          "FFmpeg, as opencv-python-headless is. Leave the format out."
        )
    self._video.write(np.ascontiguousarray(image[..., ::-1]))

  def close(self) -> None:
    """Puts the video into its place."""
    if self._video is not None:
      self._video.release()
      if is_remote(self._path):
        replace_bytes(self._path, self._part.read_bytes())
      else:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.parent / (self._path.name + ".new")
        shutil.move(self._part, new)
        new.replace(self._path)
    self._folder.cleanup()
