"""Masks of objects in COCO's files: read, refused, put into batches."""

import json
import time

import numpy as np
import pytest

from tests.box_files import jpeg
from tests.oracles import library, torchvision
from vision_jax.data import rle
from vision_jax.data.errors import DataError
from vision_jax.data.masks_in_boxes import numbered, paste
from vision_jax.data.sources.coco import CocoSource
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import detection

SIZE = (40, 60)
SQUARE = [[10, 10, 30, 10, 30, 25, 10, 25]]


def random_masks(seed, number=5, size=SIZE):
  rng = np.random.default_rng(seed)
  coarse = rng.random((number, size[0] // 4, size[1] // 4)) < 0.4
  return coarse.repeat(4, 1).repeat(4, 2).astype(np.uint8)


def test_run_lengths_are_pycocotools():
  mask = library("pycocotools.mask")
  for seed in range(20):
    masks = random_masks(seed)
    found = rle.encoded(masks)
    np.testing.assert_array_equal(rle.decoded(found, SIZE), masks)
    for one, ours in zip(masks, found, strict=True):
      theirs = mask.encode(np.asfortranarray(one))
      assert ours == {"size": [*SIZE], "counts": theirs["counts"].decode()}
      counts = rle.counts_of(ours["counts"])
      flat = np.repeat(np.arange(len(counts)) % 2, counts)
      np.testing.assert_array_equal(flat.reshape(SIZE[::-1]).T, one)
      assert rle.checked(ours, SIZE) == ours
      assert rle.checked({"size": [*SIZE], "counts": counts}, SIZE) == ours
  assert rle.encoded(masks[:0]) == []
  assert rle.decoded([], SIZE).shape == (0, *SIZE)


def test_polygons_are_pycocotools():
  mask = library("pycocotools.mask")
  rng = np.random.default_rng(0)
  for _ in range(20):
    polygons = [
      rng.uniform(-5, 65, 2 * rng.integers(3, 7)).round(2).tolist()
      for _ in range(rng.integers(1, 4))
    ]
    theirs = mask.merge(mask.frPyObjects(polygons, *SIZE))
    ours = rle.checked(polygons, SIZE)
    if not mask.area(theirs):
      assert ours == "has a mask without a pixel"
    else:
      assert ours["counts"] == theirs["counts"].decode()
  # A polygon of two points beside a real one has no area.
  assert rle.checked([*SQUARE, [1, 1, 5, 5]], SIZE) == rle.checked(SQUARE, SIZE)


BAD = {
  "two points": ([[1, 1, 5, 5]], "no polygon of three points or more"),
  "nothing": ([], "no polygon of three points or more"),
  "odd": ([[1, 1, 5, 5, 9]], "no list of x and y in turn"),
  "text": ([[1, 1, 5, "a", 9, 9]], "with what is no coordinate"),
  "nan": ([[1, 1, 5, float("nan"), 9, 9]], "with what is no coordinate"),
  "overflow": ({"size": [40, 60], "counts": [10, 9999]}, "10009 pixels, not"),
  "short": ({"size": [40, 60], "counts": [10, 20]}, "of 30 pixels, not of"),
  "negative": ({"size": [40, 60], "counts": [2410, -10]}, "cannot be read"),
  "cut off": ({"size": [40, 60], "counts": "P"}, "cannot be read"),
  "no text": ({"size": [40, 60], "counts": "\u00e9"}, "cannot be read"),
  "other size": ({"size": [60, 40], "counts": [2400]}, "of the size"),
  "empty": ({"size": [40, 60], "counts": [2400]}, "without a pixel"),
  "outside": ([[90, 90, 95, 90, 95, 95]], "without a pixel"),
  "absent": (None, "neither polygons nor run lengths"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_mask_is_said(name):
  segmentation, message = BAD[name]
  found = rle.checked(segmentation, SIZE)
  assert isinstance(found, str) and message in found, found


def write(root, *segmentations):
  """A folder of COCO's form: two images, the objects in the first."""
  for i in range(2):
    (root / f"{i}.jpg").write_bytes(jpeg(*SIZE))
  content = {
    "images": [
      {"id": i, "file_name": f"{i}.jpg", "height": 40, "width": 60}
      for i in range(2)
    ],
    "categories": [{"id": 7, "name": "cell"}],
    "annotations": [
      {
        **{"id": i, "image_id": 0, "category_id": 7},
        **{"bbox": [10, 10, 20, 15], "segmentation": x},
      }
      for i, x in enumerate(segmentations)
    ],
  }
  path = root / "boxes.json"
  path.write_text(json.dumps(content))
  return path


def test_bad_masks_are_errors_or_left_out_and_counted(tmp_path, caplog):
  path = write(tmp_path, SQUARE, [[1, 1, 5, 5]], SQUARE)
  with pytest.raises(DataError, match=r"annotations\[1\] has no polygon of th"):
    len(CocoSource(path, tmp_path, masks=True))
  source = CocoSource(path, tmp_path, masks=True, on_bad_box="drop")
  first, second = source.read(np.arange(2))
  assert len(first["rle"]) == len(first["boxes"]) == 2
  assert len(second["rle"]) == 0
  assert "1 of 3 objects were left out" in caplog.text
  assert "rle" not in CocoSource(path, tmp_path).read(np.arange(1))[0]


@pytest.mark.parametrize("letterbox", [False, True])
def test_batches_have_masks_of_one_shape(tmp_path, letterbox):
  source = CocoSource(write(tmp_path, SQUARE), tmp_path, masks=True)
  data = detection(
    train=source,
    evals={},
    class_names=("cell",),
    image_size=(20, 20),
    max_boxes=3,
    letterbox=letterbox,
    masks=True,
    loading=Loading(2, 2, threads=1),
    metrics={},
  )
  batch = data.train_data.batch(0)
  data.train_data.close()
  assert batch["masks"].shape == (2, 3, 20, 20)
  i = int(batch["box_mask"].sum(1).argmax())
  mask, box = batch["masks"][i, 0], batch["boxes"][i, 0]
  shown = np.array([20, 13 if letterbox else 20])  # x, y
  rows, columns = np.nonzero(mask)
  low, high = (box[:2] + s * box[2:] / 2 for s in (-1, 1))
  seen = (
    np.array([columns.min(), rows.min()]),
    np.array([columns.max() + 1, rows.max() + 1]),
  )
  np.testing.assert_allclose(seen[0], low * shown, atol=1)
  np.testing.assert_allclose(seen[1], high * shown, atol=1)
  assert not batch["masks"][i, 1:].any() and not batch["masks"][1 - i].any()


def found_masks(seed, number=40):
  """Smooth masks in boxes, some of which leave the image."""
  rng = np.random.default_rng(seed)
  low = rng.uniform(-5, 400, (number, 2))
  boxes = np.concatenate([low, low + rng.uniform(0.5, 200, (number, 2))], 1)
  steps = np.linspace(-1, 1, 28)
  away = np.hypot(steps[:, None], steps) * rng.uniform(0.7, 2, (number, 1, 1))
  probs = 1 / (1 + np.exp(8 * (away - 0.8)))
  return probs.astype(np.float32), boxes.astype(np.float32)


@pytest.mark.slow
def test_masks_are_pasted_as_torchvision_does_it_and_no_slower():
  torch, _ = library("torch"), torchvision()
  heads = library("torchvision.models.detection.roi_heads")
  probs, boxes = found_masks(0)
  given = torch.tensor(probs)[:, None], torch.tensor(boxes)
  torch.set_num_threads(1)

  def clocked(run):
    start = time.process_time()
    return run(), time.process_time() - start

  runs = []
  for _ in range(5):
    theirs, slow = clocked(
      lambda: heads.paste_masks_in_image(*given, (480, 640))[:, 0] > 0.5
    )
    ours, fast = clocked(lambda: paste(probs, boxes, (480, 640)))
    runs.append((fast, slow))
  differ = (ours != theirs.numpy()).sum()
  assert ours.sum() > 10_000 and differ <= 2  # of a rounding at a half
  fast, slow = np.min(runs, 0)
  assert fast < slow, (fast, slow)


def test_masks_become_a_map_best_first():
  masks = np.zeros((2, 3, 4), bool)
  masks[0, :2, :2], masks[1, :, 1:3] = True, True
  expected = [[1, 1, 2, 0], [1, 1, 2, 0], [0, 2, 2, 0]]
  assert numbered(masks).tolist() == expected
  assert numbered(masks[:0]).tolist() == np.zeros((3, 4)).tolist()
