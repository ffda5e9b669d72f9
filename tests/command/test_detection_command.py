"""The command on COCO files: trained, evaluated, predicted and scored."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.data.test_data_coco import score
from tests.programs.command import call
from vision_jax.metrics.coco import METRICS

CONFIG = "configs/detection/voc_detr.py:tiny"
COLOURS = {"ant": (255, 0, 0), "bee": (0, 255, 0), "cow": (0, 0, 255)}


def write_split(root, split, count, ids, seed):
  """Writes images of one bright square each, and their json."""
  rng = np.random.default_rng(seed)
  folder = root / split
  folder.mkdir(parents=True)
  (root / "annotations").mkdir(exist_ok=True)
  images, rows = [], []
  for i in range(count):
    pixels = rng.integers(0, 60, (40, 48, 3), np.uint8)
    name = str(rng.choice(list(ids)))
    side = int(rng.integers(18, 26))
    x, y = (int(rng.integers(0, n - side + 1)) for n in (48, 40))
    pixels[y : y + side, x : x + side] = COLOURS[name]
    Image.fromarray(pixels).save(folder / f"{i:02}.png")
    images.append({"id": 500 - i, "file_name": f"{i:02}.png"})
    rows.append(
      {
        "id": i + 1,
        "image_id": 500 - i,
        "category_id": ids[name],
        "bbox": [x, y, side, side],
        "area": side * side,
        "iscrowd": 0,
      }
    )
  content = {
    "images": [i | {"height": 40, "width": 48} for i in images],
    "annotations": rows,
    "categories": [{"id": i, "name": n} for n, i in ids.items()],
  }
  path = root / "annotations" / f"instances_{split}.json"
  path.write_text(json.dumps(content))
  return path


def flags(root):
  return [
    f"--config={CONFIG}",
    "--config.dataset=coco",
    f"--config.data_dir={root}",
    "--config.splits=train,val,",
    "--config.class_names=()",
    "--config.on_bad_box=drop",
  ]


@pytest.mark.slow
def test_predictions_score_as_the_evaluation_says(tmp_path):
  """Val, and another folder, number categories otherwise than train does."""
  data, run, out = tmp_path / "data", tmp_path / "run", tmp_path / "out"
  write_split(data, "train", 64, {"ant": 1, "bee": 2, "cow": 3}, 0)
  path = write_split(data, "val", 24, {"cow": 1, "ant": 7, "bee": 2}, 1)
  more = ["--config.steps=80", "--config.lr=1e-3", "--config.eval_every=0"]
  done = call(*flags(data), f"--workdir={run}", *more, devices=1)
  assert done.code == 0, done.err
  which = [f"--workdir={run}", "--weights=raw"]
  done = call("--mode=eval", *which, devices=1)
  metrics = json.loads(done.out.splitlines()[-1])
  assert metrics["val/ap"] > 0.02
  done = call(
    *("--mode=predict", f"--images={data / 'val'}", f"--output={out}"),
    *(*which, f"--config.annotations={path}"),
    devices=1,
  )
  assert done.code == 0, done.err
  theirs = score(path, out / "results.json")
  ours = [metrics[f"val/{name}"] for name in METRICS]
  np.testing.assert_allclose(ours, theirs, atol=1e-4)
  whole = json.loads((out / "coco.json").read_text())
  truth = json.loads(path.read_text())
  key = lambda entries: sorted(entries, key=lambda e: e["id"])
  assert key(whole["images"]) == key(truth["images"])
  assert key(whole["categories"]) == key(truth["categories"])
  # What counts is what the run has found best on val.
  least = metrics["val/threshold"]
  assert f"Threshold {least:.3g} (the best on val, step 80, F1 " in done.err
  results = json.loads((out / "results.json").read_text())
  sure = [row for row in results if row["score"] >= least]
  assert 0 < len(whole["annotations"]) == len(sure) < len(results)
  below = len(results) - len(sure)
  assert f"{len(sure)} boxes lie above it and {below} below; the " in done.err
  # The same images and boxes in a file that counts otherwise.
  other = tmp_path / "other"
  write_split(other, "val", 24, {"cow": 90, "ant": 2, "bee": 30}, 1)
  place = f"--config.data_dir={other}"
  done = call("--mode=eval", *which, place, devices=1)
  assert done.code == 0, done.err
  again = json.loads(done.out.splitlines()[-1])
  assert again["val/ap"] == metrics["val/ap"] > 0
  text = path.read_text().replace('"cow"', '"dog"')
  (other / "annotations" / "instances_val.json").write_text(text)
  done = call("--mode=eval", *which, place, devices=1)
  assert done.code == 2 and "instances_val.json: category 1 'dog'" in done.err


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"category_id": 5}, "annotations[3] has category_id 5"),
    ({"bbox": ["1", 2, 3, 4]}, "annotations[3] has bbox"),
  ],
)
def test_annotations_of_every_split_are_checked_first(
  tmp_path, change, message
):
  data, run = tmp_path / "data", tmp_path / "run"
  ids = {"ant": 1, "bee": 2, "cow": 3}
  write_split(data, "train", 8, ids, 0)
  path = write_split(data, "val", 40, ids, 1)
  content = json.loads(path.read_text())
  content["annotations"][3] |= change
  path.write_text(json.dumps(content))
  more = ["--config.batch_size=8", "--config.on_bad_box=error"]
  done = call(*flags(data), f"--workdir={run}", *more)
  assert done.code == 2 and message in done.err, done.err
  assert "instances_val.json" in done.err and not run.exists()
