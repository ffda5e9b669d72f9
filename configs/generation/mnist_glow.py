"""Glow on MNIST, 28x28: exact likelihoods, in bits per dimension.

Two levels, 14x14 and 7x7, of 32 steps with couplings of 512 features, on the
logits of pixels with uniform noise; 107 epochs. Most pixels are black, and with
the alpha of RealNVP's code, 0.05, their noise is a sliver of the logits' range:
6 steps of 48 features a level came to 2.01 bits with it after 2,000 batches of
64, and with 1e-6 to 1.38. Published are 1.05 bits for Glow and 1.06 for RealNVP
(arXiv 1810.01367, table 2, as recalled), which `--config.net=realnvp` trains.
For one GPU, not measured yet; the target, `test/bits_per_dim`, is 1.08. The
variant `cpu` is for a CPU: 6 steps of 64 features a level and 32 epochs, some
70 minutes of one core, and comes to 1.153 bits; its target is 1.25.

`--mode=sample --sample.temperature=0.7` draws; `--sample.interpolate=8` goes
from one draw to the next.
"""

from vision_jax.core.checks import check_name
from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.models.generation.glow import Glow
from vision_jax.models.generation.realnvp import RealNVP
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.colours import UNIT
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation
from vision_jax.pipelines.generation_images import unit_samples
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.normalizing_flow import NormalizingFlow


def get_config():
  """Returns the values.

  net: "glow" or "realnvp". levels: of the flow, after each of which half of the
  values leave. depth: steps of a level of Glow. width: features within Glow's
  couplings. residual_width: features within RealNVP's couplings, at the first
  level. blocks: residual blocks of a coupling of RealNVP. alpha: of the logits,
  see `NormalizingFlow`; 0 takes pixels as they are.
  """
  return base_config(
    steps=50_000,
    batch_size=128,
    eval_batch_size=200,
    log_every=100,
    eval_every=5000,
    save_every=5000,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    net="glow",
    levels=2,
    depth=32,
    width=512,
    residual_width=32,
    blocks=4,
    alpha=1e-5,
    lr=1e-3,
    warmup=2000,
    clip=1.0,
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 60,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "dataset": "digits",
    "depth": 1,
    "width": 8,
    "residual_width": 4,
    "blocks": 1,
    "warmup": 5,
  },
  "cpu": {
    "steps": 60_000,
    "batch_size": 32,
    "depth": 6,
    "width": 64,
    "residual_width": 8,
    "blocks": 2,
    "warmup": 500,
  },
}


def build(config):
  task = NormalizingFlow(net(config), alpha=config.alpha)
  images = LabelData.of(config)
  test = Eval(images.evals["test"], {}, output=task.sample, images=unit_samples)
  data = generation(
    train=images.train,
    evals={"test": test},
    colours=UNIT,
    loading=Loading.of(config),
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0, clip=config.clip)},
    **data.fields(),
  )


def net(config):
  """The flow: "glow" or "realnvp"."""
  if check_name("net", config.net, ("glow", "realnvp")) == "glow":
    return Glow(
      config.levels, depth=config.depth, width=config.width, dtype=config.dtype
    )
  return RealNVP(
    config.levels,
    width=config.residual_width,
    blocks=config.blocks,
    dtype=config.dtype,
  )
