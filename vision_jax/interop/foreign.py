"""A file of others whose layout is found out, for a module that is there."""

import logging
from collections.abc import Mapping

from vision_jax.errors import UserError
from vision_jax.interop import convert, published
from vision_jax.interop.adapt import (
  differs_in_channels,
  widened,
  widening,
)
from vision_jax.interop.convert import Found, LayoutMismatch
from vision_jax.interop.rules import Shapes
from vision_jax.interop.tensors import Tensor, Tensors

_LOG = logging.getLogger(__name__)


def recognise(
  tensors: Tensors, shapes: Shapes, layout: str = "", *, where: str
) -> dict[str, Tensor]:
  """Returns a file's tensors by the paths of a module's leaves.

  All leaves of the module are there; what else the file has is there too, and a
  head of other classes has its own shape. A first convolution for images of
  other channels is widened, see `adapt`.

  Args:
    tensors: of the file.
    shapes: path -> shape of the module's leaves.
    layout: "FAMILY/SOURCE"; "" takes the first that has all leaves.
    where: what an error calls the file.

  Raises:
    UserError: if no layout has; says what the nearest one lacks.
  """
  tried = {layout: _named(layout)} if layout else published.layouts()
  least = None
  for name, rules_of in tried.items():
    try:
      rules = rules_of(shapes)
    except (LookupError, ValueError):
      continue  # another family's, whose names follow from its leaves
    found = convert.find(convert.without_prefix(tensors, rules), rules)
    wrong = _wrong(found, shapes)
    if not wrong:
      return _fitted(found.leaves, shapes)
    if found.leaves and (least is None or wrong < least[0]):
      least = wrong, name, found
  if least is None:
    raise UserError(
      f"{where}: its names, such as {', '.join(sorted(tensors)[:3])}, are of "
      "no known layout; expected weights of ours, or of a family in "
      f"vision_jax/interop: {', '.join(published.families())}."
    )
  _, name, found = least
  raise LayoutMismatch(
    f"{where} is most like {name}: {'; '.join(found.mismatch(shapes))}."
  )


def _named(layout: str) -> published.Layout:
  known = published.layouts()
  if layout not in known:
    raise UserError(
      f"layout: got {layout!r}; expected one of {', '.join(known)}."
    )
  return known[layout]


def _wrong(found: Found, shapes: Shapes) -> int:
  """How many names and leaves have no partner."""
  missing = sum(path not in found.leaves for path in shapes)
  more = (found.unused, found.twice, found.not_floats(shapes))
  return missing + sum(map(len, more))


def _fitted(leaves: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
  """Returns leaves without axes that are only theirs, and widened."""
  fitted = dict(leaves)
  for path, shape in shapes.items():
    tensor, shape = leaves[path], tuple(shape)
    if convert.fits(tensor.shape, shape):
      fitted[path] = convert.reshaped(tensor, shape)
    elif differs_in_channels(tensor.shape, shape):
      fitted[path] = widened(tensor, shape)
      _LOG.warning("%s.", widening(path, tensor.shape, shape))
  return fitted
