"""How fast the loader decodes JPEGs, by the number of its threads."""

import pathlib
import tempfile
from typing import Any

from benchmarks.accelerator.states import NotHere
from benchmarks.speed import jpegs
from vision_jax.provenance import machine


def measure(name: str, *, size: str, **_: Any) -> dict[str, Any]:
  """Returns examples a second with so many threads: jpeg_N_threads."""
  threads, tiny = int(name.split("_")[1]), size == "tiny"
  cores = machine.cpu_count()
  if threads > cores and not tiny:
    raise NotHere(f"{threads} threads need as many cores; here are {cores}")
  with tempfile.TemporaryDirectory() as folder:
    bytes_each = jpegs.write_images(pathlib.Path(folder), 16 if tiny else 512)
    batches = jpegs.ours(folder, threads, 8 if tiny else 128)
    rate = jpegs.measure(batches, 0.2 if tiny else 5.0)
  return {
    "examples_per_s": rate,
    "threads": threads,
    "cores": cores,
    "image": f"{jpegs.HEIGHT}x{jpegs.WIDTH}, {bytes_each} bytes",
  }
