"""Images of a generator's evaluation, for TensorBoard."""

import numpy as np

from vision_jax.pipelines.data import Arrays
from vision_jax.viz.grid import grid
from vision_jax.viz.pixels import to_unit
from vision_jax.viz.scatter import scatter

SHOWN, COLUMNS = 40, 10


def reconstructions(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """Rows of ten images, each above a row of their reconstructions."""
  pairs = [to_unit(batch["image"][:SHOWN]), to_unit(out["image"][:SHOWN])]
  rest = ((0, -len(pairs[0]) % COLUMNS), (0, 0), (0, 0), (0, 0))
  pairs = [np.pad(image, rest, constant_values=1) for image in pairs]
  rows = [
    image[i : i + COLUMNS]
    for i in range(0, len(pairs[0]), COLUMNS)
    for image in pairs
  ]
  empty = [""] * (COLUMNS - 1)
  titles = ["image", *empty, "again", *empty] * (len(rows) // 2)
  images = np.concatenate(rows)
  return {"reconstructions": grid(images, COLUMNS, titles=titles)}


def signed_reconstructions(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """The same of a model whose pixels are in [-1, 1]."""
  unit = (np.asarray(out["image"]) + 1) / 2
  return reconstructions(batch, {"image": unit})


def codes(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """Where the codes `latent` (b, d) lie, in the colours of their classes.

  Of more than two numbers, along the two directions in which they spread most.
  """
  latent = np.asarray(out["latent"], np.float64)
  if latent.shape[1] > 2:
    centred = latent - latent.mean(0)
    latent = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
  plane = np.pad(latent, ((0, 0), (0, 2 - latent.shape[1])))
  return {"codes": scatter(plane, batch["label"])}


def reconstructions_and_codes(
  batch: Arrays, out: Arrays
) -> dict[str, np.ndarray]:
  """Both of the same examples, for models that have both."""
  return reconstructions(batch, out) | codes(batch, out)


def unit_samples(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """A grid of samples whose pixels are in [0, 1]."""
  del batch
  return {"samples": grid(np.asarray(out["image"])[: 2 * SHOWN], COLUMNS)}


def signed_samples(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """A grid of samples whose pixels are in [-1, 1]."""
  return unit_samples(batch, {"image": (np.asarray(out["image"]) + 1) / 2})
