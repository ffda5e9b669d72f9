"""Weights of classes in a loss's mean."""

from collections.abc import Sequence

from vision_jax.errors import UserError


def check_class_weights(weights: Sequence[float] | None, classes: int) -> None:
  """Checks that there is a weight for each of a model's classes.

  Raises:
    UserError: naming both numbers.
  """
  if weights is not None and len(weights) != classes:
    raise UserError(
      f"class_weights: got {len(weights)} for {classes} classes; expected one "
      "for each."
    )
