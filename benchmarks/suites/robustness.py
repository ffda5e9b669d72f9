"""Rows of what classifiers withstand: three nets, plain and augmented."""

from benchmarks.row import Row
from vision_jax.pipelines.robustness import ways

NETS = ("mlp", "cnn", "vit")
PLAIN, AUGMENTED = "robust_{}", "robust_{}_augmented"
# Of the mean over all corrupted test sets, by net: plain, augmented.
_TARGETS = {"mlp": (0.6, 0.75), "cnn": (0.7, 0.85), "vit": (0.6, 0.75)}
# A CNN has not learned what it withstands after the config's 4 epochs.
_LONGER = {"cnn": {"steps": "4300"}}


def _row(net: str, augmented: bool) -> Row:
  moved = "shifted, turned and scaled" if augmented else "not augmented"
  epochs = 10 if net in _LONGER else 4
  return Row(
    name=(AUGMENTED if augmented else PLAIN).format(net),
    config="configs/classification/mnist_robustness.py",
    dataset="mnist",
    reference="",
    tolerance=0.0,
    metric="robustness/accuracy",
    protocol=(
      f"55,000 training images, {moved}, {epochs} epochs; mean over 10,000 "
      "test images each corrupted in six ways at five strengths, last step"
    ),
    differs="nothing comparable is published of these corruptions",
    target=_TARGETS[net][augmented],
    cause=(
      "contrast, noise and occlusion, which the augmentation never shows, cost "
      "more than it gains on the other three"
    ),
    overrides={"net": net, "augment": str(augmented)} | _LONGER.get(net, {}),
    also=("test/accuracy", *(f"robustness/{way}/accuracy" for way in ways())),
    data="mnist",
    seconds=180,
  )


ROBUSTNESS = tuple(
  _row(net, augmented) for net in NETS for augmented in (False, True)
)

SUITES = {"robustness": ROBUSTNESS}
