"""Frames of a video as images: read in order, one at a time."""

import functools
import pathlib

import cv2
import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import files_hash
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example

VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
DIGITS = 6  # of a frame's number in its name


class Frame(type(pathlib.Path())):
  """A frame as if it were a file, "clip/000123.png", though there is none.

  Its `read_bytes` are those of an image, so that whatever reads images of files
  reads frames.

  Attributes:
    video: what it is a frame of.
    number: its own, from 0 on.
  """

  video: "VideoFrames"
  number: int

  def read_bytes(self) -> bytes:
    """Returns the frame as a PPM."""
    return self.video.shown(self.number)

  @property
  def seconds(self) -> float:
    """When it is shown."""
    return self.number / self.video.rate


class VideoFrames(AsMade):
  """Every so many frames of a video; examples have `image` and `name`.

  Frames are called by the video and their number, "clip/000123". They are
  counted by going through the video once, as its header may be wrong, and
  read one after the other: going back begins anew, so one thread is best.

  Args:
    path: the video, in a form that OpenCV decodes.
    every: of so many frames the first is taken.

  Raises:
    DataError: on first use, if it cannot be decoded, has no frames, or frames
      of several sizes.
  """

  def __init__(self, path: pathlib.Path, every: int = 1):
    if every < 1:
      raise DataError(f"--every: got {every}; expected 1 or more frames.")
    self.path, self._every = pathlib.Path(path).absolute(), every
    # What is predicted is ahead of what is written.
    self._read, self._shown = _Reader(self.path), _Reader(self.path)

  @functools.cached_property
  def files(self) -> list[Frame]:
    """The frames that are taken."""
    count = _Reader(self.path).count()
    return [self._frame(i) for i in range(0, count, self._every)]

  @property
  def folder(self) -> pathlib.Path:
    """The video's folder, in which frames are named."""
    return self.path.parent

  @functools.cached_property
  def rate(self) -> float:
    """Frames a second of the video, 25 where it does not say."""
    return _Reader(self.path).rate() or 25.0

  @property
  def rate_taken(self) -> float:
    """Frames a second of those that are taken."""
    return self.rate / self._every

  def __len__(self) -> int:
    return len(self.files)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns encoded frames."""
    files = [self.files[i] for i in indices]
    return [
      {"image": _ppm(self._read(f.number)), "name": str(f)} for f in files
    ]

  def shown(self, number: int) -> bytes:
    """Returns a frame as a PPM; for what comes after the prediction."""
    return _ppm(self._shown(number))

  def fingerprint(self) -> str:
    """Returns a hash of name, size and time of change."""
    return files_hash(self.folder, [self.path], self._every)

  def _frame(self, number: int) -> Frame:
    place = self.path.with_suffix("") / f"{number:0{DIGITS}}.png"
    frame = Frame(place)
    frame.video, frame.number = self, number
    return frame


class _Reader:
  """Goes through a video; holds one frame, the last."""

  def __init__(self, path: pathlib.Path):
    self._path, self._lock = path, Lock()
    self._video: cv2.VideoCapture | None = None
    self._next, self._size = 0, None
    self._last: tuple[int, np.ndarray | None] = (-1, None)

  def __getstate__(self) -> dict[str, object]:
    return vars(_Reader(self._path))

  def __call__(self, number: int) -> np.ndarray:
    """Returns frame `number`, (h w 3) uint8 RGB."""
    with self._lock:
      if number != self._last[0]:
        if self._video is None or number < self._next:
          self._open()
        while self._next < number and self._video.grab():
          self._next += 1
        self._last = number, self._decoded(number)
      return self._last[1]

  def count(self) -> int:
    """Returns how many frames can be decoded."""
    self._open()
    number = 0
    while self._video.grab():
      number += 1
    if not number:
      raise DataError(
        f"--images: {self._path} has no frame that can be decoded; expected "
        "one at least. Check the file, or convert it (ffmpeg -i IN OUT.mp4)."
      )
    return number

  def rate(self) -> float:
    """Returns frames a second, 0 where that is not known."""
    self._open()
    rate = float(self._video.get(cv2.CAP_PROP_FPS))
    return rate if np.isfinite(rate) and 0 < rate <= 1000 else 0.0

  def _open(self) -> None:
    self._video, self._next = cv2.VideoCapture(str(self._path)), 0
    if not self._video.isOpened():
      raise DataError(
        f"--images: {self._path} cannot be decoded as a video; expected one "
        f"that OpenCV reads, out of {' '.join(sorted(VIDEOS))}. It may be cut "
        "off or of a rare codec: convert it (ffmpeg -i IN OUT.mp4)."
      )

  def _decoded(self, number: int) -> np.ndarray:
    done, image = self._video.read()
    self._next += 1
    if not done:
      raise DataError(
        f"{self._path}: frame {number} cannot be decoded; it could before. Has "
        "the file changed?"
      )
    self._size = self._size or image.shape[:2]
    if image.shape[:2] != self._size:
      (h, w), (first_h, first_w) = image.shape[:2], self._size
      raise DataError(
        f"{self._path}: frame {number} is {h}x{w} (height x width), those "
        f"before it {first_h}x{first_w}; expected one size. Convert it (ffmpeg "
        f"-i IN -vf scale={first_w}:{first_h} OUT.mp4)."
      )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _ppm(image: np.ndarray) -> bytes:
  """Returns (h w 3) uint8 as an image file, at the cost of a copy."""
  h, w, _ = image.shape
  return b"P6\n%d %d\n255\n" % (w, h) + image.tobytes()
