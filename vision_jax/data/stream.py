"""Frames that come one by one: what a net sees of them, and files of such."""

import dataclasses
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.source import Example
from vision_jax.data.sources.video import VIDEOS, VideoFrames
from vision_jax.data.transforms.base import Transform, apply_all

ARRAYS = (".npy", ".npz")


@dataclasses.dataclass(frozen=True)
class Stream:
  """How a net sees frames as they come.

  Attributes:
    transforms: make of a frame, a dict, what the loaders give of each.
    window: frames that the net sees together, the last ones.
    key: what they are called in a batch, "image" or "joints".
    class_names: of the labels; () shows their numbers.
  """

  transforms: Sequence[Transform]
  window: int
  key: str = "image"
  class_names: Sequence[str] = ()

  def seen(self, frame: np.ndarray | bytes) -> np.ndarray:
    """Returns a frame as the loaders give it."""
    example: Example = {self.key: frame}
    rng = np.random.default_rng(0)
    return apply_all(self.transforms, example, rng)[self.key]


@dataclasses.dataclass(frozen=True)
class Frames:
  """The frames of a file.

  Attributes:
    frames: one after the other; encoded ones are bytes.
    truth: the class of each, where the file says it.
  """

  frames: Iterable[np.ndarray | bytes]
  truth: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.frames)

  def __iter__(self) -> Iterator[np.ndarray | bytes]:
    return iter(self.frames)


def open_frames(place: str, key: str, every: int = 1) -> Frames:
  """Opens a video, or an array of frames (t, ...).

  Args:
    place: a video; an npy file; or an npz file, with an array called `key`, and
      if the truth is known `target` (t,), a class for each frame.
    key: "image", (t, h, w, c), or "joints", (t, v, c).
    every: of so many frames the first is taken.

  Raises:
    DataError: for a file that is none of these.
  """
  path = pathlib.Path(place)
  if path.suffix.lower() in VIDEOS and key == "image":
    return Frames(_Encoded(VideoFrames(path, every)))
  if path.suffix.lower() not in ARRAYS:
    kinds = sorted(VIDEOS) if key == "image" else []
    raise DataError(
      f"--stream: got {place}; expected one of {' '.join([*kinds, *ARRAYS])}, "
      f"with the {key} of frames."
    )
  arrays = _read(path, key)
  frames, truth = arrays[key], arrays.get("target")
  axes = {"image": 4, "joints": 3}[key]
  if frames.ndim != axes or not len(frames):
    raise DataError(
      f"--stream: {place} has {key} {frames.shape}; expected {axes} axes, the "
      "first of which is time."
    )
  if truth is not None and truth.shape != frames.shape[:1]:
    raise DataError(
      f"--stream: {place} has target {truth.shape} of {len(frames)} frames; "
      "expected a class for each."
    )
  return Frames(frames[::every], None if truth is None else truth[::every])


class _Encoded(Sequence):
  """A video's frames as bytes, each read as it is asked for."""

  def __init__(self, video: VideoFrames):
    self._video = video

  def __len__(self) -> int:
    return len(self._video)

  def __getitem__(self, i: int) -> bytes:
    if i >= len(self):
      raise IndexError(i)
    return self._video.read(np.array([i]))[0]["image"]


def _read(path: pathlib.Path, key: str) -> dict[str, np.ndarray]:
  try:
    found = np.load(path, allow_pickle=False)
    arrays = {key: found}
    if not isinstance(found, np.ndarray):
      with found as file:
        arrays = {name: file[name] for name in file.files}
  except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
    raise DataError(
      f"--stream: {path} cannot be read ({error}); expected arrays that numpy "
      "has saved."
    ) from error
  if key not in arrays:
    raise DataError(
      f"--stream: {path} has {sorted(arrays)}; expected an array {key}."
    )
  return arrays
