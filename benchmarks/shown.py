"""What a trained net gets wrong, as images: for a row of the report.

  python -m benchmarks.shown --workdir=OUT/ROW/seed0/workdir \\
    --evaluation=test --output=OUT/ROW/seed0/shown

Goes through an evaluation's data once, and writes `confusion.json`, counts of
labels and predictions (of up to 20 classes), and `worst NAME.png`, what the
config shows of a batch, of the examples that have the largest part in the loss;
of a detector `detection.json`, precision over recall and what each kind of
error costs, and `wrong NAME.png` of the examples with the most errors. Where
the training has left no images, `EVALUATION NAME.png` of the first examples as
well. The runner calls it after a row's first seed. Exit codes: 0
done, 2 bad arguments.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.detections import Detections, average_precision
from vision_jax.core.types import HostBatch, Inputs, Nets, Task
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.files import replace_text
from vision_jax.inference import trained
from vision_jax.metrics.confusion import host_confusion
from vision_jax.train.evaluate import Evaluator
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png

SHOWN = 24  # examples of the worst
MOST_CLASSES = 20
COUNTED = {"label": 1, "target": 3}  # of an image (b,), of its pixels (b, h, w)


@dataclasses.dataclass
class Found:
  """What a pass has found so far.

  Attributes:
    names: of the classes; () without any.
    counts: (k, k) of labels and predictions; None where a task has none.
    worst: (part in the loss, or number of errors, example), the largest first.
    detections: what a detector finds; None of other tasks.
  """

  names: Sequence[str]
  counts: np.ndarray | None = None
  worst: list[tuple[float, HostBatch]] = dataclasses.field(default_factory=list)
  detections: Detections | None = None

  def add(self, batch: HostBatch, out: dict, parts: np.ndarray | None) -> None:
    """Adds a batch: what it predicts, and what each example has in the loss."""
    real = np.flatnonzero(batch["mask"] > 0)
    for key, axes in COUNTED.items():
      if key in out and key in batch and batch[key].ndim == axes:
        self._count(batch[key][real], out[key][real])
    if self.detections is not None:
      parts = self.detections.add(batch, out["rows"])
    if parts is not None:
      take = lambda i: {k: x[i] for k, x in batch.items()}
      self.worst += [(float(parts[i]), take(i)) for i in real if parts[i] > 0]
      self.worst = sorted(self.worst, key=lambda x: -x[0])[:SHOWN]

  def _count(self, truth: np.ndarray, guess: np.ndarray) -> None:
    k = len(self.names)
    whole = (
      np.issubdtype(truth.dtype, np.integer) and truth.shape == guess.shape
    )
    if not (whole and 1 < k <= MOST_CLASSES):
      return
    known = (truth >= 0) & (truth < k) & (guess < k)
    counts = host_confusion(truth[known], guess[known], k, ignore=None)
    self.counts = counts if self.counts is None else self.counts + counts


def main(argv: Sequence[str] | None = None) -> int:
  """Writes what `argv` asks for and returns the exit code."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.shown")
  parser.add_argument("--workdir", required=True)
  parser.add_argument("--evaluation", required=True)
  parser.add_argument("--output", required=True, type=pathlib.Path)
  given = parser.parse_args(argv)
  try:
    write(given.workdir, given.evaluation, given.output)
  except UserError as error:
    print(error, file=sys.stderr)
    return 2
  return 0


