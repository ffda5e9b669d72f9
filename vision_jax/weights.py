"""Where a net has its weights from, other than from its initialisation."""

import dataclasses
import os
import re
from collections.abc import Collection, Mapping

from vision_jax.core.checks import check_name
from vision_jax.core.types import Nets, Task
from vision_jax.errors import UserError

KINDS = ("raw", "ema")
# What all nets begin with, or part of a net -> that.
InitFrom = str | os.PathLike | Mapping[str, str | os.PathLike]


@dataclasses.dataclass(frozen=True)
class Weights:
  """Where weights of a part of a net come from.

  Attributes:
    path: a workdir, one of its checkpoints, or a file of weights, ours or of
      others (safetensors, .pth, npz, HDF5, ONNX).
    part: what to take of it: a net, or a module of one such as
      "model/backbone". "" is the part of the name that is to have them, or else
      the net "model".
    weights: "raw", or "ema" for averaged ones.
    layout: how a file of others names what is in it, "FAMILY/SOURCE"; "" finds
      it out.
  """

  path: str
  part: str = ""
  weights: str = "raw"
  layout: str = ""

  def __post_init__(self):
    if not self.path:
      raise UserError(
        "path: got none; expected the workdir, checkpoint or .safetensors file "
        "that weights come from."
      )
    if self.weights not in KINDS:
      raise UserError(
        f"weights: got {self.weights!r}; expected 'raw' or 'ema'."
      )


def check_places(**given: Mapping[str, Weights]) -> None:
  """Checks that each part has a place for its weights.

  Args:
    **given: name of what says it -> part -> its place.

  Raises:
    UserError: naming the first that is none.
  """
  for what, places in given.items():
    for part, place in places.items():
      if not isinstance(place, Weights):
        raise UserError(
          f"{what}: got {place!r} for {part!r}; expected Weights(PATH)."
        )


def check_fixed(task: Task, nets: Nets, fixed: Collection[str]) -> None:
  """Refuses to fix a net that the task does not have, or that it trains."""
  trained = {objective.net for objective in task.objectives}
  for name in fixed:
    if check_name("fixed", name, nets) in trained:
      raise UserError(
        f"fixed: got {name!r}, which an objective trains; expected a net of "
        "the task's that none does. `start` says what a trained one begins "
        "with."
      )


def moved(
  fixed: Mapping[str, Weights], to: Mapping[str, str]
) -> dict[str, Weights]:
  """Returns where fixed nets are, of which some have moved.

  Args:
    fixed: net -> where it was.
    to: net -> where it is by now.

  Raises:
    UserError: for one that is not fixed.
  """
  found = dict(fixed)
  for net, path in to.items():
    if not fixed:
      raise UserError(
        f"--fixed.{net}: the config has no fixed net; leave it out."
      )
    check_name("--fixed", net, fixed)
    found[net] = dataclasses.replace(fixed[net], path=path)
  return found


def starts(
  own: Mapping[str, Weights],
  given: InitFrom | None,
  *,
  fixed: Collection[str],
  following: Collection[str],
) -> dict[str, Weights]:
  """Returns part of a net -> what it begins with.

  Args:
    own: what an experiment says of parts.
    given: what a user says, which goes before it: what the experiment says of
      the same part, or of one within, does not count.
    fixed: nets that keep weights of their own.
    following: nets that are an average of another.

  Raises:
    UserError: for a part of either.
  """
  if not isinstance(given, Mapping):
    given = {"": given} if given else {}
  new = {part: _place(os.fspath(path)) for part, path in given.items()}
  within = lambda part: any(f"{part}/".startswith(_start(x)) for x in new)
  found = {part: x for part, x in own.items() if not within(part)} | new
  for part in found:
    if (net := part.split("/")[0]) in fixed:
      raise UserError(
        f"start: got {part!r}, of a fixed net; expected a part of a net that "
        f"is trained. --fixed.{net}=PATH says where a fixed one is."
      )
    if net in following:
      raise UserError(
        f"start: got {part!r}, of a net that follows another; expected a part "
        "of that one, as a copy of which it begins."
      )
  return found


def _place(text: str) -> Weights:
  """Reads PATH, or FILE:LAYOUT of others, such as detr.pth:detr/facebook."""
  named = re.fullmatch(r"(.+):(\w+/\w+)", text)
  if named and os.path.exists(named[1]) and not os.path.exists(text):
    return Weights(named[1], layout=named[2])
  return Weights(text)


def _start(part: str) -> str:
  return f"{part}/" if part else ""
