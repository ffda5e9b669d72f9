"""Digits drawn from what is left of them: inpainting and super-resolution.

Flow matching on MNIST, 28x28, by a U-Net that sees an image with a hole of
14x14 beside the noise, and a channel of where that is; the hole's place is an
example's own. `--config.given=smaller --config.given_size=4` gives 7x7 pixels
in its place. Samples are by ten evaluations of the net, one for each of the
first test images: `test/ema/frechet_mnist_lenet`, and `recognised`, the share
that a LeNet takes for the class of the whole image: 83.0 % of the variant
`cpu`, of whole images 98.9. The full variant is for a GPU and not measured.

`--mode=sample --sample.given=FILE.npy` draws from images of your own,
(n, 28, 28, 2) as the net sees them: pixels in [-1, 1] with 0 in the hole, and 1
in the hole and 0 elsewhere. Not the task of a paper: SR3's
(arxiv.org/abs/2104.07636) and Palette's (arxiv.org/abs/2111.05826) are alike.
"""

import dataclasses

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.ops.diffusion import Density, path
from vision_jax.ops.given import given
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines import extractors
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.diffusion import Solving, diffusion, rate
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.condition_images import ImageCondition
from vision_jax.tasks.flow_matching import FlowMatching


def get_config():
  """Returns the values.

  given: "hole" or "smaller". given_size: side of the hole, or of the squares
  that become a pixel.
  """
  return base_config(
    steps=10_000,
    batch_size=64,
    eval_batch_size=200,
    eval_examples=2000,
    log_every=100,
    save_every=1000,
    dataset="mnist",
    image_size=28,
    channels=1,
    given="hole",
    given_size=14,
    width=32,
    multipliers=(1, 2, 2),
    attention=(7,),
    lr=1e-3,
    warmup=500,
    path="rectified",
    prediction="velocity",
    density="normal",
    centre=0.0,
    deviation=1.0,
    solver="dpmpp",
    sampling_steps=10,
    guidance=1.0,
    ema=0.999,
    extractor_variant="full",
    holdout=0,
    blocks=1,
    groups=8,
    patch=1,
    dropout=0.0,
    drop_label=0.1,
    spacing="even",
    clip=True,
    decay="cosine",
    real="test",
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
    "save_every": 0,
    "dataset": "digits",
    "given_size": 4,
    "width": 8,
    "multipliers": (1,),
    "attention": (),
    "warmup": 5,
    "sampling_steps": 2,
    "extractor_variant": "tiny",
  },
  "cpu": {
    "steps": 2000,
    "width": 48,
    "multipliers": (1, 2),
    "patch": 2,
    "lr": 1.5e-3,
    "warmup": 200,
  },
}


def build(config):
  net = DDPMUNet(
    width=config.width,
    multipliers=config.multipliers,
    blocks=config.blocks,
    attention=config.attention,
    groups=config.groups,
    patch=config.patch,
    dropout=config.dropout,
    remat=config.remat,
    dtype=config.dtype,
  )
  task = FlowMatching(
    net,
    path(config.path),
    prediction=config.prediction,
    density=Density(config.density, config.centre, config.deviation),
    drop_label=config.drop_label,
    clip=config.clip,
    condition=ImageCondition("given"),
  )
  images = LabelData.of(config)
  data = diffusion(
    task,
    train=images.train,
    test=images.evals["test"],
    extractor=extractors.mnist_lenet(config.data_dir, config.extractor_variant),
    sampling=Solving.of(config),
    loading=Loading.of(config),
    real=config.real,
    examples=config.eval_examples,
  )
  seen, partly = data.inputs, given(config.given, config.given_size)
  data = dataclasses.replace(data, inputs=lambda batch: partly(seen(batch)))
  lr = rate(config.decay, config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(lr, weight_decay=0.0, clip=1.0)},
    ema={"model": config.ema},
    **data.fields(),
  )
