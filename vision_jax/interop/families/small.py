"""Small nets of MNIST and CIFAR-10 that others have published."""

import functools

import jax
import numpy as np

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.interop.published import Published
from vision_jax.interop.rules import (
  OIHW,
  Rule,
  Rules,
  Shapes,
  conv,
  dense,
  norm,
)
from vision_jax.models.backbones import resnet
from vision_jax.models.backbones.lenet import LeNet5
from vision_jax.models.backbones.resnet8 import ResNet8
from vision_jax.models.generation.vae import dense_vae

DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
CIFAR10 = (
  *("airplane", "automobile", "bird", "cat", "deer"),
  *("dog", "frog", "horse", "ship", "truck"),
)
GREY = {"mean": (0.0,), "std": (1.0,)}


def akamaster(shapes: Shapes) -> Rules:
  """The CIFAR-10 ResNets of akamaster/pytorch_resnet_cifar10, option A."""
  del shapes
  block, ours = r"layer(\d)\.(\d+)", "conv{1+1}_{2+1}"
  return [
    *conv("conv1", "conv1"),
    *norm("bn1", "bn1"),
    *conv(rf"{block}\.conv(\d)", f"{ours}/conv{{3}}"),
    *norm(rf"{block}\.bn(\d)", f"{ours}/bn{{3}}"),
    *dense("linear", "fc"),
  ]


def lenet(shapes: Shapes) -> Rules:
  """LeNet-5 of csinva/gan-vae-pretrained-pytorch; c5 is a convolution there."""
  flat = shapes.get("params/c5/kernel")
  return [
    *conv(r"convnet\.(c1|c3)", "{1}"),
    Rule(r"convnet\.c5\.weight", ("params/c5/kernel",), OIHW, shape=flat),
    Rule(r"convnet\.c5\.bias", ("params/c5/bias",)),
    *dense(r"fc\.f6", "f6"),
    *dense(r"fc\.f7", "output"),
  ]


def vae(shapes: Shapes) -> Rules:
  """The VAE of torch's examples: a layer of means, one of log variances."""
  del shapes
  spread = [
    Rule(rule.theirs, rule.ours, rule.axes, _half)
    for rule in dense("fc22", "encoder/log_sd")
  ]
  return [
    *dense("fc1", "encoder/dense1"),
    *dense("fc21", "encoder/mean"),
    *spread,
    *dense("fc3", "decoder/dense1"),
    *dense("fc4", "decoder/head"),
  ]


def _half(x: np.ndarray) -> np.ndarray:
  """Of a logarithm of the variance makes that of the deviation."""
  return x / 2


def tiny_keras(shapes: Shapes) -> Rules:
  """ResNet-8 of MLPerf Tiny: layers by their numbers, in Keras's order."""
  blocks = [x for x in (2, 3, 4) if f"params/conv{x}_1/bn1/scale" in shapes]
  convs, norms = ["conv1"], ["bn1"]
  for block in blocks:
    convs += [f"conv{block}_1/{name}" for name in ("conv1", "conv2")]
    norms += [f"conv{block}_1/{name}" for name in ("bn1", "bn2")]
    if f"params/conv{block}_1/projection/kernel" in shapes:
      convs.append(f"conv{block}_1/projection")
  rules = _keras("dense", "fc")
  for i, ours in enumerate(convs):
    rules += _keras(f"conv2d_{i}" if i else "conv2d", ours)
  for i, ours in enumerate(norms):
    name = "batch_normalization" + (f"_{i}" if i else "")
    rules += _keras(name, ours)
  return rules


# Keras's names of a layer's weights -> collection and name of ours.
KERAS = {
  "kernel": "params/{}/kernel",
  "bias": "params/{}/bias",
  "gamma": "params/{}/scale",
  "beta": "params/{}/bias",
  "moving_mean": "batch_stats/{}/mean",
  "moving_variance": "batch_stats/{}/var",
}


def _keras(theirs: str, ours: str) -> list[Rule]:
  """A layer of a Keras file, whose weights lie as ours do."""
  return [
    Rule(rf"(?:.*/)?{theirs}/{name}(?::0)?", (path.format(ours),))
    for name, path in KERAS.items()
  ]


LAYOUTS = {
  "akamaster": akamaster,
  "csinva_lenet": lenet,
  "csinva_vae": vae,
  "mlperf_tiny": tiny_keras,
}
PUBLISHED = {
  "csinva:lenet": Published(
    functools.partial(LeNet5, num_classes=10, padding=0),
    "csinva_lenet",
    Preprocess(size=(32, 32), resize=0, **GREY),
    class_names=DIGITS,
  ),
  "csinva:vae": Published(
    functools.partial(
      dense_vae,
      (28, 28, 1),
      latent=20,
      hidden=(400,),
      activation=jax.nn.relu,
      heads=("mean", "log_sd"),
    ),
    "csinva_vae",
    Preprocess(size=(28, 28), resize=0, **GREY),
    task="generation",
  ),
  "mlperf_tiny:resnet8": Published(
    functools.partial(ResNet8, num_classes=10),
    "mlperf_tiny",
    Preprocess(
      size=(32, 32), resize=0, mean=(0.0,) * 3, std=(1.0,) * 3, largest=255.0
    ),
    class_names=CIFAR10,
  ),
  **{
    f"akamaster:resnet{depth}": Published(
      functools.partial(getattr(resnet, f"ResNet{depth}"), num_classes=10),
      "akamaster",
      Preprocess(size=(32, 32), resize=0),
      class_names=CIFAR10,
    )
    for depth in (20, 32, 44, 56, 110)
  },
}
