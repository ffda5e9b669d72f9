"""Names of classes in annotations, and the labels that they stand for."""

from collections.abc import Iterable, Sequence

from vision_jax.data.errors import DataError

_SHOWN = 8


def labels_of(names: Sequence[str]) -> dict[str, int]:
  """Returns name -> label for names in the labels' order.

  Raises:
    DataError: if two names are the same.
  """
  labels = {name: i for i, name in enumerate(names)}
  if len(labels) < len(names):
    twice = sorted({name for name in names if list(names).count(name) > 1})
    raise DataError(
      f"class_names: has {some(twice)} more than once; expected names of their "
      "own. Correct --config.class_names."
    )
  return labels


def some(values: Iterable[object]) -> str:
  """Returns the first of the values as text, and how many there are."""
  values = [str(v) for v in values]
  more = f", ... ({len(values)} in all)" if len(values) > _SHOWN else ""
  return ", ".join(values[:_SHOWN]) + more
