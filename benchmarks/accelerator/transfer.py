"""How fast images reach the device."""

import statistics
import time
from typing import Any

import jax
import numpy as np

from vision_jax.core.execution import Jit


def measure(name: str, *, size: str, **_: Any) -> dict[str, Any]:
  """Returns GB/s of a batch, as the loop places it, in one type of pixels."""
  dtype = np.dtype(name.removeprefix("transfer_"))
  shape = (8, 32, 32, 3) if size == "tiny" else (256, 224, 224, 3)
  execution = Jit(devices=jax.devices()[:1])
  batch = {
    "image": np.zeros(shape, dtype),
    "mask": np.ones(shape[0], np.float32),
  }
  seconds = []
  for i in range(6):
    batch["image"] = batch["image"] + dtype.type(i)  # another buffer each time
    start = time.perf_counter()
    jax.block_until_ready(execution.put(batch))
    seconds.append(time.perf_counter() - start)
  taken = statistics.median(seconds[1:])
  images = shape[0] / taken
  return {
    "shape": list(shape),
    "gb_per_s": batch["image"].nbytes / taken / 1e9,
    "images_per_s": images,
  }
