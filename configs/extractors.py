"""Classifiers that generated images are looked at through.

Each is trained by its own config file, apart from any generator, on the
training split: in memory on first use, or read from a workdir of that config.
"""

import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.layers.capture import apply_with_input
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_inception import read_inception
from vision_jax.models.fid_inception import FIDInception
from vision_jax.ops.inputs import normalize
from vision_jax.train.fit import fit


def classifier(
  name: str,
  module: Any,
  *,
  layer: str,
  variant: str = "full",
  overrides: Mapping[str, Any] | None = None,
  seed: int = 0,
) -> Extractor:
  """Returns a classifier as an extractor of images in [-1, 1].

  Features are what goes into its last layer.

  Args:
    name: what figures are called by.
    module: its config file, imported.
    layer: name of the last layer.
    variant: of the config.
    overrides: values of the config to change.
    seed: of its training.
  """
  config = module.get_config(variant)
  config.update({"seed": seed, **(overrides or {})})
  experiment = functools.cache(lambda: module.build(config))
  inputs = lambda pixels: experiment().inputs({"image": pixels})["image"]

  def apply(weights, image):
    params, stats = weights
    logits, features = apply_with_input(
      experiment().task.model,
      {"params": params["model"], **stats["model"]},
      inputs((image + 1) / 2),
      layer=layer,
      train=False,
    )
    return {"features": features, "logits": logits}

  def load():
    weights = fit(experiment(), steps=config.steps, seed=seed)
    batch = experiment().train_data.batch(0)
    seen = jax.jit(apply)(weights, normalize([0.5], [0.5])(batch)["image"])
    return weights, np.asarray(seen["features"]).mean(0)

  return Extractor(name, apply, load)


def digits_cnn(tiny: bool = False) -> Extractor:
  """configs/classification/digits_cnn.py, of another seed than its row's."""
  from configs.classification import digits_cnn as module

  return classifier(
    "digits_cnn",
    module,
    layer="head",
    variant="tiny" if tiny else "full",
    seed=1000,
  )


def mnist_lenet(data_dir: str = "", tiny: bool = False) -> Extractor:
  """configs/classification/mnist_lenet.py, 84 features."""
  from configs.classification import mnist_lenet as module

  return classifier(
    "mnist_lenet",
    module,
    layer="output",
    variant="tiny" if tiny else "full",
    overrides={"data_dir": data_dir},
    seed=1000,
  )


def cifar10_resnet20(data_dir: str = "", tiny: bool = False) -> Extractor:
  """configs/classification/cifar10_resnet20.py, 64 features."""
  from configs.classification import cifar10_resnet20 as module

  return classifier(
    "cifar10_resnet20",
    module,
    layer="fc",
    variant="tiny" if tiny else "full",
    overrides={"data_dir": data_dir},
    seed=1000,
  )


def for_cifar10(config: Any) -> Extractor:
  """Inception where `config.inception` names its file, else the ResNet-20."""
  if config.inception:
    return inception(config.inception, config.data_dir)
  return cifar10_resnet20(config.data_dir, config.tiny_extractor)


def inception(path: str, data_dir: str = "") -> Extractor:
  """FID's Inception v3, 2048 features, from a file of the user.

  Figures are called `fid`, `kid` and `inception_score` if the file is the
  published one. Images are rounded to 8 bits first, as files are.

  Args:
    path: of the file; where there is none, looked for in the data's folder.
    data_dir: that folder, "" for the one that VISION_JAX_DATA names.
  """
  folder = data_dir or os.environ.get("VISION_JAX_DATA", "")
  beside = pathlib.Path(folder) / path
  if not pathlib.Path(path).is_file() and beside.is_file():
    path = str(beside)
  model = FIDInception()
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 299, 299, 3)))
  )["params"]
  weights, published = read_inception(path, shapes)

  def apply(weights, image):
    image = jnp.round((image + 1) * 127.5) / 127.5 - 1
    image = jnp.broadcast_to(image, (*image.shape[:3], 3))
    return model.apply({"params": weights}, image)

  load = lambda: (weights, np.zeros(2048, np.float32))
  return Extractor("inception", apply, load, published=published)
