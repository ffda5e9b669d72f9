"""Classifiers that generated images are looked at through.

Each is trained by its own config file, apart from any generator, on the
training split: in memory on first use, or read from a workdir of that config.

extractor_variant: of that config. inception: the file of the published
Inception weights, which are then taken in its place; "" for none.
"""

import functools
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.interop import leaves
from vision_jax.layers.capture import apply_with_input
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.models.backbones.fid_inception import FIDInception
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.fit import fit
from vision_jax.pipelines.inception_file import read_inception
from vision_jax.recipe import places, recipe

CONFIGS = "configs/classification"
SEED = 1000  # apart from those of the configs' own runs


def classifier(
  name: str,
  path: str,
  *,
  layer: str,
  variant: str,
  data_dir: str = "",
  seed: int = SEED,
) -> Extractor:
  """Returns a classifier as an extractor of images in [-1, 1].

  Features are what goes into its last layer.

  Args:
    name: what metrics are called by.
    path: its config file, among those that come with this package.
    layer: name of the last layer.
    variant: the config's variant.
    data_dir: folder of its data, "" for VISION_JAX_DATA.
    seed: the seed of its training.
  """
  loaded = recipe.load(f"{places.installed(path)}:{variant}")
  loaded.config.update({"seed": seed, "data_dir": data_dir})
  experiment = functools.cache(loaded.build)
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
    weights = fit(experiment(), steps=loaded.config.steps, seed=seed)
    with experiment() as made:
      batch = made.train_data.batch(0)
    seen = jax.jit(apply)(weights, normalize(*SIGNED)(batch)["image"])
    return weights, np.asarray(seen["features"]).mean(0)

  return Extractor(name, apply, load)


def digits_cnn(variant: str = "full") -> Extractor:
  """configs/classification/digits_cnn.py, of another seed than its row's."""
  path = f"{CONFIGS}/digits_cnn.py"
  return classifier("digits_cnn", path, layer="head", variant=variant)


def mnist_lenet(data_dir: str = "", variant: str = "full") -> Extractor:
  """configs/classification/mnist_lenet.py, 84 features."""
  path = f"{CONFIGS}/mnist_lenet.py"
  return classifier(
    "mnist_lenet", path, layer="output", variant=variant, data_dir=data_dir
  )


def cifar10_resnet20(data_dir: str = "", variant: str = "full") -> Extractor:
  """configs/classification/cifar10_resnet20.py, 64 features."""
  path = f"{CONFIGS}/cifar10_resnet20.py"
  return classifier(
    "cifar10_resnet20", path, layer="fc", variant=variant, data_dir=data_dir
  )


def for_cifar10(
  inception_file: str, data_dir: str = "", variant: str = "full"
) -> Extractor:
  """Inception where its file is given, else the ResNet-20 of a variant."""
  if inception_file:
    return inception(inception_file, data_dir)
  return cifar10_resnet20(data_dir, variant)


def inception(path: str, data_dir: str = "") -> Extractor:
  """FID's Inception v3, 2048 features, from a file of the user.

  Metrics are called `fid`, `kid` and `inception_score` if the file is the
  published one. Images are rounded to 8 bits first, as files are.

  Args:
    path: the file; where there is none, it is looked for in the data's folder.
    data_dir: the data's folder, "" for the one that VISION_JAX_DATA names.
  """
  folder = data_dir or os.environ.get("VISION_JAX_DATA", "")
  beside = pathlib.Path(folder) / path
  if not pathlib.Path(path).is_file() and beside.is_file():
    path = str(beside)
  model = FIDInception()
  net = leaves.abstract(model, jnp.zeros((1, 299, 299, 3)))
  weights, published = read_inception(path, net)

  def apply(weights, image):
    image = jnp.round((image + 1) * 127.5) / 127.5 - 1
    image = jnp.broadcast_to(image, (*image.shape[:3], 3))
    return model.apply(weights, image)

  load = lambda: (weights, np.zeros(2048, np.float32))
  return Extractor("inception", apply, load, published=published)
