"""A net's layers as lines of text, one each, with what they add up to."""

from collections.abc import Sequence

from vision_jax.models.layers import Layer

_HEAD = ("layer", "type", "output", "parameters", "MACs")
_SHOWN = 3  # outputs of one layer


def lines(layers: Sequence[Layer]) -> list[str]:
  """Returns a head, a line a call and the totals; columns are aligned.

  A layer is indented by how deep it lies. What it has itself is counted, not
  what is in the layers within, so that the columns add up.
  """
  rows = [_HEAD, *map(_row, layers), _total(layers)]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return [_aligned(row, widths) for row in rows]


def _row(layer: Layer) -> tuple[str, ...]:
  depth = len(layer.path)
  name = "  " * depth + layer.path[-1] if depth else layer.kind
  shapes = [_shape(shape) for shape in layer.outputs[:_SHOWN]]
  shapes += ["..."] * (len(layer.outputs) > _SHOWN)
  numbers = (layer.parameters, layer.flops // 2)
  return (name, layer.kind, " ".join(shapes), *map(_number, numbers))


def _total(layers: Sequence[Layer]) -> tuple[str, ...]:
  parameters = sum(layer.parameters for layer in layers)
  flops = sum(layer.flops for layer in layers)
  return ("total", "", "", f"{parameters:,}", f"{flops // 2:,}")


def _shape(shape: tuple[int, ...]) -> str:
  return f"({', '.join(map(str, shape))})"


def _number(value: int) -> str:
  return f"{value:,}" if value else "-"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
  words, numbers = row[:3], row[3:]
  texts = [f"{text:<{n}}" for text, n in zip(words, widths[:3], strict=True)]
  texts += [f"{text:>{n}}" for text, n in zip(numbers, widths[3:], strict=True)]
  return "  ".join(texts)
