"""An autoencoder on MNIST: 28x28 pixels as 30 numbers, or as few of many.

784-1000-500-250-30 and back by the same kernels, the nets of Hinton and
Salakhutdinov (2006), trained as a whole instead of layer by layer. The mean
squared error of a pixel of the test images, `test/mse`: 30 principal components
leave 0.0177 of it (13.87 an image, as in the paper), the paper's net 0.0038
(3.00 an image, as recalled). How well codes tell classes apart,
`test/knn_accuracy`, and in TensorBoard where they lie.

Besides:
- denoising: `--config.corruption=masking --config.level=0.25`;
- contractive: `--config.hidden= --config.latent=120 --config.code=sigmoid
  --config.contraction=1e-4`;
- k-sparse: `--config.hidden= --config.latent=1000 --config.sparsity=25`.

What lies between codes: `samples/frechet_mnist_lenet`, of images decoded from a
normal that is fitted to the codes, as mnist_conditional_vae.py has it of the
normal that its codes are trained to be (there `--config.conditional=False`).
The LeNet-5 that looks at them trains at the end, 2 minutes of a core.

The full variant is for a GPU; `cpu` has 500 and 250 hidden features, a rate of
3e-3, which after 1,000 steps had a lower error than 1e-3, and takes about 2
minutes of one core before that. It came to 0.0068, denoising to 0.0088, and
images of a normal that is fitted to its codes to a distance of 117, where those
of a VAE are at 72 and training images at 1: most of what lies between codes is
no digit. The full variant was not run yet.
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.metrics.latents import LatentNeighbours
from vision_jax.models.generation.tied_autoencoder import TiedAutoencoder
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import UNIT
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation, unit_sample_eval
from vision_jax.pipelines.generation_images import reconstructions_and_codes
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.autoencoder import Autoencoding


def get_config():
  return base_config(
    steps=50_000,
    batch_size=128,
    eval_batch_size=500,
    eval_examples=2000,
    log_every=200,
    eval_every=0,
    save_every=2000,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    hidden=(1000, 500, 250),
    latent=30,
    code="linear",
    sparsity=0,
    corruption="none",
    level=0.0,
    contraction=0.0,
    lr=1e-3,
    warmup=500,
    extractor_variant="full",
    dtype="float32",
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 60,
    "eval_examples": 60,
    "log_every": 10,
    "save_every": 0,
    "dataset": "digits",
    "hidden": (16,),
    "latent": 4,
    "warmup": 5,
    "extractor_variant": "tiny",
  },
  "cpu": {"steps": 10_000, "hidden": (500, 250), "lr": 3e-3},
}


def build(config):
  model = TiedAutoencoder(
    (config.image_size, config.image_size, config.channels),
    config.latent,
    tuple(config.hidden),
    code=config.code,
    sparsity=config.sparsity,
    dtype=config.dtype,
  )
  task = Autoencoding(
    model, config.corruption, config.level, config.contraction
  )
  images = LabelData.of(config)
  data = generation(
    train=images.train,
    evals={
      "test": Eval(
        images.evals["test"],
        {"latent": LatentNeighbours()},
        images=reconstructions_and_codes,
      ),
      "samples": unit_sample_eval(
        images.evals["test"],
        task.sample,
        extractors.mnist_lenet(config.data_dir, config.extractor_variant),
        examples=config.eval_examples,
        recognised=False,
      ),
    },
    colours=UNIT,
    loading=Loading.of(config),
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    **data.fields(),
  )
