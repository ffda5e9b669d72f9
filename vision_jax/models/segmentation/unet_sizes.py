"""Sides of images and logits of a U-Net whose convolutions are not padded."""

from vision_jax.errors import UserError


def output_size(size: int, depth: int = 4) -> int:
  """Side of the logits that padding "valid" gives for an image's side.

  Raises:
    UserError: if a level's side would be odd, or nothing would be left.
  """
  least, step = _least(depth), 2**depth
  if size < least or (size - least) % step:
    near = input_size(size - 2 * margin(depth), depth)
    raise UserError(
      f"UNet: got an image's side of {size} with padding 'valid'; expected "
      f"{least} plus a multiple of {step}, such as {near}, so that every "
      "level can be halved."
    )
  return size - 2 * margin(depth)


def input_size(size: int, depth: int = 4) -> int:
  """The smallest image's side whose valid logits have `size` at least."""
  step = 2**depth
  more = max(-(-(size + 2 * margin(depth) - _least(depth)) // step), 0)
  return _least(depth) + more * step


def margin(depth: int = 4) -> int:
  """Pixels that padding "valid" takes off each side: 92 for depth 4."""
  # Two 3x3 convolutions take 2 at a level's own scale on the way down and up.
  down = sum(2 * 2**level for level in range(depth + 1))
  return down + sum(2 * 2**level for level in range(depth))


def _least(depth: int) -> int:
  """The smallest side that padding "valid" takes: 188 for depth 4."""
  n = 1
  while True:  # the lowest map's side before its convolutions is n + 4
    side, out = n + 4, n
    for _ in range(depth):
      side, out = 2 * side + 4, 2 * out - 4
    if out > 0:
      return side
    n += 1
