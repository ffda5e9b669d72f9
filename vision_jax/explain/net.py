"""A trained net whose layers can be looked at."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Variables
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.layers.calls import Call, recorded, without_remat

Found = Mapping[str, Array]  # `heat`, `maps`, `label`, `score`, where given
Explain = Callable[[Variables, Batch], Found]
EXTRA = 16  # tokens, at most, that stand for no place: classes, registers


@dataclasses.dataclass(frozen=True)
class Choice:
  """What a user may choose of a method.

  Attributes:
    layer: its name; "" for the method's own.
    label: class to explain; None for what is predicted.
  """

  layer: str = ""
  label: int | None = None


class Net:
  """A task's only net, run on images as a user's decoder gives them.

  Args:
    experiment: what was trained.
    weights: parameters and statistics.
    batch: images as they come, for their shapes.

  Raises:
    UserError: if the task has several nets.
  """

  def __init__(self, experiment: Experiment, weights: Variables, batch: Batch):
    task = without_remat(experiment.task)
    if not hasattr(task, "net"):
      raise UserError(
        f"--mode=explain: got a task of several nets, {type(task).__name__}; "
        "expected a classifier, a segmenter or a detector."
      )
    self.task, self._inputs = task, experiment.inputs
    self.name = type(task.net.module).__name__
    self.calls: list[Call] = []  # of shapes alone
    jax.eval_shape(self._look, weights, batch)

  def __call__(
    self,
    weights: Variables,
    batch: Batch,
    change: Callable[[str, Any], Any] | None = None,
  ) -> tuple[Any, list[Call]]:
    """Returns the net's outputs and its calls, see `layers.calls`."""
    batch = self._inputs(batch)
    image, options = batch["image"], {}
    if "image_mask" in batch:  # the net sees zeros in the padding
      options["image_mask"] = batch["image_mask"]
      image = jnp.where(batch["image_mask"][..., None] > 0, image, 0)
    model = self.task.net.given(*weights)
    return recorded(lambda: model(image, train=False, **options), change)

  def _look(self, weights: Variables, batch: Batch) -> Any:
    out, self.calls = self(weights, batch)
    return out


def grid_of(net: Net, call: Call) -> tuple[int, int]:
  """Returns (h, w) of the places that a layer's output is of.

  Those of a map (b, h, w, d) are its own, those of tokens (b, l, d) of the last
  map before them; what there are more tokens comes first.

  Raises:
    UserError: if its output has no places.
  """
  shape = getattr(call.out, "shape", ())
  if len(shape) == 4:
    return shape[1:3]
  before = net.calls[: net.calls.index(call)]
  maps = [x.out.shape[1:3] for x in before if is_map(x)]
  if len(shape) == 3 and maps:
    h, w = maps[-1]
    if 0 <= shape[1] - h * w <= EXTRA:
      return h, w
  raise UserError(
    f"--layer: {call.path!r} of {net.name} gives {shape or 'no array'}; "
    "expected a map (b, h, w, d), or a token for each place of the map before "
    f"it. Maps are of {', '.join(x.path for x in net.calls if is_map(x))}."
  )


def is_map(call: Call) -> bool:
  """Whether a layer's output is a map (b, h, w, d) of several places."""
  shape = getattr(call.out, "shape", ())
  return len(shape) == 4 and shape[1] * shape[2] > 1


def to_map(x: Array, grid: tuple[int, int]) -> Array:
  """Returns a layer's output as a map (b, h, w, d), float32."""
  if x.ndim == 3:
    x = x[:, x.shape[1] - grid[0] * grid[1] :].reshape(len(x), *grid, -1)
  return x.astype(jnp.float32)


def to_unit(heat: Array) -> Array:
  """Returns heat (b, h, w) >= 0 over each image's largest value."""
  largest = heat.max((1, 2), keepdims=True)
  return heat / jnp.where(largest > 0, largest, 1)
