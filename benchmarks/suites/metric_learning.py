"""Rows of metric learning: images compared with one another, of new classes."""

from benchmarks.row import Row

_MEASURED = ("recall_at_1", "map_at_r", "tar_at_far_0.001", "fewshot_1")
_BESIDE = ("test", "test_pixels", "test_untrained")

METRIC_LEARNING = (
  Row(
    name="mnist_embedding",
    config="configs/metric_learning/mnist_embedding.py",
    dataset="mnist",
    reference="",
    protocol=(
      "recall@1, leave-one-out, of the 4,861 test images of 5 to 9, by a net "
      "trained on the 30,596 training images of 0 to 4, last step; beside it "
      "raw pixels and the same net untrained"
    ),
    tolerance=0.0,
    metric="test/recall_at_1",
    differs=(
      "nothing comparable is published for these classes; which of the net's "
      "features are compared was chosen on them"
    ),
    target=0.985,
    also=tuple(f"{name}/{key}" for name in _BESIDE for key in _MEASURED)[1:],
    data="mnist",
    seconds=300,
  ),
)

SUITES = {"metric_learning": METRIC_LEARNING}
