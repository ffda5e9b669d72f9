"""A trained net as a function of images: what is exported."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.step import make_predict_step
from vision_jax.core.types import Array, Variables
from vision_jax.experiment import Experiment

# Arrays of a batch that go into the net, in the order of its arguments.
GIVEN = ("image", "image_mask")
WHICH = ("index", "mask")
Outputs = Mapping[str, np.ndarray]
Run = Callable[..., Outputs]  # arrays of GIVEN -> outputs


@dataclasses.dataclass(frozen=True)
class Net:
  """A net with its weights, and images to try it on.

  Attributes:
    experiment: what was trained.
    weights: parameters and statistics of all its nets, on the host.
    about: what there is to tell of it, as `about.describe` gives it.
    examples: arrays (n, ...) of GIVEN; () of a net that predicts nothing.
  """

  experiment: Experiment
  weights: Variables
  about: Mapping[str, Any]
  examples: Sequence[np.ndarray] = ()

  @functools.cached_property
  def live(self) -> Outputs:
    """The outputs of the examples, as prediction computes them."""
    return run(self.experiment, self.weights, self.examples)


def plain(
  experiment: Experiment, weights: Variables
) -> tuple[Experiment, Variables]:
  """Returns both with an adapted net as itself, its updates in its kernels."""
  model = getattr(experiment.task, "model", None)
  if not hasattr(model, "plain"):
    return experiment, weights
  params, stats = weights
  module, own = model.plain(params["model"])
  task = dataclasses.replace(experiment.task, model=module)
  experiment = dataclasses.replace(experiment, task=task)
  return experiment, ({**params, "model": own}, stats)


def run(
  experiment: Experiment, weights: Variables, arrays: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
  """Returns outputs on the host; none of a net that predicts nothing."""
  if not arrays:
    return {}
  step = lambda nets, given: outputs(experiment, nets, *given)
  return jax.device_get(jax.jit(step)(weights, tuple(arrays)))


def outputs(
  experiment: Experiment, weights: Variables, *arrays: Array
) -> dict[str, Array]:
  """Returns what a task predicts of images as a user's decoder gives them.

  Args:
    experiment: what was trained.
    weights: parameters and statistics.
    *arrays: `image` (b, h, w, c) of the type that the loader gives, and
      `image_mask` (b, h, w) where images are padded.

  Returns:
    name -> (b, ...), sorted by name: the task's `predict`, and `probs` where
    that has logits or the task has probabilities. Boxes are in pixels of the
    image given, without its padding.
  """
  task, b = experiment.task, arrays[0].shape[0]
  batch = dict(zip(GIVEN, arrays, strict=False))
  batch |= {"mask": jnp.ones((b,)), "index": jnp.zeros((b,), jnp.int32)}
  output = getattr(task, "probs", None)
  step = make_predict_step(task, inputs=experiment.inputs, output=output)
  out = dict(step(*weights, (), batch, jax.random.key(0)))
  if "logits" in out and "probs" not in out:
    one = out["label"].ndim == 1  # a class an image
    probs = jax.nn.softmax if one else jax.nn.sigmoid
    out["probs"] = probs(out["logits"].astype(jnp.float32))
  return {name: out[name] for name in sorted(out) if name not in WHICH}
