"""Images as PNG files."""

import cv2
import numpy as np
from etils import epath

from vision_jax.files import replace_bytes


def write_png(path: epath.PathLike, image: np.ndarray) -> None:
  """Writes (h w) of 8 or 16 bits, or (h w 3) RGB of as many.

  Raises:
    OSError: if the file cannot be written.
  """
  path = epath.Path(path)
  if image.ndim == 3:
    image = np.ascontiguousarray(image[..., ::-1])
  done, data = cv2.imencode(".png", image)
  if not done:
    raise OSError(f"{path}: the image {image.shape} cannot be encoded.")
  replace_bytes(path, data.tobytes())
