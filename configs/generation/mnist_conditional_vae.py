"""A VAE of MNIST's digits given their class, 28x28, binarised at every step.

Encoder and decoder have the class beside what they map, in one-hot form (Sohn
et al., 2015; Kingma et al., arXiv 1406.5298, M2 with all labels known):
794-400-400-20 and 30-400-400-784 with tanh. Codes are drawn towards a standard
normal, the same for every class.

`samples/recognised` is the share of 2,000 samples, one for each of the first
2,000 test images, taken for their class by a LeNet-5 trained apart, and
`samples/frechet_mnist_lenet` their distance from those images;
`--config.conditional=False` has the distance alone, to stand beside that of
mnist_autoencoder.py, where no loss asks for a normal.

The full variant is for a GPU, `cpu` for 3 minutes of one core and 2 more of the
LeNet-5's training, which without classes came to a distance of 72; with them
neither is measured yet.
`--mode=sample --label=3` draws threes, `--sample.interpolate=8` a way between
two of them.
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.losses.likelihood import Bernoulli
from vision_jax.metrics.latents import LatentNeighbours
from vision_jax.models.generation.vae import dense_vae
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import UNIT
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation, unit_sample_eval
from vision_jax.pipelines.generation_images import reconstructions_and_codes
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.vae import VariationalAutoencoding


def get_config():
  """Returns the values.

  conditional: whether the nets are given the class. hidden: features of the
  layers in between.
  """
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
    conditional=True,
    hidden=(400, 400),
    latent=20,
    pixels="stochastic",
    beta=1.0,
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
  "cpu": {"steps": 8000},
}


def build(config):
  model = dense_vae(
    (config.image_size, config.image_size, config.channels),
    latent=config.latent,
    hidden=tuple(config.hidden),
    num_classes=10 if config.conditional else 0,
    dtype=config.dtype,
  )
  task = VariationalAutoencoding(model, Bernoulli(), config.pixels, config.beta)
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
        recognised=config.conditional,
      ),
    },
    colours=UNIT,
    loading=Loading.of(config),
    num_classes=task.num_classes,
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    **data.fields(),
  )
