"""What a compiled step does first: pixels of the source's type become floats.

Images travel in the type that their source has, bytes as a rule: a quarter of
what floats would take, and the host leaves them alone. Training, evaluation and
prediction all enter `Experiment.inputs` before anything else.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Batch
from vision_jax.errors import UserError

_IMAGES = ("image", "clean", "given", "wanted")
WHITE = {"uint8": 2**8 - 1, "uint16": 2**16 - 1}


def normalize(
  mean: Sequence[float] = (0.0,), std: Sequence[float] = (1.0,)
) -> Callable[[Batch], Batch]:
  """Returns what makes `image` (b h w c) float32, (image - mean) / std.

  `mean` and `std` are of pixels in [0, 1], one for each channel or one for all.
  Whole numbers are divided by their type's white first, 255 or 65535; floats
  are taken as they are. Padding is treated as the pixels are.

  Raises:
    UserError: for a std that is not positive, or not as many of both; and
      while it is traced, for images of another number of channels, or of a
      type that does not say what white is.
  """
  mean, std = (np.asarray(x, np.float32).reshape(-1) for x in (mean, std))
  if mean.shape != std.shape or not (std > 0).all():
    raise UserError(
      f"normalize: got mean {mean} and std {std}; expected as many of both, "
      "and a positive std."
    )

  def inputs(batch):
    image = batch["image"]
    _check_channels(image.shape, len(mean))
    scale, shift = 1 / (_white(image.dtype) * std), mean / std
    return {**batch, "image": image.astype(jnp.float32) * scale - shift}

  return inputs


def in_unit(batch: Batch) -> Batch:
  """Makes `image`, `clean`, `given`, `wanted`, if there, float32 in [0, 1].

  Those of a batch's parts too, such as `a/image`. Whole numbers are divided by
  their type's white; floats are as they are.
  """
  unit = lambda x: x.astype(jnp.float32) / _white(x.dtype)
  is_image = lambda key: key.rpartition("/")[2] in _IMAGES
  return {k: unit(x) if is_image(k) else x for k, x in batch.items()}


def _check_channels(shape: Sequence[int], expected: int) -> None:
  if expected not in (1, shape[-1]):
    raise UserError(
      f"normalize: the images {list(shape)} have {shape[-1]} channels; "
      f"expected {expected}, as mean and std. Check decode(channels=...)."
    )


def _white(dtype: np.dtype) -> np.float32:
  if jnp.issubdtype(dtype, jnp.floating):
    return np.float32(1)
  if dtype.name not in WHITE:
    raise UserError(
      f"normalize: the images are of the type {dtype}; expected "
      f"{', '.join(WHITE)}, or floats in [0, 1]: other types do not say what "
      "white is."
    )
  return np.float32(WHITE[dtype.name])
