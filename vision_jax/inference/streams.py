"""A file's frames, one by one, through a trained net; what came of it."""

import csv
import dataclasses
import io
import statistics
from collections.abc import Iterator, Sequence

import numpy as np
from etils import epath

from vision_jax.data.stream import Frames, Stream, open_frames
from vision_jax.files import replace_text
from vision_jax.inference.online import (
  Voted,
  latencies,
  online,
  predictor,
)
from vision_jax.inference.trained import Trained
from vision_jax.viz.png import write_png
from vision_jax.viz.strips import strips

NONE = 255


@dataclasses.dataclass(frozen=True)
class Streamed:
  """What a net said of a file's frames.

  Attributes:
    how: what it saw of them.
    voted: from the first whole window on.
    truth: the class of each frame, where it is known.
    every: of so many of the file's frames the first was taken.
    masked: how many frames have joints that are missing.
  """

  how: Stream
  voted: Sequence[Voted]
  truth: np.ndarray | None
  every: int = 1
  masked: int = 0

  def name(self, label: int) -> str:
    """Returns the name of a class."""
    names = self.how.class_names
    return names[label] if names else str(label)

  def lines(self) -> list[str]:
    """Returns what a person is told."""
    spent = sorted(x.milliseconds for x in self.voted)
    slow = spent[int(0.95 * (len(spent) - 1))]
    found = [
      f"{len(self.voted)} labels, each of {self.how.window} frames: "
      f"{statistics.median(spent):.1f} ms a frame, 95 % within {slow:.1f} ms"
    ]
    if self.masked:
      found.append(
        f"{self.masked} frames have joints that are missing (NaN); they are "
        "masked"
      )
    return found if self.truth is None else [*found, *self._compared()]

  def _compared(self) -> list[str]:
    right = [x.voted == self.truth[x.frame] for x in self.voted]
    found = [f"{100 * np.mean(right):.1f} % of the frames are right"]
    after = latencies(self.voted, self.truth)
    known = [x for x in after if x is not None]
    if known:
      found.append(
        f"{len(known)} of {len(after)} changes were found, after "
        f"{statistics.median(known):g} frames in the median, {max(known)} at "
        "most"
      )
    elif after:
      found.append(f"none of {len(after)} changes was found in time")
    return found

  def write(self, place: epath.Path) -> None:
    """Writes `stream.csv`, a line a label, and `strip.png`."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    truth = [] if self.truth is None else ["truth"]
    table.writerow(["frame", "label", "voted", "ms", *truth])
    for x in self.voted:
      more = [self.name(int(self.truth[x.frame]))] if truth else []
      names = [self.name(x.label), self.name(x.voted)]
      ms = f"{x.milliseconds:.2f}"
      table.writerow([x.frame * self.every, *names, ms, *more])
    replace_text(place / "stream.csv", file.getvalue())
    write_png(place / "strip.png", self.strip())

  def strip(self) -> np.ndarray:
    """Returns truth, labels and votes over time, (h w 3) uint8."""
    first = self.voted[0].frame
    before = np.full(first, NONE)
    row = lambda values: np.concatenate([before, [*values]]).astype(int)
    rows = {
      "label": row(x.label for x in self.voted),
      "voted": row(x.voted for x in self.voted),
    }
    if self.truth is not None:
      rows = {"truth": np.asarray(self.truth, int)} | rows
    most = max(int(x[x != NONE].max(initial=0)) for x in rows.values())
    names = self.how.class_names or [*map(str, range(most + 1))]
    return strips(rows, names, ignore=NONE)


def stream(
  run: Trained,
  file: str,
  *,
  window: int | None = None,
  votes: int = 1,
  every: int = 1,
) -> Streamed:
  """Labels the frames of a file as if they came one by one.

  Args:
    run: a trained workdir.
    file: as of `open_frames`.
    window: frames that the net sees; None for as many as it has learned from.
    votes: the last labels whose majority counts.
    every: of so many frames the first is taken.

  Raises:
    UserError: for a net that sees no frames that come one by one, or a file
      that has none, or fewer than a window.
  """
  predict = predictor(run)
  how = run.experiment.stream
  how = dataclasses.replace(how, window=window or how.window)
  frames: Frames = open_frames(file, how.key, every)
  masked = 0

  def seen() -> Iterator[np.ndarray]:
    nonlocal masked
    for frame in frames:
      found = how.seen(frame)
      masked += how.key == "joints" and not found[..., -1].all()
      yield found

  voted = [*online(predict, seen(), how.window, votes)]
  return Streamed(how, voted, frames.truth, every, masked)
