"""How many bits a channel has: pixels of 8, 16 or, as floats, of 32."""

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.errors import UserError

FLOATS = 32  # bits of float pixels, which are kept as they are


def check_bits(bits: int) -> None:
  """Checks that images can be decoded to so many bits a channel."""
  if bits not in (8, 16, FLOATS):
    raise DataError(
      f"decode: got bits {bits}; expected 8 or 16, or 32 for floats."
    )


def with_bits(image: np.ndarray, bits: int) -> np.ndarray:
  """Returns pixels of 8 or 16 bits, white as white, or floats of 32.

  Of 16 bits the high byte is kept; 8 become 16 without a loss. Of 32 bits,
  uint8 and uint16 become shares of white in [0, 1]; other types keep their
  values, as do floats under 8 and 16.
  """
  if bits == FLOATS:
    if image.dtype in (np.uint8, np.uint16):
      return image / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32)
  if bits == 16 and image.dtype == np.uint8:
    return image * np.uint16(257)
  if bits == 8 and image.dtype == np.uint16:
    return (image >> 8).astype(np.uint8)
  return image


def from_file(pixels: np.ndarray, bits: int) -> np.ndarray:
  """Returns a file's pixels of any type with so many bits, see `with_bits`.

  Floats become whole numbers too, under 8 and 16: they are taken to be in
  [0, 1].

  Raises:
    UserError: for values that are not finite, and for those whose black and
      white cannot be known.
  """
  if pixels.dtype == bool:
    pixels = pixels * np.uint8(255)
  if pixels.dtype.kind not in "uif":
    raise UserError(f"has pixels of the type {pixels.dtype}; expected numbers")
  pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
  if bits == FLOATS or pixels.dtype in (np.uint8, np.uint16):
    return _finite(with_bits(pixels, bits))
  if pixels.dtype.kind == "f":
    return from_unit(_finite(pixels), bits)
  raise UserError(
    f"has 32-bit or signed pixels, from {pixels.min()} to {pixels.max()}, of "
    "unknown range; save it with 8 or 16 bits a channel, or keep the values as "
    "they are by --config.bits=32"
  )


def from_unit(pixels: np.ndarray, bits: int) -> np.ndarray:
  """Returns floats in [0, 1] as whole numbers of 8 or 16 bits.

  Raises:
    UserError: for others.
  """
  low, high = pixels.min(), pixels.max()
  if not (low >= 0 and high <= 1):  # NaN is neither
    raise UserError(
      f"has float pixels from {low:g} to {high:g}, of unknown range; expected "
      "0 to 1. Scale them, save 8 or 16 bits a channel, or keep the values as "
      "they are by --config.bits=32"
    )
  dtype = np.uint8 if bits == 8 else np.uint16
  return np.round(pixels * np.float32(np.iinfo(dtype).max)).astype(dtype)


def _finite(pixels: np.ndarray) -> np.ndarray:
  if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
    bad = f"{int((~np.isfinite(pixels)).sum())} of {pixels.size}"
    raise UserError(
      f"has float pixels of which {bad} are NaN or infinite; fill them with a "
      "number, such as the band's mean"
    )
  return pixels
