"""Tracks of a video as a table and as a video."""

import csv
import io
import pathlib
from typing import Any

import numpy as np

from vision_jax.data.sources.video import VIDEOS, Frame
from vision_jax.errors import UserError
from vision_jax.files import replace_text
from vision_jax.inference.tracking import Sort, Tracks
from vision_jax.viz.boxes import draw_boxes, readable_scale
from vision_jax.viz.grid import enlarge, enlargement
from vision_jax.viz.palette import palette
from vision_jax.writers.base import About, MakeWriter, Row, shown
from vision_jax.writers.overlay import LEAST
from vision_jax.writers.video import FramesOut

COLOURS = 24  # of tracks, which take turns


def tracks_writer(
  *, age: int = 1, hits: int = 3, overlap: float = 0.3
) -> MakeWriter:
  """Returns what makes a writer of tracks; it takes what `Sort` takes."""

  def tracks(about: About) -> TracksWriter:
    return TracksWriter(about, Sort(age=age, hits=hits, overlap=overlap))

  tracks.needs = TracksWriter.needs
  return tracks


class TracksWriter:
  """Writes `tracks.csv` and `tracks/VIDEO.mp4`.

  The table is that of the MOT challenge (https://motchallenge.net), without a
  header: frame and track from 1 on, left and top (of which the first pixel is
  1), width, height, score, and -1 for each of the three places in space. Frames
  are those of the video, also where only some are taken. The video has each
  track in a colour of its own, with its number and class.
  """

  needs = ("boxes", "score", "label")

  def __init__(self, about: About, sort: Sort):
    self._about, self._sort = about, sort
    self._rows: list[tuple[Any, ...]] = []
    self._video = FramesOut(about.output / "tracks")

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> dict[str, Any]:
    """Returns the frame's tracks."""
    del name
    if not isinstance(file, Frame):
      raise UserError(
        f"tracks: got {file}, which is no frame of a video; expected one of "
        f"{' '.join(sorted(VIDEOS))}."
      )
    tracks = self._sort(**self._about.sure(row))
    self._rows += [
      (file.number + 1, number, *_place(box), f"{score:.6f}", -1, -1, -1)
      for number, box, score, _ in zip(*tracks, strict=True)
    ]
    drawn = self._drawn(shown(file, self._about.show_bands), tracks)
    self._video.add(file, drawn)
    return {"tracks": [self._entry(*x) for x in zip(*tracks, strict=True)]}

  def close(self) -> None:
    """Writes the table, and the video."""
    self._video.close()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(self._rows)
    replace_text(self._about.output / "tracks.csv", text.getvalue())

  def _entry(
    self, number: int, box: np.ndarray, score: float, label: int
  ) -> dict[str, Any]:
    return {
      "number": int(number),
      "class": self._about.name(int(label)),
      "score": round(float(score), 6),
      "xyxy": [round(x, 2) for x in box.tolist()],
    }

  def _drawn(self, image: np.ndarray, tracks: Tracks) -> np.ndarray:
    factor = enlargement(image.shape[:2], LEAST)
    image, order = enlarge(image, factor), np.arange(len(tracks.number))
    names = [
      f"{number} {self._about.name(int(label))}"
      for number, label in zip(tracks.number, tracks.label, strict=True)
    ]
    return draw_boxes(
      *(image, tracks.boxes * factor, order),
      class_names=names,
      colours=palette(COLOURS)[tracks.number % COLOURS],
      scale=readable_scale(image),
    )


def _place(box: np.ndarray) -> list[str]:
  """Left, top, width and height of a box, as the table has them."""
  low, size = box[:2] + 1, box[2:] - box[:2]
  return [f"{x:.2f}" for x in (*low, *size)]
