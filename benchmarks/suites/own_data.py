"""Rows of one's own data on a CPU: what the configs' `cpu` variants reach.

A folder is given, and nothing else; each is to take 20 minutes of two cores.
"""

import json

from benchmarks.row import Row

NOTHING = "the config's own values; nothing comparable is published"


def _own(name: str, config: str, **more) -> Row:
  return Row(
    name=name,
    config=f"configs/{config}",
    reference="",
    tolerance=0.0,
    variant="cpu",
    own=True,
    seeds=1,
    **{"seconds": 1200} | more,
  )


def _small_boxes(
  name: str,
  data: str,
  dataset: str,
  tested: str,
  target: float,
  **more,
) -> Row:
  return _own(
    name,
    "detection/own_boxes.py",
    dataset=dataset,
    protocol=(
      f"COCO AP50 on the {tested}, one class, from 150 training images, "
      "averaged weights, last step"
    ),
    metric="test/ema/ap50",
    target=target,
    data=data,
    also=("test/ema/ap", "val/ema/ap50"),
    **{
      "made_by": "python -m benchmarks.small_boxes",
      "differs": f"{NOTHING} for one class of 150 images",
    }
    | more,
  )


# A classifier that own_boxes.py's backbone of the `cpu` variant can begin on.
CIFAR = "cifar10_narrow"
NET = {
  **{"model": "backbones.resnet.ResNet", "num_classes": 10},
  **{"stages": [1, 2, 2], "bottleneck": False, "width": 24},
  **{"zero_init": False},
}
TRAINED = {
  "file": f"{CIFAR}/config.json",
  "backbone": CIFAR,
  "part": "model/backbone",
  "made_by": (
    "python -m benchmarks.small_boxes, and python -m vision_jax.main "
    "--config=configs/classification/folder_finetune.py:cpu "
    "--config.dataset=cifar10 --config.image_size=64 "
    f"--config.net='{json.dumps(NET)}' --config.steps=4000 "
    f"--config.batch_size=64 --workdir=FOLDER/{CIFAR}"
  ),
}
FEWER = {"steps": "400", "eval_every": "0"}

OWN_DATA = (
  _own(
    "own_images_cpu",
    "classification/folder_resnet18.py",
    dataset="mnist, 2,000 / 2,000 as class folders",
    protocol=(
      "1,800 training images, 200 held out of train, a tenth of each class; "
      "2,000 test images, single view, last step"
    ),
    metric="test/accuracy",
    target=0.95,
    data="mnist_folders",
    made_by="python -m benchmarks.digit_folders",
    also=("val/accuracy",),
    differs=f"{NOTHING} for 2,000 digits",
  ),
  _own(
    "own_masks_cpu",
    "segmentation/folder_unet.py",
    dataset="nuclei 392/37/112",
    protocol=(
      "Dice of the nuclei's pixels, of all 112 test images at their own size, "
      "last step"
    ),
    metric="test/dice/object",
    target=0.8,
    data="nuclei",
    overrides={"objects": "true"},
    also=("test/iou/object", "val/dice/object"),
    differs=f"{NOTHING} for this split",
  ),
  _own(
    "own_boxes_cpu",
    "detection/voc_detr.py",
    dataset="bccd 205/87/72",
    protocol=(
      "COCO AP50 on the 72 test images, from scratch, averaged weights, last "
      "step"
    ),
    metric="test/ema/ap50",
    target=0.5,
    data="bccd_voc",
    also=(
      *("test/ema/ap", "val/ema/ap50"),
      *(f"test/ema/ap50_class/{k}" for k in ("Platelets", "RBC", "WBC")),
    ),
    differs="a small net on small images, and a short schedule, for 2 cores",
  ),
  _small_boxes(
    "own_rbc_cpu", "bccd_rbc", "RBC of bccd 150/87/72", "72 test images", 0.7
  ),
  _small_boxes(
    "own_wbc_cpu", "bccd_wbc", "WBC of bccd 150/87/72", "72 test images", 0.9
  ),
  _small_boxes(
    "own_clutter_cpu",
    "clutter",
    "digits among clutter, 150/50/200, generated",
    "200 test images, whose digits are not those of train",
    0.8,
  ),
  _small_boxes(
    "own_rbc_400_cpu",
    "bccd_rbc",
    "RBC of bccd 150/87/72",
    "72 test images",
    0.5,
    overrides=FEWER,
    seconds=180,
    differs=f"{NOTHING}; 400 steps, from scratch",
  ),
  _small_boxes(
    "own_rbc_400_begun_cpu",
    "bccd_rbc",
    "RBC of bccd 150/87/72",
    "72 test images",
    0.5,
    overrides=FEWER,
    seconds=180,
    differs=(
      f"{NOTHING}; 400 steps, the backbone begins on a classifier of CIFAR-10"
    ),
    **TRAINED,
  ),
)

SUITES = {"own_data": OWN_DATA}
