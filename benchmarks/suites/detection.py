"""Rows of object detection."""

from benchmarks.row import Row

CONFIGS = "configs/detection/"

QUICK = (
  Row(
    name="digit_scenes_detr",
    config=CONFIGS + "digit_scenes_detr.py",
    dataset="digit scenes (generated)",
    reference="",
    protocol="COCO AP50 on 500 scenes of unseen digits, last step",
    tolerance=0.0,
    metric="test/ap50",
    target=0.90,
    seeds=1,
    also=("test/ap",),
    seconds=120,
  ),
)

OVERFIT = (
  Row(
    name="digit_scenes_detr_overfit32",
    config=CONFIGS + "digit_scenes_detr.py",
    dataset="digit scenes (generated)",
    reference="",
    protocol="COCO AP on the 32 scenes that it was trained on, last step",
    tolerance=0.0,
    metric="seen/ap",
    overrides={"only": "32", "steps": "600", "scenes": "32,0,50"},
    target=0.90,
    seeds=1,
    also=("seen/ap50",),
    seconds=60,
  ),
)

BCCD_CLASSES = ("Platelets", "RBC", "WBC")


def _bccd(name: str, net: str = "detr", **more) -> Row:
  return Row(
    name=name,
    config=f"{CONFIGS}bccd_{net}.py",
    dataset="bccd 205/87/72",
    reference="bccd_rtdetr_r50",
    protocol="COCO AP50 on the 72 test images, from scratch, last step",
    tolerance=0.0,
    metric="test/ema/ap50",
    data="bccd_voc",
    also=("test/ema/ap", *(f"test/ema/ap50_class/{k}" for k in BCCD_CLASSES)),
    **more,
  )


BCCD = (
  _bccd(
    "bccd_detr",
    differs="whether the reference scored val or test is not said",
    target=0.85,
    needs="gpu",
    seconds=3600,
  ),
  _bccd(
    "bccd_detr_cpu",
    variant="cpu",
    differs="a small net on small images, and a short schedule, for 2 cores",
    seeds=1,
    seconds=1400,
  ),
  _bccd(
    "bccd_fcos_cpu",
    net="fcos",
    variant="cpu",
    differs=(
      "a small net on images of 240 x 320, half their size, for 2 cores; "
      "whether the reference scored val or test is not said"
    ),
    target=0.85,
    seeds=1,
    seconds=1800,
  ),
)

COCO = (
  Row(
    name="coco_detr_r50",
    config=CONFIGS + "coco_detr_r50.py",
    dataset="coco 2017",
    reference="coco_detr_r50",
    protocol="COCO AP on the 5,000 images of val2017",
    tolerance=0.005,
    metric="val/ap",
    needs="gpu",
    data="coco",
    seconds=24 * 3600,
  ),
)

SUITES = {"quick": QUICK, "overfit": OVERFIT, "bccd": BCCD, "coco": COCO}
