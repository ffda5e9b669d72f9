"""Rows of semantic segmentation."""

from benchmarks.row import Row

CONFIGS = "configs/segmentation/"
PROTOCOL = "233 test pictures, 360x480, 11 classes, void ignored, last step"
ALSO = ("test/class_accuracy", "test/global_accuracy")

QUICK = (
  Row(
    name="digit_scenes_unet",
    config=CONFIGS + "digit_scenes_unet.py",
    dataset="digit scenes (generated)",
    reference="",
    protocol="mIoU of 11 classes on 500 scenes of unseen digits, last step",
    tolerance=0.0,
    metric="test/miou",
    target=0.85,
    seeds=1,
    also=("test/global_accuracy",),
    seconds=60,
  ),
)


def _camvid(model: str, reference: str, target: float, **more) -> Row:
  return Row(
    name=f"camvid_{model}"
    + (f"_{more['variant']}" if "variant" in more else ""),
    config=f"{CONFIGS}camvid_{model}.py",
    dataset="camvid 367/101/233",
    reference=reference,
    protocol=PROTOCOL,
    tolerance=0.0,
    metric="test/miou",
    target=target,
    data="camvid",
    also=ALSO,
    **more,
  )


CAMVID = (
  _camvid("unet", "camvid_unet", 0.498, needs="gpu", seconds=3600),
  _camvid("fcn8s", "camvid_fcn8s", 0.504, needs="gpu", seconds=3600),
  _camvid(
    "segnet_basic", "camvid_segnet_basic", 0.477, needs="gpu", seconds=3600
  ),
)

ADE20K = (
  Row(
    name="ade20k_fcn8s",
    config=CONFIGS + "folder_unet.py",
    dataset="ade20k",
    reference="ade20k_fcn_r50_mmseg",
    protocol="2,000 validation pictures, 150 classes, single scale",
    tolerance=0.0,
    metric="val/miou",
    differs="another net than the reference's; a command to begin from",
    needs="gpu",
    data="ade20k",
    seconds=24 * 3600,
  ),
)
