"""What a call of predict writes: a line an image, and files by formats."""

import pathlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from vision_jax.core.types import Output, Task
from vision_jax.data.errors import some
from vision_jax.data.headers import frames_of
from vision_jax.data.sources.video import Frame
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference import threshold as thresholds
from vision_jax.inference.lines import Lines
from vision_jax.inference.threshold import Tally, Threshold
from vision_jax.writers import base
from vision_jax.writers.base import About, MakeWriter, Row
from vision_jax.writers.line import line

# In the output folder.
WRITTEN = (
  r"masks|instances|overlays|probs|labels|labels_scores|restored|translated|"
  r"depth|depth_colours|Annotations|crops|tracks|"
  r"legend\.png|contact_sheet.*\.png|.*\.(jsonl?|csv|yaml|xml)"
)
# Outputs too large to be given always: a task that can has a method so called.
LARGE = ("probs",)
# Kinds of files that may hold several images.
SEVERAL = (".gif", ".webp", ".png", ".tif", ".tiff", ".avif")
LISTED = 50  # unreadable images that are listed
Formats = Sequence[str | MakeWriter]


class Results:
  """Writes the outputs of images; `close` writes what is of all of them.

  Args:
    how: the classes, and the formats where none are named.
    task: what predicts.
    output: the folder.
    formats: names of files in vision_jax/writers, or what makes a writer; None
      takes those of `how`.
    threshold: the least score that counts.
    shapes: those of an image's outputs, the large ones too, by name.

  Raises:
    UserError: for a format of no known name, or one that does not fit the task;
      for a threshold without a use.
  """

  def __init__(
    self,
    how: Predict,
    task: Task,
    output: epath.Path,
    formats: Formats | None,
    threshold: Threshold,
    shapes: Row,
  ):
    self._about = About(
      output,
      tuple(how.class_names),
      tuple(how.mask_values),
      how.annotations,
      threshold.value,
      threshold.by_class,
      tuple(how.show_bands),
    )
    named = how.formats if formats is None else formats
    makers = [base.named(x) if isinstance(x, str) else x for x in named]
    self._task, self._threshold = task, threshold
    thresholds.check(shapes, threshold)
    self._check(makers, shapes.keys())
    self._writers = [make(self._about) for make in makers]
    self._tally = Tally(threshold, self._about)
    self._lines = Lines(output / "predictions.jsonl")
    self._unreadable: list[str] = []
    self._several: list[str] = []  # files of several images
    # A file may be another than in the call before.
    base.shown.cache_clear()
    base.height_width.cache_clear()

  @property
  def large(self) -> Output | None:
    """The task's method that gives what is to be written; None: `predict`."""
    needs = [name for writer in self._writers for name in writer.needs]
    if self._threshold.value is not None and self._two_kinds_of_pixels:
      needs.append("probs")
    methods = [getattr(self._task, x, None) for x in needs if x in LARGE]
    return next(filter(None, methods), None)

  def __call__(self, file: pathlib.Path, row: Row | None, name: str) -> None:
    """Writes an image's outputs; None stands for an unreadable one."""
    entry = {"error": "unreadable image"}
    if row is None:
      self._unreadable.append(str(file))
    else:
      row = thresholds.apply(row, self._about)
      self._tally.add(row)
      entry = line(row, self._about)
      for write in self._writers:
        entry |= write(file, row, name) or {}
      if (number := _images_in(file)) > 1:
        self._several.append(str(file))
        entry |= {"frames": number}
    self._lines.add(file, _of_video(file) | entry)

  def close(
    self,
    log: Callable[[str], None],
    files: Sequence[pathlib.Path],
    reasons: Mapping[str, str],
  ) -> None:
    """Writes what is of all images; says where.

    Args:
      log: prints a line for the user.
      files: all images, in the order of their lines.
      reasons: name of an unreadable image -> what is wrong with it, as far as
        this process knows.
    """
    for writer in self._writers:
      writer.close()
    self._lines.close(files)
    log(f"{len(self._lines)} images: {self._lines.path}")
    for text in self._tally.lines():
      log(text)
    if self._several:
      log(
        f"{len(self._several)} files hold several images, of which the first "
        f"was predicted: {some(self._several)}."
      )
    for text in self._left_out(reasons):
      log(text)

  def _left_out(self, reasons: Mapping[str, str]) -> Iterator[str]:
    """Yields a line for each image that could not be read."""
    names = sorted(self._unreadable)
    if names:
      yield (
        f"{len(names)} of {len(self._lines)} images could not be read and have "
        "no prediction; --config.on_bad_image=error makes that an error:"
      )
    for name in names[:LISTED]:
      yield f"  {name}: {reasons.get(name, 'unreadable')}"
    if len(names) > LISTED:
      yield f"  ... and {len(names) - LISTED} more, whose lines have `error`"

  @property
  def _two_kinds_of_pixels(self) -> bool:
    return hasattr(self._task, "probs") and len(self._about.class_names) == 2

  @staticmethod
  def _check(makers: Sequence[MakeWriter], outputs: Collection[str]) -> None:
    """Refuses to write what the task does not predict."""
    known = base.formats()
    fitting = [k for k, made in known.items() if base.fits(made, outputs)]
    names = {made: name for name, made in known.items()}
    for made in makers:
      if not base.fits(made, outputs):
        needs = " or ".join(getattr(made, "one_of", ())) or ", ".join(
          made.needs
        )
        raise UserError(
          f"--format: {names.get(made, made.__name__)} writes {needs}, which "
          f"this task does not predict; expected some of {', '.join(fitting)}."
        )


def _images_in(file: pathlib.Path) -> int:
  """Returns how many images a file has: frames of an animation, or pages."""
  if isinstance(file, Frame) or file.suffix.lower() not in SEVERAL:
    return 1
  return frames_of(file.read_bytes())


def _of_video(file: pathlib.Path) -> dict[str, Any]:
  """Returns where in a video an image is; nothing of other images."""
  if not isinstance(file, Frame):
    return {}
  seconds = round(file.seconds, 3)
  return {
    "video": str(file.video.path),
    "frame": file.number,
    "seconds": seconds,
  }
