"""Rows from a classifier to a map: clouds on the same 64 tiles."""

from benchmarks.row import Row

CONFIGS = "configs/segmentation/"
CLASSIFIER = "clouds_classifier"
DIFFERS = "nothing comparable is published: clouds are generated"
PROTOCOL = "IoU of cloudy pixels, 64 tiles of 256x256 that no row trains on"
ALSO = ("global_accuracy", "dice/cloudy", "auc")


def _row(name: str, config: str, protocol: str, target: float, **more) -> Row:
  return Row(
    name=name,
    config=f"{CONFIGS}{config}.py",
    dataset="clouds (generated)",
    reference="",
    protocol=f"{PROTOCOL}; {protocol}, last step",
    tolerance=0.0,
    differs=DIFFERS,
    target=target,
    variant="cpu",
    seeds=1,
    **more,
  )


def _on_masks(name: str, model: str, protocol: str, **more) -> Row:
  return _row(
    name,
    f"clouds_{model}",
    f"{protocol}, trained on masks of 384 other tiles",
    metric="test/iou/cloudy",
    also=tuple(f"test/{x}" for x in ALSO),
    **more,
  )


_TRAINED = {
  "file": f"{CLASSIFIER}/config.json",
  "backbone": CLASSIFIER,
  "made_by": (
    f"python -m vision_jax.main --config={CONFIGS}{CLASSIFIER}.py:cpu "
    f"--workdir=FOLDER/{CLASSIFIER}"
  ),
}

CLOUDS = (
  _row(
    CLASSIFIER,
    CLASSIFIER,
    "a classifier of 64x64 pixels, trained on 12,800 labels, slid by 8 pixels",
    target=0.6,
    metric="slid/iou/cloudy",
    also=(
      *(f"slid/{x}" for x in ALSO),
      *(f"convolutional/{x}" for x in ("iou/cloudy", *ALSO)),
      "test/accuracy",
    ),
    seconds=300,
  ),
  _on_masks("clouds_fcn", "fcn", "an FCN", target=0.7, seconds=240),
  _on_masks("clouds_unet", "unet", "a U-Net", target=0.75, seconds=300),
  _on_masks(
    "clouds_unet_finetuned",
    "unet",
    "a U-Net with the classifier's encoder",
    target=0.75,
    seconds=300,
    **_TRAINED,
  ),
)

SUITES = {"clouds": CLOUDS}
