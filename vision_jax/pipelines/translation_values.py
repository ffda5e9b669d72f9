"""What the configs of translation have in common: keys, nets, measurements."""

from collections.abc import Mapping

import ml_collections
import optax

from vision_jax.core.types import Metric
from vision_jax.experiment import base_config
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.renamed import Renamed
from vision_jax.metrics.restoration import ImageQuality
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.models.translation.resnet import ResNetGenerator
from vision_jax.models.translation.unet import TranslationUNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import linear
from vision_jax.pipelines import extractors
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.lpips import perceived
from vision_jax.pipelines.sources.domains import Domain
from vision_jax.pipelines.sources.pairs import PairData
from vision_jax.pipelines.translation import Seen, pairs, unpaired
from vision_jax.tasks.cycle import OTHER, CycleTranslation
from vision_jax.tasks.translation import PairedTranslation


def translation_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of all configs of translation.

  direction: "ab" or "ba". image_size, load_size, parts: see `Seen`. channels:
  of all images. flip: how often images are mirrored. width, judge_width: of
  generators and discriminators. judge_layers: see `PatchGAN`. loss: the
  adversarial one, of `ADVERSARIAL`. hold: share of the steps after which rates
  fall, in a straight line to 0. inception: a file of the published weights, by
  which `fid` of the held-out images is measured. lpips, lpips_net: see
  `pipelines.lpips`.
  """
  defaults = {
    "eval_batch_size": 16,
    "direction": "ab",
    "image_size": 256,
    "load_size": 286,
    "parts": False,
    "channels": 3,
    "flip": 0.5,
    "width": 64,
    "judge_width": 64,
    "judge_layers": 3,
    "generator_lr": 2e-4,
    "discriminator_lr": 2e-4,
    "b1": 0.5,
    "hold": 0.5,
    "inception": "",
    "lpips": "",
    "lpips_net": "",
    "dtype": "float32",
    "convolutional": True,
  }
  return base_config(**(defaults | values))


def pix2pix_config(**values: object) -> dict[str, object]:
  """Returns `translation_config` with what learning from pairs takes besides.

  dataset: see `PairData`. depth, dropout, norm: of the U-Net. test_moments:
  "image" for each image's own moments in tests, "running" for those of
  training. adversarial, l1: weights, see `PairedTranslation`.
  """
  defaults = {
    "dataset": "folder",
    "depth": 8,
    "dropout": 0.5,
    "norm": "batch",
    "test_moments": "running",
    "loss": "non_saturating",
    "adversarial": 1.0,
    "l1": 100.0,
  }
  return translation_config(**(defaults | values))


def cycle_config(**values: object) -> dict[str, object]:
  """Returns `translation_config` with what two kinds of images take besides.

  dataset, a, b: see `Domain`. blocks, norm: of the generators. cycle, identity,
  pool: see `CycleTranslation`.
  """
  defaults = {
    "dataset": "folders",
    "a": "",
    "b": "",
    "blocks": 9,
    "norm": "instance",
    "loss": "least_squares",
    "cycle": 10.0,
    "identity": 0.5,
    "pool": 50,
  }
  return translation_config(**(defaults | values))


def pix2pix(config: ml_collections.ConfigDict) -> PairedTranslation:
  """Returns the task of a `pix2pix_config`."""
  generator = TranslationUNet(
    config.channels,
    config.width,
    config.depth,
    dropout=config.dropout,
    norm=config.norm,
    per_image=config.test_moments == "image",
    dtype=config.dtype,
  )
  return PairedTranslation(
    generator,
    _judge(config),
    config.loss,
    adversarial=config.adversarial,
    l1=config.l1,
  )


def cycle_gan(config: ml_collections.ConfigDict) -> CycleTranslation:
  """Returns the task of a `cycle_config`."""
  sizes = (config.channels, config.width, config.blocks)
  return CycleTranslation(
    ResNetGenerator(*sizes, norm=config.norm, dtype=config.dtype),
    _judge(config),
    config.loss,
    cycle=config.cycle,
    identity=config.identity,
    pool=config.pool,
    direction=config.direction,
  )


def adams(
  config: ml_collections.ConfigDict,
  task: PairedTranslation | CycleTranslation,
) -> dict[str, optax.GradientTransformation]:
  """Returns Adam for each net that the task trains."""
  hold = int(config.hold * config.steps)
  rate = {
    "generator": config.generator_lr,
    "discriminator": config.discriminator_lr,
  }
  falling = lambda net: linear(rate[net], config.steps, hold=hold)
  return {
    one.net: adamw(falling(one.net), b1=config.b1, weight_decay=0.0)
    for one in task.objectives
  }


def paired(config: ml_collections.ConfigDict) -> Data:
  """Returns the data of a `pix2pix_config`.

  Measured is how near images are to those that were wanted, and how near they
  had been: `val/l1` and `val/given_l1`, `psnr`, `ssim`.
  """
  data = PairData.of(config)
  return pairs(
    train=data.train,
    evals=data.evals,
    seen=_seen(config),
    loading=Loading.of(config),
    metrics=_measured(config, "translated", {"clean": "wanted"}),
    flip=config.flip,
  )


def both_kinds(
  config: ml_collections.ConfigDict, task: CycleTranslation
) -> Data:
  """Returns the data of a `cycle_config`.

  Where it is known what images are as the other kind, measured is how near they
  come, as of pairs: `test/b_l1` of the b's that a's become.
  """
  domains = Domain.both(config)
  opened = {
    name: {side: one.open(name) for side, one in domains.items()}
    for name in domains["a"].split_names()
  }
  metrics = {}
  for side, other in OTHER.items():
    names = {"image": f"{other}/image", "mask": f"{other}/mask"}
    if domains[other].known:
      names["clean"] = f"{other}/wanted"
    metrics |= _measured(config, side, names, f"{side}_")
  return unpaired(
    train=opened.pop("train"),
    evals=opened,
    seen=_seen(config),
    loading=Loading.of(config),
    metrics=metrics,
    output=task.both,
    flip=config.flip,
  )


def _measured(
  config: ml_collections.ConfigDict,
  output: str,
  batch: Mapping[str, str],
  prefix: str = "",
) -> dict[str, Metric]:
  """Returns what is measured of one output.

  Args:
    config: names the file of Inception's weights, if there is one.
    output: its name.
    batch: what metrics of restored images read -> the batch's names; `clean`,
      what was wanted, where that is known.
    prefix: of the results.
  """
  found = {}
  if "clean" in batch:
    quality = ImageQuality(given=True, l1=True)
    for name, metric in {"quality": quality, **perceived(config)}.items():
      found[name] = Renamed(metric, {"restored": output}, batch, prefix=prefix)
  if config.inception:
    inception = extractors.inception(config.inception, config.data_dir)
    real = {"image": batch.get("clean", f"{output}/image")}
    found["samples"] = Renamed(
      SampleQuality(inception), {"image": output}, real, True, prefix
    )
  return {f"{prefix}{name}": metric for name, metric in found.items()}


def _judge(config: ml_collections.ConfigDict) -> PatchGAN:
  return PatchGAN(
    config.judge_width,
    config.judge_layers,
    norm=config.norm,
    dtype=config.dtype,
  )


def _seen(config: ml_collections.ConfigDict) -> Seen:
  return Seen(config.image_size, config.load_size, config.parts)
