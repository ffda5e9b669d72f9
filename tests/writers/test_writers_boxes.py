"""Detections as files: overlays, and json that COCO's tools can score."""

import functools
import json
import pathlib

import jax
import numpy as np
import pytest
from PIL import Image

from tests.box_files import coco_content, write_coco
from tests.data.test_data_coco import score
from vision_jax.data.errors import DataError
from vision_jax.metrics.coco import METRICS
from vision_jax.recipe import recipe
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About
from vision_jax.writers.coco import CocoWriter

ROW = {
  "boxes": np.array([[2, 3, 12, 9], [0, 0, 5, 5]], np.float32),
  "score": np.array([0.9, 0.1], np.float32),
  "label": np.array([1, 0]),
}


def read(path):
  return json.loads(path.read_text())


def test_predictions_are_cocos_json(tmp_path):
  output = tmp_path / "out"
  writer = CocoWriter(About(output, ("cat", "dog")))
  for name in ("a", "b"):
    write_png(tmp_path / f"{name}.png", np.full((20, 30, 3), 90, np.uint8))
    writer(tmp_path / f"{name}.png", ROW, f"in/{name}")
  writer.close()
  results = read(output / "results.json")
  assert [r["image_id"] for r in results] == [1, 1, 2, 2]
  assert [r["category_id"] for r in results] == [2, 1, 2, 1]
  assert results[0]["bbox"] == [2, 3, 10, 6]
  assert np.float32(results[1]["score"]) == np.float32(0.1)
  whole = read(output / "coco.json")
  assert whole["images"][1] == {
    "id": 2,
    "file_name": "in/b.png",
    "height": 20,
    "width": 30,
  }
  assert whole["categories"] == [
    {"id": 1, "name": "cat"},
    {"id": 2, "name": "dog"},
  ]
  first, _ = whole["annotations"]
  assert first["bbox"] == [2, 3, 10, 6] and first["area"] == 60


def given(tmp_path, content):
  write_coco(tmp_path, content)
  names = ("cat", "dog", "owl")
  file = str(tmp_path / "labels.json")
  return CocoWriter(About(tmp_path / "out", names, annotations=file))


def test_ids_are_those_of_given_annotations(tmp_path):
  content = coco_content()
  content["images"][0]["file_name"] = "x/a.jpg"
  writer = given(tmp_path, content)
  writer(tmp_path / "b.jpg", ROW, "b")
  writer(tmp_path / "a.jpg", ROW | {"label": np.array([2, 0])}, "a")
  writer.close()
  results = read(tmp_path / "out" / "results.json")
  assert [r["image_id"] for r in results] == [3, 3, 7, 7]
  # The file has no dog: it gets an id of its own.
  assert [r["category_id"] for r in results] == [91, 5, 90, 5]
  whole = read(tmp_path / "out" / "coco.json")
  assert whole["images"][1]["file_name"] == "x/a.jpg"
  write_png(tmp_path / "c.jpg", np.zeros((4, 4, 3), np.uint8))
  with pytest.raises(DataError, match=r"c\.jpg: .*has 0 images of that name"):
    writer(tmp_path / "c.jpg", ROW, "c")


NAMES = ("ant", "bee", "cow")


def write_split(root, split, count, ids, rng):
  """Writes images of noise with boxes, and their json."""
  folder = root / split
  folder.mkdir(parents=True)
  (root / "annotations").mkdir(exist_ok=True)
  rows, images = [], []
  for i in range(count):
    h, w = rng.integers(30, 80, 2)
    pixels = rng.integers(0, 255, (h, w, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f"{i:02}.png")
    image = {"id": 1000 - 7 * i, "file_name": f"{i:02}.png"}
    images.append(image | {"height": int(h), "width": int(w)})
    for _ in range(rng.integers(0, 5)):
      x, y = rng.uniform(-3, [w - 12, h - 12])
      size = rng.uniform(8, [w - x, h - y])
      rows.append(
        {
          "image_id": image["id"],
          "category_id": int(rng.choice(list(ids))),
          "bbox": [float(v) for v in (x, y, *size)],
          "iscrowd": int(rng.random() < 0.1),
          "id": len(rows) + 1,
        }
      )
  for row in rows:
    row["area"] = row["bbox"][2] * row["bbox"][3] * 0.8
  content = {"images": images, "annotations": rows}
  content["categories"] = [{"id": i, "name": n} for i, n in ids.items()]
  path = root / "annotations" / f"instances_{split}.json"
  path.write_text(json.dumps(content))
  return path


def noisy(batch, rng):
  """What a middling detector would find in a batch."""
  b, n, _ = batch["boxes"].shape
  scale = np.tile(batch["size"][:, None, ::-1], 2)
  centre, half = batch["boxes"][..., :2], batch["boxes"][..., 2:] / 2
  boxes = np.concatenate([centre - half, centre + half], -1) * scale
  boxes = boxes + rng.normal(0, 1.5, boxes.shape)
  label = np.where(rng.random((b, n)) < 0.8, batch["label"], 1)
  return {
    "boxes": boxes.astype(np.float32),
    "score": rng.random((b, n)).astype(np.float32) * batch["box_mask"],
    "label": label.astype(np.int32),
  }


def test_written_results_score_as_the_evaluation_does(tmp_path):
  """Val numbers its categories and images otherwise than train does."""
  rng = np.random.default_rng(0)
  ids = dict(enumerate(NAMES, 1))
  write_split(tmp_path, "train", 12, ids, rng)
  path = write_split(tmp_path, "val", 30, {8: "cow", 40: "ant", 2: "bee"}, rng)
  values = {"data_dir": str(tmp_path), "splits": "('train', 'val', '')"}
  values |= {"annotations": str(path), "image_size": "(32, 32)"}
  values |= {"max_boxes": "6"}
  loaded = recipe.load("configs/detection/coco_detr_r50.py", values)
  assert tuple(loaded.config.class_names) == NAMES
  experiment = loaded.build()
  evaluation = experiment.evals["val"]
  metric = evaluation.metrics["ap"]
  how = experiment.predict
  assert "coco" in how.formats
  about = About(tmp_path / "out", NAMES, annotations=how.annotations)
  writer = CocoWriter(about)
  parts = []
  for batch in evaluation.data.epoch():
    out = noisy(batch, rng)
    _, rows = metric.measure((), out, batch)
    real = batch["mask"] > 0
    rows = jax.device_get(rows) | {"index": batch["index"]}
    parts.append({k: np.asarray(v)[real] for k, v in rows.items()})
    for i in np.flatnonzero(real):
      file = tmp_path / "val" / f"{batch['index'][i]:02}.png"
      writer(file, {k: v[i] for k, v in out.items()}, file.stem)
  writer.close()
  join = functools.partial(np.concatenate, axis=0)
  metrics = metric.result(
    {}, {k: join([p[k] for p in parts]) for k in parts[0]}
  )
  assert 0.2 < metrics["ap"] < 0.9
  theirs = score(path, pathlib.Path(tmp_path / "out" / "results.json"))
  ours = [metrics[name] for name in METRICS]
  np.testing.assert_allclose(ours, theirs, atol=1e-6)
