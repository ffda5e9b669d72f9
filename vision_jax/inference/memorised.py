"""Training images nearest to samples: whether any was learned by heart."""

from collections.abc import Callable, Iterator

import numpy as np
from etils import epath

from vision_jax.core.types import Batches
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.files import replace_text, to_json
from vision_jax.viz.grid import grid
from vision_jax.viz.png import write_png
from vision_jax.writers.images import to_bytes

SHOWN = 16  # samples of the picture


def write_nearest(
  experiment: Experiment,
  images: np.ndarray,
  number: int,
  folder: epath.Path,
  log: Callable[[str], None] = print,
) -> None:
  """Compares samples with an epoch of training images, not augmented.

  Distances are root mean squares over the pixels of [0, 1]. Writes
  `nearest.png`, the first samples and on the right of each its nearest training
  images, and `nearest.json`: the distance of each sample to its nearest
  training image (`samples`), the same of as many held-out images
  (`held_out`), where an evaluation has images of that size, and the median of
  both. Samples that are much nearer than held-out images are copies.

  Args:
    experiment: what drew them, with its data.
    images: (n, h, w, c) uint8.
    number: how many of the nearest are shown.
    folder: where the files go.
    log: prints a line for the user.

  Raises:
    UserError: if training images have another size, or there are fewer.
  """
  with experiment:
    held = _held_out(experiment, images)
    rows = np.concatenate([images, held])
    near, distance = _nearest(experiment, rows, number)
  if distance.shape[1] < number or not np.isfinite(distance).all():
    raise UserError(
      f"--nearest: got {number}; expected no more than an epoch has images."
    )
  shown = [
    cell
    for image, others in zip(images[:SHOWN], near, strict=False)
    for cell in (image, *others)
  ]
  write_png(folder / "nearest.png", grid(shown, 1 + number))
  first = distance[:, 0]
  found = {"samples": first[: len(images)], "held_out": first[len(images) :]}
  found = {name: x for name, x in found.items() if len(x)}
  middle = {f"median_{k}": float(np.median(x)) for k, x in found.items()}
  listed = {name: x.tolist() for name, x in found.items()}
  replace_text(folder / "nearest.json", to_json(middle | listed) + "\n")
  text = ", ".join(f"{k[7:]} {x:.4f}" for k, x in middle.items())
  log(f"Distance to the nearest training image, median: {text}")


def _nearest(
  experiment: Experiment, images: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the nearest images (n, k, h, w, c) of training, and how far."""
  from sklearn.metrics import pairwise_distances  # which takes a second

  best = np.full((len(images), number), np.inf)
  near = np.repeat(np.zeros_like(images)[:, None], number, 1)
  for part in _seen(experiment, experiment.train_data):
    if part.shape[1:] != images.shape[1:]:
      raise UserError(
        f"--nearest: training images are {part.shape[1:]}, and samples "
        f"{images.shape[1:]}; expected one size. Leave it out."
      )
    far = pairwise_distances(_flat(images), _flat(part))
    far /= np.sqrt(images[0].size)
    far = np.concatenate([best, far], 1)
    order = np.argsort(far, 1, kind="stable")[:, :number]
    best = np.take_along_axis(far, order, 1)
    for row, places in enumerate(order):
      both = [near[row, i] if i < number else part[i - number] for i in places]
      near[row] = np.stack(both)
  return near, best


def _held_out(experiment: Experiment, images: np.ndarray) -> np.ndarray:
  """Returns as many images of the first evaluation that has such ones."""
  for one in experiment.evals.values():
    found = images[:0]
    for part in _seen(experiment, one.data):
      if part.shape[1:] != images.shape[1:] or len(found) >= len(images):
        break
      found = np.concatenate([found, part])
    if len(found):
      return found[: len(images)]
  return images[:0]


def _seen(experiment: Experiment, data: Batches) -> Iterator[np.ndarray]:
  """Yields images of one epoch as the task sees them, uint8."""
  for batch in data.epoch():
    seen = experiment.inputs(batch)
    if "image" not in seen:
      return
    kept = np.asarray(batch["mask"]) > 0
    image = np.asarray(seen["image"])[kept]
    yield to_bytes(image, experiment.task.value_range)


def _flat(images: np.ndarray) -> np.ndarray:
  return images.reshape(len(images), -1).astype(np.float32) / 255
