"""Leaves of a published net for one that differs in its ends."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vision_jax.interop.convert import LayoutMismatch
from vision_jax.interop.rules import Shapes
from vision_jax.interop.tensors import Tensor

CHANNELS = 4  # of images that nets are published for, at most


@dataclasses.dataclass(frozen=True)
class Adapted:
  """What a net begins with.

  Attributes:
    leaves: path -> tensor, of the net's shape.
    new: paths of leaves that are initialised: a head of other classes.
    lines: what a user is told of them.
  """

  leaves: Mapping[str, Tensor]
  new: tuple[str, ...]
  lines: tuple[str, ...]


def adapt(
  leaves: Mapping[str, Tensor],
  shapes: Shapes,
  *,
  where: str,
  headless: bool = False,
) -> Adapted:
  """Returns published leaves for a net of other channels or classes.

  A convolution that reads images takes further channels by the mean of its
  filters. Leaves whose last axis alone differs, all of them from one number to
  another, are those of a head, and new. So are leaves that the published net
  has not: those of a head, where it has none.

  Args:
    leaves: path -> tensor, in the shapes of the published net.
    shapes: path -> shape of the net that is to have them.
    where: what an error calls the file.
    headless: whether the published net has no head.

  Raises:
    LayoutMismatch: naming a leaf that differs in any other way.
  """
  found, heads, lines = dict(leaves), {}, []
  absent = [path for path in shapes if path not in leaves]
  if absent and not headless:
    raise LayoutMismatch(f"{where}: not there: {_layers(absent)}.")
  for path, shape in shapes.items():
    if path in absent:
      continue
    have = leaves[path].shape
    if have == shape:
      continue
    if differs_in_channels(have, shape):
      found[path] = widened(leaves[path], shape)
      lines.append(widening(path, have, shape))
    elif have[:-1] == shape[:-1]:
      heads[path] = (have[-1], shape[-1])
    else:
      raise LayoutMismatch(
        f"{where}: {path} has shape {have}, expected {shape}."
      )
  if len(set(heads.values())) > 1:
    raise LayoutMismatch(
      f"{where}: it differs in more than the classes of a head: "
      f"{', '.join(heads)}."
    )
  if heads:
    old, new = next(iter(heads.values()))
    lines.append(f"new: {_layers(heads)}, of {new} classes and not {old}")
  if absent:
    lines.append(f"new: {_layers(absent)}, which {where} does not have")
  for path in heads:
    del found[path]
  return Adapted(found, (*heads, *absent), tuple(lines))


def _layers(paths: Iterable[str]) -> str:
  names = {path.split("/", 1)[1].rpartition("/")[0] for path in paths}
  return ", ".join(sorted(names))


def differs_in_channels(have: Sequence[int], shape: Sequence[int]) -> bool:
  """Whether two kernels (k, k, c, d) read other numbers of channels alone.

  And the first those of images: a map of other features is another net's.
  """
  others = lambda x: (*x[:2], *x[3:])
  kernels = len(shape) == len(have) == 4 and others(have) == others(shape)
  return kernels and have[2] <= CHANNELS


def widening(path: str, have: Sequence[int], shape: Sequence[int]) -> str:
  """Returns what a user is told of a kernel that is widened."""
  return f"{path} reads {shape[2]} channels by its filters for {have[2]}: " + (
    "their mean" if shape[2] < have[2] else "the others have their mean"
  )


def widened(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
  """Returns a kernel of another number of channels, see `widen`."""
  return dataclasses.replace(
    tensor, shape=shape, load=lambda: widen(tensor.load(), shape[2])
  )


def widen(kernel: np.ndarray, channels: int) -> np.ndarray:
  """Returns a kernel (k, k, c, d) that reads another number of channels.

  Of fewer channels each has the mean of all filters. Filters are scaled so that
  what they give of channels that are all alike is as large as before.

  Args:
    kernel: as published.
    channels: how many the new one reads.
  """
  mean = kernel.mean(2, keepdims=True)
  have = kernel.shape[2]
  more = np.repeat(mean, max(channels - have, 0), 2)
  wide = np.concatenate([kernel, more], 2)
  if channels < have:
    wide = np.repeat(mean, channels, 2)
  return wide * np.float32(have / channels)
