"""Rows of self-supervision: what a net learns from images without labels."""

from benchmarks.row import Row

_FEATURES = ("linear", "knn", "spread")
_COURSE = tuple(f"val/{name}" for name in _FEATURES)
_PROBE = (
  "ridge regression in closed form of its 192 frozen features to the labels of "
  "45,000 training images; 10,000 test images, single view, last step"
)
_DIFFERS = (
  "of cifar10_jpeg, a lossy copy of CIFAR-10 (quality 75, 4:2:0); a ResNet of "
  "three blocks on maps of 8x8, 4x4 and 2x2 in place of ResNet-50; 45,000 "
  "images of train; 50 minutes of a core"
)

SELF_SUPERVISED = (
  Row(
    name="cifar10_simclr",
    config="configs/self_supervised/cifar10_simclr.py",
    dataset="cifar10_jpeg",
    reference="",
    protocol=(
      f"28 epochs without labels, then {_PROBE}; beside it the same net "
      "untrained, whose BatchNorm takes each evaluation batch's moments"
    ),
    tolerance=0.0,
    metric="test/linear",
    differs=(
      f"{_DIFFERS}; 28 epochs in place of 100 to 1,000, batches of 256, AdamW "
      "and no LARS; a window's interpolation is linear and colours change in a "
      "fixed order; a ridge and no logistic regression"
    ),
    target=0.5,
    also=(
      *(f"test/{name}" for name in _FEATURES[1:]),
      *(f"test_untrained/{name}" for name in _FEATURES),
    ),
    curve=_COURSE,
    data="cifar10",
    seeds=1,
    seconds=3300,
  ),
  Row(
    name="cifar10_simclr_supervised",
    config="configs/self_supervised/cifar10_supervised.py",
    dataset="cifar10_jpeg",
    reference="",
    protocol=f"the same net trained on labels for as long, then {_PROBE}",
    tolerance=0.0,
    metric="test/linear",
    differs=_DIFFERS,
    target=0.6,
    also=("test/accuracy", *(f"test/{name}" for name in _FEATURES[1:])),
    curve=("val/accuracy", *_COURSE),
    data="cifar10",
    seeds=1,
    seconds=3300,
  ),
)

SUITES = {"self_supervised": SELF_SUPERVISED}
