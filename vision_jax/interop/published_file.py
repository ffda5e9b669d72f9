"""A file of a published net, as that net's leaves."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.errors import UserError
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.convert import LayoutMismatch
from vision_jax.interop.published import Layout, Published
from vision_jax.interop.tensors import Tensor, Tensors

Leaves = dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class File:
  """Tensors that are said to be those of a published net.

  Attributes:
    tensors: of the file.
    layout: how it names them.
    net: what they are of.
    path: what an error calls the file.
  """

  tensors: Tensors
  layout: Layout
  net: Published
  path: str

  def __call__(
    self, fields: Mapping[str, Any], classes: int, size: tuple[int, ...]
  ) -> Leaves:
    """Returns path -> tensor, in the shapes of the net.

    Args:
      fields: of the net, that a user gives.
      classes: that the file's head has, if it has not the published ones: of
        one that somebody has fine-tuned.
      size: (height, width) of images, where the net takes any.

    Raises:
      UserError: if it is none of that net, or the net has not such fields.
    """
    size = self.net.preprocess.size or size
    try:
      return self._read(fields, size)
    except LayoutMismatch as error:
      wrong = error
    if classes != self.net.num_classes:
      try:
        return self._read({**fields, "num_classes": classes}, size)
      except LayoutMismatch:
        pass
    raise UserError(f"{wrong} Expected the weights of {self._expected()}")

  def _read(self, fields: Mapping[str, Any], size: tuple[int, ...]) -> Leaves:
    shapes = _shapes(self.net, fields, size)
    rules = self.layout(shapes)
    return convert.convert(self.tensors, rules, shapes, where=self.path)

  def _expected(self) -> str:
    number, like = self.net.num_classes, published.most_like(self.tensors)
    model = type(self.net.model()).__name__
    of = (
      f", of {number} classes (of a file with others say how many: "
      "--config.num_classes=N)"
    )
    near = f" Its names are most like those of {like}." if like else ""
    return f"a {model}{of if number else ''}.{near}"


def _shapes(
  net: Published, fields: Mapping[str, Any], size: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
  """Returns those of the net's leaves.

  Raises:
    UserError: if it cannot be built with these fields.
  """
  channels = max(len(net.preprocess.mean), 1)
  image = jax.ShapeDtypeStruct((1, *size, channels), jnp.float32)
  model = net.build(fields)
  try:
    return leaves.shapes(leaves.abstract(model, image))
  except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
    if not fields or isinstance(error, UserError):
      raise
    raise UserError(
      f"--config.fields: got {dict(fields)}, of which no "
      f"{type(model).__name__} can be made: {error}"
    ) from error
