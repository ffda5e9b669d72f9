"""What there is to tell of an exported net, as JSON."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

import vision_jax
from vision_jax.data.transforms.base import Transform
from vision_jax.experiment import Experiment
from vision_jax.export.net import GIVEN, Outputs

FORMAT = 1  # of what `describe` returns

MEANINGS = {
  "image": "pixels as decoded and resized; the net normalises them itself",
  "image_mask": "1 where there is image, 0 where there is padding",
  "boxes": "x1, y1, x2, y2 in pixels of the image given, without its padding",
  "score": "certainty of a box, in [0, 1], best first",
  "label": "class of an image or a box; bool: whether it has each class",
  "target": "class of each pixel",
  "logits": "one a class, before softmax or sigmoid",
  "probs": "probability of each class",
}


def describe(
  experiment: Experiment,
  examples: Sequence[np.ndarray],
  live: Outputs,
  **run: Any,
) -> dict[str, Any]:
  """Returns what a user of an exported net has to know.

  Args:
    experiment: what was trained.
    examples: arrays of GIVEN.
    live: outputs of them.
    **run: of the run: config, variant, values, step, weights, metrics.
  """
  how = experiment.predict
  return {
    "format": FORMAT,
    "vision_jax": vision_jax.__version__,
    **run,
    "task": type(experiment.task).__name__,
    "model": type(getattr(experiment.task, "model", None)).__name__,
    "classes": [*map(str, how.class_names)] if how else [],
    "inputs": _arrays(dict(zip(GIVEN, examples, strict=False))),
    "outputs": _arrays(live),
    "preprocessing": {
      "transforms": [*map(_step, how.transforms)] if how else [],
      **(_colours(experiment, examples[0]) if examples else {}),
    },
  }


def metrics_of(workdir: epath.Path, step: int) -> dict[str, float]:
  """Returns the metrics of evaluations of a step, SPLIT/NAME; {} for none.

  Those of `--mode=eval`, the last, go before what training has logged.
  """
  found = {}
  for name, key in (("metrics", "step"), ("evaluations", "checkpoint")):
    for line in _lines(workdir / f"{name}.jsonl"):
      if line.get(key) == step:
        found |= line
  return {
    name: value
    for name, value in found.items()
    if "/" in name and name.split("/")[0] not in _NO_EVALS
  }


_NO_EVALS = ("train", "time", "memory", "flops", "data")


def _lines(path: epath.Path) -> Iterator[dict[str, Any]]:
  for raw in path.read_text().splitlines() if path.exists() else ():
    try:
      line = json.loads(raw)
    except ValueError:
      continue  # a kill has torn it
    if isinstance(line, dict):
      yield line


def _arrays(arrays: Outputs) -> dict[str, dict[str, Any]]:
  return {
    name: {
      "shape": ["b", *x.shape[1:]],
      "dtype": str(x.dtype),
      "meaning": MEANINGS.get(name, ""),
    }
    for name, x in arrays.items()
  }


def _step(transform: Transform) -> dict[str, Any]:
  """Returns a transform's name and what it was made with."""
  made = getattr(transform, "__reduce__", lambda: (None,))()[0]
  if not hasattr(made, "func"):  # no transform of ours
    return {"name": getattr(transform, "__name__", repr(transform))}
  given = inspect.signature(made.func).bind(*made.args, **made.keywords)
  given.apply_defaults()
  plain = lambda x: [*x] if isinstance(x, tuple) else x
  own = {name: plain(value) for name, value in given.arguments.items()}
  return {"name": made.func.__name__, **own}


def _colours(
  experiment: Experiment, image: np.ndarray
) -> Mapping[str, list[float]]:
  """Returns mean and std of pixels in [0, 1], read off black and white.

  {} where an input's map is another than (pixel - mean) / std.
  """
  kind = np.dtype(image.dtype)
  white = 1 if kind.kind == "f" else np.iinfo(kind).max
  levels = (0, 0.2, 1)
  tones = np.stack([np.full(image.shape[1:], t * white, kind) for t in levels])
  batch = {"image": tones, "mask": np.ones(3), "index": np.arange(3)}
  try:
    seen = jax.device_get(experiment.inputs(batch)["image"])
  except KeyError:  # inputs that need more than an image
    return {}
  if seen.shape != tones.shape:
    return {}
  low, middle, high = seen[:, 0, 0].astype(np.float64)
  each = (seen == seen[:, :1, :1]).all() and (high != low).all()
  if not each or not np.allclose(middle, low + 0.2 * (high - low), atol=1e-4):
    return {}
  std = 1 / (high - low)
  rounded = lambda x: [round(float(v), 6) for v in x]
  return {"mean": rounded(-low * std), "std": rounded(std)}
