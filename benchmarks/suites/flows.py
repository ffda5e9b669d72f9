"""Rows of normalizing flows: exact likelihoods of images."""

from benchmarks.row import Row


def _mnist(net: str, recipe: str, target: float, **more) -> Row:
  """A row whose target was chosen before any run."""
  return Row(
    name="_".join(filter(None, ("mnist", net, more.get("variant")))),
    config="configs/generation/mnist_glow.py",
    dataset="mnist",
    reference=f"mnist_{net}",
    protocol=(
      f"{recipe}; the bound on 10,000 test images by one draw of uniform "
      "noise each, last step"
    ),
    tolerance=0.03,
    metric="test/bits_per_dim",
    target=target,
    differs=(
      "the published number is quoted elsewhere than by the model's authors, "
      "without the size of its net; sizes and training are ours"
    ),
    unit="bits",
    higher_is_better=False,
    data="mnist",
    seeds=1,
    **more,
  )


MNIST = (
  _mnist(
    *("glow", "2 levels of 32 steps of 512 features, 107 epochs", 1.08),
    needs="gpu",
    seconds=2 * 3600,
  ),
  _mnist(
    *("glow", "2 levels of 6 steps of 64 features, 32 epochs", 1.25),
    variant="cpu",
    seconds=90 * 60,
    curve=("train/bits_per_dim",),
  ),
  _mnist(
    *("realnvp", "2 levels, 4 residual blocks of 32 features, 107 epochs"),
    1.08,
    overrides={"net": "realnvp"},
    needs="gpu",
    seconds=2 * 3600,
  ),
)

SUITES = {"mnist_generation": MNIST}
