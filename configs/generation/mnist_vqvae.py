"""A VQ-VAE on MNIST: 28x28 pixels as 7x7 codes out of 512.

The first stage of mnist_vq_prior.py and mnist_latent.py. The squared error of a
pixel in [-1, 1]; the distance of reconstructions from the test images,
`test/frechet_mnist_lenet`, which bounds what samples of codes can have; and how
many codes are used, `test/code_perplexity`. After a quarter of an hour of a
core that had other work too they are 2.49 away, and all 512 codes are used
(perplexity 371).
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.metrics.codes import CodeUse
from vision_jax.metrics.generation import SampleQuality
from vision_jax.models.generation.vq_vae import VQVAE
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import first, generation
from vision_jax.pipelines.generation_images import signed_reconstructions
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.vector_quantisation import VectorQuantisation


def get_config():
  """Returns the values.

  eval_examples: test images that are measured, the first ones; 0 is all.
  """
  return base_config(
    steps=4000,
    batch_size=64,
    eval_batch_size=200,
    eval_examples=2000,
    log_every=100,
    eval_every=1000,
    save_every=1000,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    codes=512,
    features=8,
    widths=(32, 64),
    hidden=64,
    blocks=2,
    beta=0.25,
    codebook_decay=0.99,
    restart=0.1,
    lr=2e-3,
    warmup=100,
    extractor_variant="full",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 60,
    "eval_examples": 60,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "dataset": "digits",
    "codes": 16,
    "features": 4,
    "widths": (4, 8),
    "hidden": 8,
    "blocks": 1,
    "warmup": 5,
    "extractor_variant": "tiny",
  },
}


def build(config):
  model = VQVAE(
    config.channels,
    config.codes,
    config.features,
    tuple(config.widths),
    hidden=config.hidden,
    blocks=config.blocks,
    dtype=config.dtype,
  )
  task = VectorQuantisation(
    model,
    beta=config.beta,
    decay=config.codebook_decay,
    restart=config.restart,
  )
  images = LabelData.of(config)
  looked = extractors.mnist_lenet(config.data_dir, config.extractor_variant)
  data = generation(
    train=images.train,
    evals={
      "test": Eval(
        first(images.evals["test"], config.eval_examples),
        {"codes": CodeUse(config.codes), "quality": SampleQuality(looked)},
        images=signed_reconstructions,
      )
    },
    colours=SIGNED,
    loading=Loading.of(config),
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    **data.fields(),
  )