def write(workdir: str, name: str, output: pathlib.Path) -> None:
  """Draws what the weights of a workdir get wrong in one of its evaluations.

  Raises:
    UserError: there is no such run, or it has no such evaluation.
  """
  run = trained.load(workdir, log=lambda line: None)
  evals = run.experiment.evals
  if name not in evals:
    raise UserError(f"--evaluation: got {name!r}; expected one of {[*evals]}.")
  data = evals[name]
  kind = data.weights[-1]
  weights = run.read(kind)[1][kind]
  with run.experiment:
    found = _pass(run, data, weights)
    images = _worst(run, data, weights, found)
    if not any(pathlib.Path(workdir).glob("events.*")):
      every = Evaluator(run.experiment, run.execution).images(lambda _: weights)
      images |= {
        key.replace("/", " "): x
        for key, x in every.items()
        if key.startswith(f"{name}/")
      }
  for key, image in images.items():
    write_png(output / f"{key}.png", to_rgb(image))
  if found.detections is not None:
    text = json.dumps(found.detections.summary())
    replace_text(output / "detection.json", text)
  if found.counts is not None:
    matrix = {"names": [*found.names], "counts": found.counts.tolist()}
    replace_text(output / "confusion.json", json.dumps(matrix))


def _pass(run: trained.Trained, data: Eval, weights: Any) -> Found:
  """Goes through the data once."""
  step = jax.jit(make_step(run.experiment.task, run.experiment.inputs, data))
  predict = run.experiment.predict
  found = Found(predict.class_names if predict else ())
  if metric := average_precision(data):
    found.detections = Detections(metric)
  for batch in data.data.epoch():
    out, parts = jax.device_get(step(*weights, batch, jax.random.key(0)))
    found.add(batch, out, parts)
  return found


def make_step(task: Task, inputs: Inputs, data: Eval) -> Callable[..., Any]:
  """Returns step(params, stats, batch, key) -> (predictions, parts (b,)), pure.

  Of a detector the predictions are `rows`, those of its average precision.
  A loss is a mean by the examples' mask, in which its total is linear: so the
  derivative by the mask is what each example adds to it. It costs no second
  pass through the net, which the mask does not enter. Parts are None where the
  losses are not those of examples: of several objectives, of random noise, or
  of batches on which there are none.
  """
  output = data.output or task.predict
  asked = len(task.objectives) == 1 and data.losses
  drawn = hasattr(task, "sample")  # its losses are of random noise
  boxes = average_precision(data)

  def step(params: Nets, stats: Nets, batch: HostBatch, key: jax.Array) -> Any:
    batch = inputs(batch)
    full = output(params, stats, batch, key)
    if boxes is not None:
      return {"rows": boxes.measure(boxes.state, full, batch)[1]}, None
    out = {k: full[k] for k in COUNTED if k in full}
    if drawn or not asked:
      return out, None
    (objective,) = task.objectives

    def loss(mask: jax.Array) -> jax.Array:
      terms, _ = objective.loss(
        params, stats, {**batch, "mask": mask}, key, step=0, train=False
      )
      share = lambda term: (
        term.total / jax.lax.stop_gradient(jnp.maximum(term.count, 1))
      )
      weights = objective.weights.items()
      return sum(w * share(terms[k]) for k, w in weights if k in terms)

    mask = batch["mask"].astype(jnp.float32)
    return out, jax.grad(loss)(mask) * mask.sum()

  return step


def _worst(
  run: trained.Trained, data: Eval, weights: Any, found: Found
) -> dict[str, np.ndarray]:
  """Shows the worst examples as the config shows a batch."""
  if not found.worst or data.images is None:
    return {}
  number = len(found.worst)
  rows = [found.worst[i % number][1] for i in range(SHOWN)]
  batch = {k: np.stack([x[k] for x in rows]) for k in rows[0]}
  task, inputs = run.experiment.task, run.experiment.inputs
  output = data.output or task.predict
  predict = jax.jit(
    lambda params, stats, batch, key: output(params, stats, inputs(batch), key)
  )
  out = jax.device_get(predict(*weights, batch, jax.random.key(0)))
  first = lambda tree: jax.tree.map(lambda x: x[:number], tree)
  shown = data.images(first(batch), first(out))
  kind = "worst" if found.detections is None else "wrong"
  return {f"{kind} {key}": image for key, image in shown.items()}


if __name__ == "__main__":
  sys.exit(main())
