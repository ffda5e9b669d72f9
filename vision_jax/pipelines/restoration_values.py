"""What the configs that train nets of restoration have in common."""

import ml_collections

from vision_jax.experiment import base_config
from vision_jax.metrics.restoration import ImageQuality
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.lpips import perceived
from vision_jax.pipelines.restoration import Worse, restoration
from vision_jax.pipelines.sources.images import ImageSets


def restoration_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of images that are restored.

  dataset, tests, scenes: see `ImageSets`. train: folder of images to train on,
  likewise. image_size: side of the parts that training cuts out, as the net
  takes them. scales: sizes at which images are trained on, see `Scaled`.
  channels: of images. luma: which luma of colours the net restores, "" for all
  channels. lpips, lpips_net: see `pipelines.lpips`. ema: decay of the averaged
  weights.
  """
  defaults = {
    "eval_batch_size": 1,
    "dataset": "folder",
    "scenes": (0, 0, 0),
    "scales": (1.0,),
    "channels": 3,
    "luma": "",
    "lpips": "",
    "lpips_net": "",
    "warmup": 100,
    "ema": 0.999,
    "dtype": "float32",
    "convolutional": True,
  }
  return base_config(**(defaults | values))


def restored(config: ml_collections.ConfigDict, worse: Worse) -> Data:
  """Returns the data of a `restoration_config`, which `worse` is done to.

  What is enlarged is measured as published: rounded, on luma, without as many
  border pixels as the scale. Beside it stands the PSNR of what was given.
  """
  images, larger = ImageSets.of(config), worse.scale > 1
  quality = ImageQuality(
    config.luma or ("video" if larger and config.channels == 3 else ""),
    shave=worse.scale if larger else 0,
    rounded=larger,
    given=True,
  )
  return restoration(
    train=images.train,
    evals=images.evals,
    worse=worse,
    patch_size=config.image_size,
    loading=Loading.of(config),
    metrics={"quality": quality, **perceived(config)},
    scales=tuple(config.scales),
    weights=("raw", "ema"),
  )
