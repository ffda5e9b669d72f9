"""Rows of one's own data on a CPU: what the configs' `cpu` variants reach.

A folder is given, and nothing else; each is to take 20 minutes of two cores.
"""

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
    seconds=1200,
    **more,
  )


def _small_boxes(
  name: str, data: str, dataset: str, tested: str, target: float, **more
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
    made_by="python -m benchmarks.small_boxes",
    also=("test/ema/ap", "val/ema/ap50"),
    **{"differs": f"{NOTHING} for one class of 150 images"} | more,
  )


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
)

SUITES = {"own_data": OWN_DATA}
