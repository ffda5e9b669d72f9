"""COCO's average precision of masks against pycocotools."""

import contextlib
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.data import rle
from vision_jax.data.masks_in_boxes import paste
from vision_jax.metrics.coco import METRICS, BoxTable, coco_ap
from vision_jax.metrics.masks import MaskAveragePrecision

NAMES, SIZE = ("cat", "dog", "absent"), (48, 64)


def ellipses(rng, number):
  rows, columns = np.indices(SIZE)
  centre = rng.uniform(0, SIZE, (number, 2))[..., None, None]
  half = rng.uniform(3, 20, (number, 2))[..., None, None]
  away = ((rows - centre[:, 0]) / half[:, 0]) ** 2
  away += ((columns - centre[:, 1]) / half[:, 1]) ** 2
  return away < 1


def column(masks):
  found = np.empty(len(masks), object)
  found[:] = rle.encoded(masks)
  return found


def random_case(seed):
  """Masks of a few images, half of those found moved from true ones."""
  rng = np.random.default_rng(seed)
  count, found = rng.integers(1, 9), rng.integers(0, 16)
  images = [3, 8, 11]
  truth, guess = ellipses(rng, count), ellipses(rng, found)
  image, label = rng.choice(images, count), rng.integers(0, 2, count)
  near, use = rng.integers(0, count, found), rng.random(found) < 0.6
  shift = rng.integers(-2, 3, (found, 2))
  moved = [np.roll(truth[i], s, (0, 1)) for i, s in zip(near, shift, strict=1)]
  if found:
    guess = np.where(use[:, None, None], np.stack(moved), guess)
  no = np.zeros
  table = BoxTable(
    *(image, label, no((count, 4))),
    crowd=(rng.random(count) < 0.2).astype(int),
    masks=column(truth),
  )
  other = BoxTable(
    np.where(use, image[near], rng.choice(images, found)),
    np.where(use, label[near], rng.integers(0, 2, found)),
    *(no((found, 4)), np.round(rng.random(found), 2)),
    masks=column(guess),
  )
  return table, other, images


def annotations(table):
  mask = library("pycocotools.mask")
  return [
    {
      **{"id": i + 1, "image_id": int(table.image[i])},
      **{"category_id": int(table.label[i]), "bbox": [0, 0, 1, 1]},
      **{"segmentation": one, "area": float(mask.area(one))},
      "iscrowd": 0 if table.crowd is None else int(table.crowd[i]),
      "score": 0.0 if table.score is None else float(table.score[i]),
    }
    for i, one in enumerate(table.masks)
  ]


def oracle(truth, found, images):
  coco = library("pycocotools.coco")
  from pycocotools.cocoeval import COCOeval

  sides = {"height": SIZE[0], "width": SIZE[1]}
  header = {
    "images": [{"id": i, **sides} for i in images],
    "categories": [{"id": k} for k in range(len(NAMES))],
  }
  gt, dt = coco.COCO(), coco.COCO()
  gt.dataset = header | {"annotations": annotations(truth)}
  dt.dataset = header | {"annotations": annotations(found)}
  with contextlib.redirect_stdout(io.StringIO()):
    gt.createIndex()
    dt.createIndex()
    evaluation = COCOeval(gt, dt, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
  return evaluation.stats


def test_average_precision_of_masks_is_pycocotools():
  for seed in range(60):
    truth, found, images = random_case(seed)
    got = coco_ap(truth, found, images, NAMES, per_class=False)
    ours = [got[name] for name in METRICS]
    expected = oracle(truth, found, images)
    np.testing.assert_allclose(ours, expected, atol=1e-9, err_msg=str(seed))


def found_and_truth():
  """A batch of two images: what is found, and the same as truth."""
  rng = np.random.default_rng(0)
  low = rng.uniform(0, 24, (2, 3, 2))
  boxes = np.concatenate([low, low + rng.uniform(12, 22, (2, 3, 2))], -1)
  out = {
    "boxes": boxes.astype(np.float32),
    "masks": np.ones((2, 3, 28, 28), np.float32),
    "score": np.float32([[0.9, 0.8, 0], [0.7, 0.6, 0.5]]),
    "label": np.int32([[0, 1, 0], [1, 1, 0]]),
  }
  masks = np.stack(
    [paste(m, b, SIZE) for m, b in zip(out["masks"], out["boxes"], strict=True)]
  )
  batch = {
    "image": np.zeros((2, *SIZE, 3), np.float32),
    "masks": masks.astype(np.uint8),
    "label": out["label"],
    "box_mask": np.float32(out["score"] > 0),
    "index": np.array([5, 9]),
  }
  return out, batch


@pytest.mark.parametrize("kind", ["masks", "instances"])
def test_what_is_found_as_it_is_has_precision_one(kind):
  out, batch = found_and_truth()
  metric = MaskAveragePrecision(NAMES)
  if kind == "instances":  # of one class, without an overlap
    boxes = np.float32([[0, 0, 9, 9], [20, 9, 40, 30], [0, 20, 12, 40]])
    out["boxes"], out["label"] = np.stack([boxes] * 2), 0 * out["label"]
    masks = np.stack([paste(m, boxes, SIZE) for m in out["masks"]])
    masks &= (out["score"] > 0)[..., None, None]
    weights = np.array([7, 2, 40])[:, None, None]  # with gaps
    batch = {k: batch[k] for k in ("image", "index")}
    batch["instances"] = (masks * weights).max(1).astype(np.int32)
  sums, rows = metric.measure((), jax.tree.map(jnp.asarray, out), batch)
  assert sums == {}
  rows = jax.device_get(rows) | {"index": batch["index"]}
  got = metric.result({}, rows)
  assert got.keys() <= set(metric.names)
  assert got["mask_ap"] == got["mask_ap75"] == 1
  half = rows | {"found_score": rows["found_score"] * [[1.0], [0.0]]}
  assert 0 < metric.result({}, half)["mask_ap"] < 1
