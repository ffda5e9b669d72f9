"""Rows of autoencoders of MNIST: what they keep, and what fills their codes."""

from benchmarks.row import Row

CONFIGS = "configs/generation/"
# Chosen before any run: squared errors of a pixel, of what 30 principal
# components leave of the test images half, and as much where a quarter of their
# pixels are hidden.
PCA_30 = 0.0177
# As early: samples of a VAE, of which those of a plain autoencoder, by a normal
# that is fitted to its codes, are to fall short: its code space has holes.
VAE_FRECHET = 50.0


def _mnist_autoencoder(name: str, given: str, target: float, **more) -> Row:
  return Row(
    name=f"mnist_{name}_cpu",
    config=f"{CONFIGS}mnist_autoencoder.py",
    variant="cpu",
    dataset="mnist",
    reference="",
    protocol=(
      f"mean squared error of a pixel of the 10,000 test images, {given}, each "
      "drawn again from 30 numbers, in percent of the square of white; last "
      "step"
    ),
    tolerance=0.0,
    metric="test/mse",
    target=target,
    higher_is_better=False,
    data="mnist",
    seeds=1,
    also=("test/knn_accuracy", "samples/frechet_mnist_lenet"),
    seconds=360,
    **more,
  )


AUTOENCODERS = (
  _mnist_autoencoder("autoencoder", "as they are", PCA_30 / 2),
  _mnist_autoencoder(
    *("denoising_autoencoder", "given with a quarter of their pixels 0"),
    PCA_30,
    overrides={"corruption": "masking", "level": "0.25"},
  ),
  Row(
    name="mnist_vae_samples_cpu",
    config=f"{CONFIGS}mnist_conditional_vae.py",
    variant="cpu",
    dataset="mnist",
    reference="",
    protocol=(
      "2,000 samples of a VAE without classes, from a standard normal of 20 "
      "numbers, and the first 2,000 test images, by the features of a LeNet-5 "
      "trained apart; last step"
    ),
    tolerance=0.0,
    metric="samples/frechet_mnist_lenet",
    target=VAE_FRECHET,
    unit="Fréchet",
    higher_is_better=False,
    data="mnist",
    seeds=1,
    cause=(
      "samples are the means of pixels of nets without convolutions, softer "
      "than images; nothing but the first recipe was tried"
    ),
    overrides={"conditional": "False"},
    seconds=360,
  ),
)

SUITES = {"mnist_generation": AUTOENCODERS}
