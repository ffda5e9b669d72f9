"""VQGAN on MNIST: its autoencoder, 7x7 codes out of 512, judged by patches.

As mnist_vqvae.py, and another first stage of mnist_latent.py and
mnist_vq_prior.py. The perceptual term is of a VGG-16 imported from torchvision,
--config.judge=WORKDIR, and without it of random filters. For a GPU; not
measured yet.
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.metrics.codes import CodeUse
from vision_jax.metrics.generation import SampleQuality
from vision_jax.models.generation.latent_autoencoders import VQModel
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import constant
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import first, generation
from vision_jax.pipelines.generation_images import signed_reconstructions
from vision_jax.pipelines.perceptual import perceptual_net
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.adversarial_quantisation import AdversarialQuantisation
from vision_jax.tasks.perceptual import PERCEPTUAL


def get_config():
  """Returns the values.

  eval_examples: test images that are measured, the first ones; 0 is all. lr,
  discriminator_lr: learning rates of the autoencoder and of the discriminator,
  after the warm-up. b1, b2: decays of Adam's moments, of both nets. warmup:
  steps of a linear rise.
  """
  return base_config(
    steps=10_000,
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
    widths=(32, 64, 64),
    blocks=1,
    groups=8,
    learned=False,
    beta=0.25,
    codebook_decay=0.99,
    restart=0.1,
    judge="",
    judge_width=32,
    judge_layers=2,
    perceptual=1.0,
    adversarial=0.1,
    begin=2000,
    lr=5e-4,
    discriminator_lr=5e-4,
    warmup=100,
    b1=0.5,
    b2=0.9,
    extractor_variant="full",
    remat="none",
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
    "groups": 4,
    "judge_width": 4,
    "judge_layers": 1,
    "begin": 5,
    "warmup": 5,
    "extractor_variant": "tiny",
  },
}


def build(config):
  model = VQModel(
    config.channels,
    config.codes,
    config.features,
    latent_channels=config.features,
    widths=tuple(config.widths),
    blocks=config.blocks,
    groups=config.groups,
    learned=config.learned,
    remat=config.remat,
    dtype=config.dtype,
  )
  judge, fixed = perceptual_net(config.judge, PERCEPTUAL)
  judge = judge.clone(remat=config.remat, dtype=config.dtype)
  task = AdversarialQuantisation(
    model,
    beta=config.beta,
    decay=config.codebook_decay,
    restart=config.restart,
    discriminator=PatchGAN(
      config.judge_width,
      config.judge_layers,
      norm="instance",
      dtype=config.dtype,
    ),
    judge=judge,
    adversarial=config.adversarial,
    perceptual=config.perceptual,
    begin=config.begin,
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
  adam = lambda lr: adamw(
    constant(lr, warmup=config.warmup),
    weight_decay=0.0,
    b1=config.b1,
    b2=config.b2,
  )
  return Experiment(
    task=task,
    optimizers={
      "model": adam(config.lr),
      "discriminator": adam(config.discriminator_lr),
    },
    fixed=fixed,
    **data.fields(),
  )
