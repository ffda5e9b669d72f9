"""MNIST's first table of results: each net in its paper's form."""

from benchmarks.row import Row
from benchmarks.suites.classification import CONFIGS, MNIST_TOLERANCE

SQUARED = {"loss": "squared"}
ENTROPY = {"loss": "cross_entropy", "lr": "0.02"}
# Four times the batch: half the time of convolutions on a CPU. By momentum one
# rate has to do for all weights: at 0.02 LeNet-4 and LeNet-5 became infinite.
# With outputs that are not squashed LeNet-1 had 97.86, and by momentum at 0.01
# 97.89, of one seed each.
LARGER = {
  "batch_size": "128",
  "optimizer": "adam",
  "lr": "0.002",
  "steps": "9375",
}


def _row(
  name: str,
  net: str,
  reference: str,
  values: dict[str, str],
  seconds: int,
  cause: str = "",
) -> Row:
  entropy = values["loss"] == "cross_entropy"
  distort = values.get("distort", "none")
  return Row(
    name=name,
    config=CONFIGS + "mnist_table.py",
    dataset="mnist",
    reference=reference,
    protocol=(
      f"60,000 training images, distortions: {distort}; 10,000 test images, "
      "single view, last step; batches of "
      f"{values.get('batch_size', 32)} by "
      f"{'Adam' if 'optimizer' in values else 'momentum'} and a cosine"
    ),
    tolerance=MNIST_TOLERANCE,
    cause=cause,
    overrides={"net": net, **values},
    data="mnist",
    also=("test/ece",) if entropy else (),
    seeds=3 if seconds < 480 else 1,
    seconds=seconds,
  )


MNIST_TABLE = (
  _row("mnist_mlp300", "mlp300", "mnist_mlp300_lecun1998", SQUARED, 90),
  _row(
    "mnist_mlp800",
    "mlp800",
    "mnist_mlp800_simard2003",
    # By momentum, in batches of 32, it had 97.90 (three seeds).
    ENTROPY | LARGER | {"lr": "0.001"},
    200,
  ),
  _row(
    "mnist_mlp800_elastic",
    "mlp800",
    "mnist_mlp800_elastic_simard2003",
    # By momentum, in batches of 32, it had 98.20 (one seed).
    ENTROPY | LARGER | {"lr": "0.001", "distort": "elastic", "steps": "28125"},
    900,
  ),
  _row(
    "mnist_lenet1",
    "lenet1",
    "mnist_lenet1_lecun1998",
    SQUARED | LARGER | {"squash": "true"},
    450,
  ),
  _row(
    "mnist_lenet4", "lenet4", "mnist_lenet4_lecun1998", SQUARED | LARGER, 700
  ),
  _row(
    "mnist_lenet5_tanh",
    "lenet5",
    "mnist_lenet5_lecun1998",
    SQUARED | LARGER,
    700,
  ),
  _row(
    "mnist_lenet5_distorted",
    "lenet5",
    "mnist_lenet5_distorted_lecun1998",
    SQUARED | LARGER | {"distort": "affine", "steps": "18750"},
    1500,
  ),
  _row(
    "mnist_simard_elastic",
    "simard",
    "mnist_conv_elastic_simard2003",
    ENTROPY | LARGER | {"lr": "0.001", "distort": "elastic", "steps": "28125"},
    900,
    "60 epochs, at whose end the loss on distorted images is still 0.03 to "
    "0.12 a batch; twice the rate gave 99.11; longer it was not trained",
  ),
)

SUITES = {"mnist_table": MNIST_TABLE}
