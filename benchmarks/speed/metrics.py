"""What evaluation costs on the host, and the matcher's forms beside each other.

`python -m benchmarks.speed.metrics` prints one JSON object a row: COCO's AP
over 5,000 images of 100 detections, mIoU over 500 masks of CamVid's size, and
the matching of a batch by `vmap`, by `lax.map`, and by each of two devices for
its own images. All take turns; the median and the best are given, of seconds
and of the processor's.
"""

import functools
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

if __name__ == "__main__":  # the matcher's rows have a device for each core
  os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")

import jax
import jax.numpy as jnp

from vision_jax.core.execution import Jit
from vision_jax.metrics.confusion import host_confusion
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.metrics.segmentation import Segmentation, segmentation_metrics
from vision_jax.ops.matching import match, match_one

MOST_BOXES, MEAN_BOXES = 20, 7.3  # of an image, as in COCO's val2017


def metric_rows(
  *,
  images: int = 5000,
  detections: int = 100,
  classes: int = 80,
  masks: int = 500,
  mask_size: tuple[int, int] = (360, 480),
  turns: int = 3,
) -> list[dict[str, Any]]:
  """Returns the rows "metrics/coco_ap", "metrics/miou" and ".../device".

  The first is `AveragePrecision.result` of an evaluation's rows, the second
  `host_confusion` of whole masks of 11 classes and void, the third what an
  evaluation does: `Segmentation.measure`, compiled, eight masks at a time.
  """
  found = detection_rows(images, detections, classes)
  metric = AveragePrecision([str(k) for k in range(classes)])
  truth, guess = random_masks(masks, mask_size)
  h, w = mask_size
  boxes = f"{images:,} images x {detections} detections x {classes} classes"
  pixels = f"{masks} masks of {w} x {h}, 11 classes"
  device = functools.partial(device_miou, truth, guess)
  return [
    timed("metrics/coco_ap", boxes, lambda: metric.result({}, found), turns),
    timed("metrics/miou", pixels, lambda: host_miou(truth, guess), turns),
    timed("metrics/miou/device", pixels, device, turns),
  ]


def matching_rows(
  *,
  images: int = 16,
  queries: int = 100,
  boxes: int = 30,
  repeats: int = 50,
  turns: int = 5,
) -> list[dict[str, Any]]:
  """Returns the rows "matching/FORM": a batch, a third of its boxes real.

  vmap and lax_map run on one device; shard_map splits the images over all of
  them, and local is what the training step calls, on a batch so split.
  """
  rng = np.random.default_rng(0)
  cost = rng.uniform(size=(images, queries, boxes)).astype(np.float32)
  mask = (rng.random((images, boxes)) < 1 / 3).astype(np.float32)
  jit = Jit()
  spec = jit.batch_sharding.spec
  vmap = jax.vmap(match_one)
  split = jax.shard_map(
    vmap, mesh=jit.mesh, in_specs=spec, out_specs=spec, check_vma=False
  )
  one = jax.device_put((cost, mask), jax.devices()[0])
  many = jax.device_put((cost, mask), jit.batch_sharding)
  forms = {
    "vmap": (vmap, one),
    "lax_map": (lambda c, m: jax.lax.map(lambda x: match_one(*x), (c, m)), one),
    "shard_map": (split, many),
    "local": (match, many),
  }
  work = f"{images} images, {queries} queries, {boxes} boxes"
  return [
    timed(
      f"matching/{name}",
      f"{work}, {'1 device' if args is one else f'{jit.devices} devices'}",
      functools.partial(jax.jit(form), *args),
      turns,
      repeats,
    )
    for name, (form, args) in forms.items()
  ]


def timed(
  row: str, work: str, call: Callable[[], Any], turns: int, repeats: int = 1
) -> dict[str, Any]:
  """Times a call, after one to warm up; seconds of one call."""
  jax.block_until_ready(call())
  wall, cpu = [], []
  for _ in range(turns):
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
      jax.block_until_ready(call())
    wall.append((time.perf_counter() - start) / repeats)
    cpu.append((time.process_time() - start_cpu) / repeats)
  return {
    "row": row,
    "work": work,
    "seconds": statistics.median(wall),
    "best_seconds": min(wall),
    "cpu_seconds": statistics.median(cpu),
    "turns": turns,
  }


def detection_rows(
  images: int, detections: int, classes: int
) -> dict[str, np.ndarray]:
  """An evaluation's rows of images of 640 x 480, half of them near a truth."""
  rng = np.random.default_rng(0)
  real = np.clip(rng.poisson(MEAN_BOXES, images), 1, MOST_BOXES)
  size = rng.uniform(8, 200, (images, MOST_BOXES, 2))
  corner = rng.uniform(0, 1, size.shape) * (np.array([640, 480]) - size)
  truth = np.concatenate([corner, size], -1)
  label = rng.integers(0, classes, (images, MOST_BOXES))
  near = rng.integers(0, real[:, None], (images, detections))
  boxes = np.take_along_axis(truth, near[..., None], 1)
  boxes = boxes * rng.uniform(0.8, 1.25, boxes.shape)
  guess = np.take_along_axis(label, near, 1)
  lost = rng.random(near.shape) < 0.5
  return {
    "index": np.arange(images),
    "true_boxes": truth.astype(np.float32),
    "true_label": label,
    "true_mask": (np.arange(MOST_BOXES) < real[:, None]).astype(np.float32),
    "found_boxes": boxes.astype(np.float32),
    "found_score": rng.random(near.shape).astype(np.float32),
    "found_label": np.where(lost, rng.integers(0, classes, near.shape), guess),
  }


def random_masks(
  count: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Masks of 11 classes with void, and predictions that are mostly right."""
  rng = np.random.default_rng(0)
  truth = rng.integers(0, 12, (count, *size), np.uint8)
  wrong = rng.random(truth.shape, np.float32) < 0.2
  guess = np.where(wrong, (truth + 1) % 11, np.minimum(truth, 10))
  truth[truth == 11] = 255
  return truth, guess.astype(np.uint8)


def host_miou(truth: np.ndarray, guess: np.ndarray) -> Mapping[str, float]:
  """Returns the metrics of masks (n, h, w), counted in numpy."""
  return segmentation_metrics(host_confusion(truth, guess, 11))


_METRIC = Segmentation(11)


@jax.jit
def _measure(truth, guess):
  batch = {"target": truth, "mask": jnp.ones(len(truth))}
  return _METRIC.measure(None, {"target": guess}, batch)[0]


def device_miou(truth: np.ndarray, guess: np.ndarray, batch: int = 8):
  """Returns the same metrics, counted on the device by the batch."""
  parts = [slice(i, i + batch) for i in range(0, len(truth), batch)]
  sums = [jax.device_get(_measure(truth[p], guess[p])) for p in parts]
  wide = lambda *counts: np.sum(counts, axis=0, dtype=np.int64)
  metrics = _METRIC.result(jax.tree.map(wide, *sums), {})
  return {k: x for k, x in metrics.items() if not k.startswith("scored_")}


def main() -> None:
  """Prints the rows as JSON lines."""
  for row in [*metric_rows(), *matching_rows()]:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main()
