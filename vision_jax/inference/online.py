"""Labels of frames as they come: a sliding window, and a majority vote."""

import collections
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from flax.errors import ScopeParamShapeError

from vision_jax.core.step import make_predict_step
from vision_jax.errors import UserError

if TYPE_CHECKING:
  from vision_jax.inference.trained import Trained

Predictor = Callable[[np.ndarray], int]  # a window (t, ...) -> a label


class Voted(NamedTuple):
  """What is known once a frame has come.

  Attributes:
    frame: its number, from 0 on.
    label: what the window that ends with it shows.
    voted: the majority of that label and those before it.
    milliseconds: that the label took.
  """

  frame: int
  label: int
  voted: int
  milliseconds: float


def majority(labels: Sequence[int]) -> int:
  """Returns the most frequent label; of several the one that came last."""
  counts = collections.Counter(labels)
  most = max(counts.values())
  return next(x for x in reversed(labels) if counts[x] == most)


def online(
  predict: Predictor,
  frames: Iterable[np.ndarray],
  window: int,
  votes: int = 1,
) -> Iterator[Voted]:
  """Yields a label for each frame, from the first whole window on.

  The first window is predicted twice: once to compile, which is not counted.

  Args:
    predict: a window (t, ...) -> its label.
    frames: (...) one after the other, as the net sees them.
    window: t, of the last frames.
    votes: the last labels that are counted; 1 takes each as it is.

  Raises:
    UserError: if there are fewer frames than a window has.
  """
  if window < 1 or votes < 1:
    raise UserError(
      f"online: got a window of {window} frames and {votes} votes; expected 1 "
      "or more of each."
    )
  last = collections.deque(maxlen=window)
  labels = collections.deque(maxlen=votes)
  number = -1
  for number, frame in enumerate(frames):
    last.append(frame)
    if number == window - 1:
      predict(np.stack(last))
    if number >= window - 1:
      start = time.perf_counter()
      labels.append(predict(np.stack(last)))
      took = 1000 * (time.perf_counter() - start)
      yield Voted(number, labels[-1], majority(labels), took)
  if number + 1 < window:
    raise UserError(
      f"--stream: has {number + 1} frames; expected {window} or more, as a "
      f"window has. Use --window={max(number + 1, 1)}, or a longer one."
    )


def latencies(
  voted: Sequence[Voted], truth: Sequence[int] | np.ndarray
) -> list[int | None]:
  """Returns after how many frames each change of the truth was found.

  For each change, the frames from the first one of the new class to the first
  one at which that class is voted; None where the truth has changed again
  before. What the first frame shows is no change.

  Args:
    voted: of `online`.
    truth: (t,) the class of each frame.
  """
  truth = np.asarray(truth)
  starts = (np.flatnonzero(truth[1:] != truth[:-1]) + 1).tolist()
  found: list[int | None] = []
  for start, end in itertools.pairwise([*starts, len(truth)]):
    right = [
      x.frame - start
      for x in voted
      if start <= x.frame < end and x.voted == truth[start]
    ]
    found.append(min(right, default=None))
  return found


def predictor(run: "Trained") -> Predictor:
  """Returns what predicts the label of a window with a workdir's weights.

  Of a net that gives a class to each frame, that of the last one.

  Raises:
    UserError: if the experiment sees no frames that come one by one.
  """
  experiment, execution = run.experiment, run.execution
  if experiment.stream is None:
    raise UserError(
      "--mode=stream: this config's Experiment has no `stream`; expected one "
      "of clips or skeletons, such as configs/video/digits_r3d.py. Of images, "
      "and each frame of a video alone, use --mode=predict."
    )
  key = experiment.stream.key
  step = execution.eval_step(
    make_predict_step(experiment.task, inputs=experiment.inputs)
  )
  weights, random = run.weights(), execution.init(lambda: jax.random.key(0))
  copies = execution.divisor // execution.share[1]  # for all devices

  def predict(window: np.ndarray) -> int:
    batch = {
      key: np.repeat(window[None], copies, 0),
      "mask": np.ones(copies, np.float32),
      "index": np.zeros(copies, np.int32),
    }
    with _as_learned(experiment.stream.window, len(window)):
      row = jax.device_get(step(*weights, (), execution.put(batch), random))
    name = "target" if "target" in row else "label"
    return int(np.ravel(row[name][0])[-1])

  return predict


@contextlib.contextmanager
def _as_learned(window: int, got: int) -> Iterator[None]:
  """Says so where weights are of windows of one length."""
  try:
    yield
  except ScopeParamShapeError as error:
    raise UserError(
      f"--window: got {got}; this net's weights are of windows of {window} "
      "frames. Leave it out."
    ) from error
