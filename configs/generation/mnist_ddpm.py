"""Class-conditional diffusion on MNIST, 28x28, by `frechet_mnist_lenet`.

The distance, and the share of samples recognised, are of 2,000 samples, one for
each of the first 2,000 test images, by a LeNet-5 trained apart on first use
(configs/classification/mnist_lenet.py, another seed, 84 features of its last
hidden layer): 2,000 training images are at 1.2, with noise of deviation 0.2 at
12.5. The full variant is for a GPU and not measured; `cpu` has half the width,
a fifth of the steps and twice the rate: 9.55, and 85.8 % recognised where
99.1 % of the real ones are (seed 0).
"""

from configs.data import DIGIT_NAMES
from configs.diffusion import diffusion_experiment, unet
from vision_jax.experiment import base_config
from vision_jax.pipelines import extractors


def get_config():
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
    width=32,
    multipliers=(1, 2, 2),
    attention=(7,),
    lr=1e-3,
    warmup=500,
    schedule="cosine",
    prediction="v",
    weighting="min_snr",
    sampler="dpmpp",
    sampling_steps=20,
    guidance=1.0,
    ema=0.999,
    extractor_variant="full",
    holdout=0,
    blocks=1,
    groups=8,
    dropout=0.0,
    times=1000,
    variance="large",
    drop_label=0.1,
    spacing="even",
    clip=True,
    decay="cosine",
    bound_terms=0,
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
    "width": 8,
    "multipliers": (1,),
    "attention": (),
    "warmup": 5,
    "sampling_steps": 2,
    "extractor_variant": "tiny",
  },
  "cpu": {
    "steps": 1800,
    "width": 16,
    "lr": 2e-3,
    "warmup": 100,
    "ema": 0.99,
  },
}


def build(config):
  return diffusion_experiment(
    config,
    unet(config),
    DIGIT_NAMES,
    extractors.mnist_lenet(config.data_dir, config.extractor_variant),
    recognised=True,
  )
