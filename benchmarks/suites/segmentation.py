"""Rows of semantic segmentation."""

from benchmarks.row import Row

CONFIGS = "configs/segmentation/"
PROTOCOL = "233 test images, 360x480, 11 classes, void ignored, last step"
KEPT = "233 test images, 360x480, 11 classes, void kept as false, last step"
ALSO = ("class_accuracy", "global_accuracy")
SHORT = "600 steps in place of hundreds of epochs, on windows of 180x240"
AVERAGED = {"lraspp", "unet"}  # by these weights a checkpoint is chosen

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


def _camvid(name: str, model: str, metric: str = "miou", **more) -> Row:
  prefix = "test/ema/" if model in AVERAGED else "test/"
  return Row(
    name=name,
    config=f"{CONFIGS}camvid_{model}.py",
    dataset="camvid 367/101/233",
    protocol=KEPT if metric == "miou_void" else PROTOCOL,
    tolerance=0.0,
    data="camvid",
    metric=prefix + metric,
    also=tuple(prefix + other for other in ALSO),
    **{"reference": f"camvid_{model}", **more},
  )


def _on_gpu(model: str, target: float, differs: str = "", **more) -> Row:
  return _camvid(
    f"camvid_{model}",
    model,
    differs=differs,
    target=target,
    needs="gpu",
    **{"seconds": 3600, **more},
  )


def _on_cpu(model: str, differs: str, **more) -> Row:
  return _camvid(
    f"camvid_{model}_cpu",
    model,
    variant="cpu",
    differs=f"{differs}; the Jaccard index in the loss; scored with mirrored "
    "views",
    seeds=1,
    **{"seconds": 1800, **more},
  )


CAMVID = (
  _on_gpu("unet", 0.498),
  _on_gpu("fcn8s", 0.504, "the reference starts from ImageNet's weights"),
  _on_gpu("segnet_basic", 0.477),
  _on_gpu("deeplabv3", 0.5324),
  _on_gpu(
    "fc_densenet",
    0.669,
    "the windows' stage alone, without that on whole images",
    seconds=7200,
  ),
  _on_gpu("enet", 0.5285),
  _on_gpu(
    "espnet",
    0.5564,
    "the encoder is not trained before the whole net",
    metric="miou_void",
  ),
  _on_cpu(
    "unet",
    "a narrow net on folded pixels, an hour of one core; windows of 240x320; "
    "class weights",
    target=0.45,
    seconds=3600,
  ),
  _on_cpu("enet", SHORT),
  _on_cpu(
    "lraspp",
    f"nothing is published of it on CamVid; {SHORT}",
    reference="",
    target=0.25,
  ),
)

SUITES = {"quick": QUICK, "camvid": CAMVID}
