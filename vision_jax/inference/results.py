"""What a call of predict writes: a line an image, and files by formats."""

import pathlib
from collections.abc import Callable, Collection, Sequence

from etils import epath

from vision_jax.core.types import Output, Task
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.files import replace_text, to_json
from vision_jax.inference import threshold as thresholds
from vision_jax.inference.threshold import Tally, Threshold
from vision_jax.writers import base
from vision_jax.writers.base import About, MakeWriter, Row
from vision_jax.writers.line import line

# In the output folder.
WRITTEN = (
  r"masks|overlays|probs|labels|restored|Annotations|legend\.png|"
  r".*\.(jsonl?|csv|yaml|xml)"
)
# Outputs too large to be given always: a task that can has a method so called.
LARGE = ("probs",)
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
    self._lines: dict[pathlib.Path, str] = {}
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
    if row is not None:
      row = thresholds.apply(row, self._about)
      self._tally.add(row)
      entry = line(row, self._about)
      for write in self._writers:
        entry |= write(file, row, name) or {}
    self._lines[file] = to_json({"file": str(file)} | entry) + "\n"

  def close(
    self, log: Callable[[str], None], files: Sequence[pathlib.Path]
  ) -> None:
    """Writes what is of all images, in the order of `files`; says where."""
    for writer in self._writers:
      writer.close()
    path = self._about.output / "predictions.jsonl"
    replace_text(path, "".join(map(self._lines.get, files)))
    log(f"{len(self._lines)} images: {path}")
    for text in self._tally.lines():
      log(text)

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
