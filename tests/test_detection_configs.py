"""What the detection configs build."""

import json

import jax
import numpy as np
import pytest

from tests.box_files import jpeg
from vision_jax.recipe import recipe
from vision_jax.tasks.dense_detection import DenseDetection
from vision_jax.tasks.instance_segmentation import InstanceSegmentation
from vision_jax.tasks.keypoint_detection import KeypointDetection
from vision_jax.tasks.two_stage_detection import TwoStageDetection


def test_a_config_can_be_told_to_learn_a_few_images_by_heart():
  overrides = {"only": "16"}
  loaded = recipe.load("configs/detection/digit_scenes_detr.py:tiny", overrides)
  experiment = loaded.build()
  seen = next(experiment.evals["seen"].data.epoch())
  learned = experiment.train_data.batch(0)
  assert (
    seen["index"].tolist() == list(range(16)) and len(learned["mask"]) == 16
  )
  boxes = {x.tobytes() for x in learned["boxes"]}  # an epoch is one batch
  assert boxes == {x.tobytes() for x in seen["boxes"]}


@pytest.mark.parametrize(
  ("form", "last"), [("anchored", "conv4_1"), ("paper", "conv5_1")]
)
def test_the_bccd_config_has_no_stage_that_learns_nothing(form, last):
  loaded = recipe.load("configs/detection/bccd_detr.py:tiny", {"form": form})
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  state = jax.eval_shape(
    lambda: experiment.initial_state(jax.random.key(0), batch)
  )
  assert max(k for k in state.params["model"]["backbone"] if "_" in k) == last


# One image of every four has a box, and of those some are bad.
BAD = {0: [50, 30, 24, 16], 4: [6, 4, 24, 0], 8: [-3, 4, 24, 16]}


def write_own(root):
  """COCO's files of 16 images for each split, most of them without boxes."""
  (root / "annotations").mkdir()
  for split in ("train", "val"):
    (root / split).mkdir()
    for i in range(16):
      (root / split / f"{i}.jpg").write_bytes(jpeg(40, 60))
    boxes = {i: [6, 4, 24, 16] for i in range(0, 16, 4)}
    boxes |= BAD if split == "train" else {}
    content = {
      "images": [
        {"id": i, "file_name": f"{i}.jpg", "height": 40, "width": 60}
        for i in range(16)
      ],
      "categories": [{"id": 7, "name": "cell"}],
      "annotations": [
        {"id": i, "image_id": i, "category_id": 7, "bbox": box}
        for i, box in boxes.items()
      ],
    }
    path = root / "annotations" / f"instances_{split}.json"
    path.write_text(json.dumps(content))
  return root


@pytest.mark.slow
def test_own_boxes_train_on_images_without_any(tmp_path, caplog):
  """And of bad boxes two are cut and one is left out, which is told."""
  values = {"data_dir": str(write_own(tmp_path)), "on_shared": "keep"}
  values |= {"dataset": "folder", "class_names": "()", "batch_size": "4"}
  loaded = recipe.load("configs/detection/own_boxes.py:tiny", values)
  assert tuple(loaded.config.class_names) == ("cell",)
  experiment = loaded.build()
  assert "1 of 4 boxes were left out and 2 cut" in caplog.text
  step = jax.jit(experiment.train_step())
  batches = [experiment.train_data.batch(i) for i in range(4)]
  assert sum(b["box_mask"].sum() for b in batches) == 3
  assert any(not b["box_mask"].any() for b in batches)
  start = lambda: experiment.initial_state(jax.random.key(0), batches[0])
  state = jax.jit(start)()
  for batch in batches:
    state, logs = step(state, batch)
    assert np.isfinite(logs["loss"]) and logs["class"] > 0


TERMS = {
  "fcos_resnet50_fpn": {"class", "giou", "centre"},
  "retinanet_resnet50_fpn": {"class", "l1"},
}
TWO_STAGE = {
  "fasterrcnn_resnet50_fpn": TwoStageDetection,
  "maskrcnn_resnet50_fpn": InstanceSegmentation,
  "keypointrcnn_resnet50_fpn": KeypointDetection,
}


@pytest.mark.parametrize(
  ("name", "detections"),
  [("fcos_resnet50_fpn", 100), ("retinanet_resnet50_fpn", 300)],
)
def test_imported_dense_detectors_have_their_task(name, detections):
  values = {"source": f"torchvision:{name}", "fields": '{"name": "tiny"}'}
  loaded = recipe.load("configs/detection/imported.py:tiny", values)
  task = loaded.build().task
  assert isinstance(task, DenseDetection) and task.detections == detections
  assert task.criterion.weights.keys() == TERMS[name]


@pytest.mark.parametrize("name", TWO_STAGE)
def test_imported_detectors_of_two_stages_have_their_task(name):
  values = {"source": f"torchvision:{name}", "fields": '{"name": "tiny"}'}
  loaded = recipe.load("configs/detection/imported.py:tiny", values)
  assert type(loaded.build().task) is TWO_STAGE[name]
