"""Rows of images generated after MNIST: VAEs, GANs, diffusion, of codes."""

from benchmarks.row import Row

CONFIGS = "configs/generation/"
# What a repetition may differ by, in nats: another draw of the binarised test
# images, and of the initial weights.
NATS = 1.5
# Chosen before any run: where training images with noise of deviation 0.2 (of
# pixels in [-1, 1]) lie; without noise they are at 1.24.
FRECHET = 12.5
FLOW_FRECHET = 6.0  # as early: of flow matching, by ten evaluations of its net
# Of latent flow matching: within 20 % of that, in a third of its time.
LATENT_FRECHET = 1.2 * FLOW_FRECHET
CODES_FRECHET = 3.0  # as early: of reconstructions from codes


def _mnist_vae(name: str, reference: str, recipe: str, **more) -> Row:
  return Row(
    name=name,
    config=CONFIGS + "mnist_vae.py",
    dataset="mnist",
    reference=reference,
    protocol=(
      f"{recipe}; 10,000 test images, binarised once at random, scored with "
      "5,000 importance samples each, last step"
    ),
    tolerance=NATS,
    metric="bound/nll_k5000",
    unit="nats",
    higher_is_better=False,
    data="mnist",
    seeds=1,
    also=("test/negative_elbo",),
    **more,
  )


def _mnist_samples(
  model: str, steps: str, target: float = FRECHET, also=(), kind="", **more
) -> Row:
  return Row(
    name="_".join(filter(None, ("mnist", model, kind, more.get("variant")))),
    config=f"{CONFIGS}mnist_{model}.py",
    dataset="mnist",
    reference="",
    protocol=(
      f"2,000 class-conditional samples{steps}, averaged weights, and the "
      "first 2,000 test images, by the features of a LeNet-5 trained apart "
      "(configs/classification/mnist_lenet.py)"
    ),
    tolerance=0.0,
    metric="test/ema/frechet_mnist_lenet",
    target=target,
    unit="Fréchet",
    higher_is_better=False,
    data="mnist",
    seeds=1,
    also=("test/ema/recognised", "test/ema/recognised_real", *also),
    **({"needs": "gpu", "seconds": 1200} | more),
  )


FIRST_STAGE = "mnist_vqvae"
CODES = f"of the codes of {FIRST_STAGE}"
_TRAINED = {
  "file": f"{FIRST_STAGE}/config.json",
  "backbone": FIRST_STAGE,
  "given_as": "autoencoder",
  "made_by": (
    f"python -m vision_jax.main --config={CONFIGS}{FIRST_STAGE}.py "
    f"--workdir=FOLDER/{FIRST_STAGE}"
  ),
}
CPU = {"variant": "cpu", "needs": "cpu"}
ONE = ", one evaluation of the net, and beside it four"
TEN = ", 10 evaluations of the net, of which guidance counts twice"
PAPERS_RECIPE = "the paper's recipe, 3,280 epochs"
MNIST = (
  _mnist_vae(
    "mnist_vae", "mnist_iwae_k1", PAPERS_RECIPE, needs="gpu", seconds=3 * 3600
  ),
  _mnist_vae(
    "mnist_vae_cpu",
    "mnist_iwae_k1",
    "the paper's model, 600 epochs of batches of 100, cosine rate",
    variant="cpu",
    cause=(
      "it has 600 of the paper's 3,280 epochs, and its bound still falls at "
      "the end of them"
    ),
    seconds=3600,
    curve=("train/negative_elbo", "test/negative_elbo"),
  ),
  _mnist_vae(
    "mnist_iwae_k5",
    "mnist_iwae_k5",
    PAPERS_RECIPE,
    overrides={"samples": "5"},
    needs="gpu",
    seconds=3 * 3600,
  ),
  _mnist_vae(
    "mnist_iwae_k50",
    "mnist_iwae_k50",
    PAPERS_RECIPE,
    overrides={"samples": "50"},
    needs="gpu",
    seconds=6 * 3600,
  ),
  _mnist_samples("dcgan", ""),
  _mnist_samples("dcgan", "", **CPU),
  _mnist_samples(
    *("stylegan2", ""),
    cause=(
      "it has seen 128,000 images, and the paper's nets see 25 million: the "
      "samples of a class are still much alike"
    ),
    seconds=1800,
    **CPU,
  ),
  _mnist_samples("ddpm", ", 20 steps"),
  _mnist_samples("ddpm", ", 20 steps", seconds=1500, **CPU),
  _mnist_samples(
    "ddpm",
    ", 20 steps, trained for about as long as mnist_flow_matching_cpu",
    kind="as_long",
    overrides={"steps": "5000"},
    seconds=2400,
    **CPU,
  ),
  _mnist_samples("flow_matching", TEN, FLOW_FRECHET),
  _mnist_samples("flow_matching", TEN, FLOW_FRECHET, seconds=2400, **CPU),
  _mnist_samples(
    *("mean_flow", ONE),
    also=("test_4_steps/ema/frechet_mnist_lenet",),
    cause=(
      "4,000 steps on one core; the average over the whole path is the last "
      "that the loss teaches: four evaluations of the same weights come to "
      "2.77, and neither longer training nor other instants were tried"
    ),
    seconds=4200,
    **CPU,
  ),
  Row(
    name="mnist_inpainting_cpu",
    config=f"{CONFIGS}mnist_inpainting.py",
    dataset="mnist",
    reference="",
    protocol=(
      "each of the first 2,000 test images drawn again around a hole of 14x14, "
      "by 10 evaluations of the net, averaged weights: the share that a "
      "LeNet-5 trained apart takes for the image's class"
    ),
    tolerance=0.0,
    metric="test/ema/recognised",
    target=0.85,  # chosen before any run
    cause=(
      "a hole of half the sides may hide what tells one digit from another, "
      "which nothing brings back; how often it does was not measured"
    ),
    data="mnist",
    seeds=1,
    also=("test/ema/recognised_real", "test/ema/frechet_mnist_lenet"),
    seconds=1200,
    **CPU,
  ),
  Row(
    name=FIRST_STAGE,
    config=f"{CONFIGS}{FIRST_STAGE}.py",
    dataset="mnist",
    reference="",
    protocol=(
      "the first 2,000 test images, each from 49 codes out of 512, and the "
      "images themselves, by the features of a LeNet-5 trained apart"
    ),
    tolerance=0.0,
    metric="test/frechet_mnist_lenet",
    target=CODES_FRECHET,
    unit="Fréchet",
    higher_is_better=False,
    data="mnist",
    seeds=1,
    also=("test/mse", "test/code_perplexity", "test/codes_used"),
    seconds=1500,
  ),
  _mnist_samples(
    *("latent", f"{TEN}, {CODES}", LATENT_FRECHET),
    needs="cpu",
    seconds=2400,
    **_TRAINED,
  ),
  _mnist_samples(
    *("vq_prior", f", 10 steps of guidance 2, {CODES}", FRECHET),
    needs="cpu",
    seconds=2400,
    **_TRAINED,
  ),
)

SUITES = {"mnist_generation": MNIST}
