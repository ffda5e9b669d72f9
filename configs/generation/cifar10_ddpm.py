"""DDPM on CIFAR-10 by the paper's recipe: FID 3.17 (Ho et al., 2020).

35.7M parameters, 800,000 steps of batch 128, rate 2e-4 after 5,000 steps of
warm-up without decay, clipping at 1, flips, averaged weights of decay 0.9999;
unconditional. GPUs only: days on one. Not run here. Differs from the paper:
samples are by 50 steps of DDIM and measured through a ResNet-20 trained apart
on first use (frechet_cifar10_resnet20, on 10,000 test images).
--config.inception=FILE, pytorch-fid's weights, measures them by `fid`; the
published protocol, 50,000 samples against the training images, takes
--config.real=train too, and 3.17 is of --config.sampler=ddpm
--config.sampling_steps=1000. --config.reference=FILE.npz keeps the statistics
of the real images, or takes those of another file. DDIM's metrics (4.67 of 50
steps, Song et al., 2021) are of --config.spacing=quadratic --config.clip=False.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.ops.augment import random_flip
from vision_jax.ops.diffusion import schedule
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines import extractors
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.diffusion import Sampling, diffusion, rate
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.diffusion import Diffusion


def get_config():
  return base_config(
    steps=800_000,
    batch_size=128,
    eval_batch_size=1000,
    eval_examples=0,
    log_every=100,
    eval_every=50_000,
    save_every=5000,
    dataset="cifar10",
    image_size=32,
    channels=3,
    conditional=False,
    width=128,
    multipliers=(1, 2, 2, 2),
    blocks=2,
    attention=(16,),
    groups=32,
    dropout=0.1,
    lr=2e-4,
    warmup=5000,
    decay="none",
    sampling_steps=50,
    inception="",
    extractor_variant="full",
    holdout=0,
    schedule="linear",
    times=1000,
    prediction="eps",
    weighting="uniform",
    variance="large",
    drop_label=0.1,
    sampler="ddim",
    spacing="even",
    clip=True,
    guidance=1.0,
    bound_terms=0,
    real="test",
    reference="",
    ema=0.9999,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 40,
    "eval_examples": 40,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "dataset": "digits",
    "width": 4,
    "multipliers": (1,),
    "blocks": 1,
    "groups": 4,
    "warmup": 5,
    "sampling_steps": 2,
    "extractor_variant": "tiny",
  },
}


def build(config):
  unet = DDPMUNet(
    num_classes=10 if config.conditional else 0,
    width=config.width,
    multipliers=config.multipliers,
    blocks=config.blocks,
    attention=config.attention,
    groups=config.groups,
    dropout=config.dropout,
    remat=config.remat,
    dtype=config.dtype,
  )
  task = Diffusion(
    unet,
    schedule(config.schedule, config.times),
    prediction=config.prediction,
    weighting=config.weighting,
    variance=config.variance,
    drop_label=config.drop_label,
    clip=config.clip,
  )
  images = LabelData.of(config)
  data = diffusion(
    task,
    train=images.train,
    test=images.evals["test"],
    extractor=extractors.for_cifar10(
      config.inception, config.data_dir, config.extractor_variant
    ),
    sampling=Sampling.of(config),
    loading=Loading.of(config),
    real=config.real,
    reference=config.reference,
    examples=config.eval_examples,
    recognised=config.conditional,
    bound_terms=config.bound_terms,
  )
  lr = rate(config.decay, config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(lr, weight_decay=0.0, clip=1.0)},
    augment=random_flip(),
    ema={"model": config.ema},
    **data.fields(),
  )
