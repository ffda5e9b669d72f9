"""DeepLab v3 and v3+, LR-ASPP, FC-DenseNet: sizes, torch's numbers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.marks import with_slow
from tests.oracles import library
from vision_jax.layers.interpolate import bilinear
from vision_jax.models.backbones import mobilenet_v3
from vision_jax.models.backbones.resnet import ResNet, ResNet50
from vision_jax.models.count import parameters
from vision_jax.models.segmentation import deeplabv3, fcn, lraspp
from vision_jax.models.segmentation.deeplabv3_plus import DeepLabV3Plus
from vision_jax.models.segmentation.espnet import ESPNet
from vision_jax.models.segmentation.fc_densenet import (
  FCDenseNet,
  FCDenseNet56,
  FCDenseNet67,
  FCDenseNet103,
)
from vision_jax.models.segmentation.segnet import SegNetBasic
from vision_jax.models.segmentation.unet import UNet

KEYS = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
BODY = functools.partial(ResNet, 0, (1, 2, 2, 1), width=4, zero_init=False)
_SIZE = mobilenet_v3.Residual
BLOCKS = (
  _SIZE(4, 4),
  _SIZE(8, 6, stride=2),
  _SIZE(8, 6, 5, 2, True),
  _SIZE(8, 8, stride=2),
  _SIZE(12, 8, 5, 2, True, jax.nn.hard_swish),
)


def light(**fields):
  """An LR-ASPP on a narrow MobileNet v3."""
  blocks = mobilenet_v3.dilated(BLOCKS)
  body = mobilenet_v3.MobileNetV3(0, blocks, momentum=0.9, first_maps=True)
  return lraspp.LRASPP(3, body, features=8, **fields)


NARROW = {
  "deeplabv3": deeplabv3.DeepLabV3(
    3, BODY(dilated=2), (2, 3), 6, auxiliary=True
  ),
  "deeplabv3_plus": DeepLabV3Plus(3, BODY(dilated=1), "c2", (1, 2), 6, 4),
  "lraspp": light(),
  "fc_densenet": FCDenseNet(3, (1, 2, 2, 1, 2), 4, 6, test_moments="image"),
}
ALL = NARROW | {
  "espnet": ESPNet(3, blocks=(1, 1), widths=(4, 11, 15)),
  "fcn8s": fcn.FCN8s(3, stages=((4,),) * 5, hidden=8),
  "segnet": SegNetBasic(3, width=4, depth=3, kernel=3),
  "unet": UNet(3, width=4, depth=3),
}


def plus(separable):
  """Parameters of a DeepLab v3+ on ResNet-50, by the layers' sizes."""
  norm, d = 2, 256
  conv = lambda c, d, side: d * (side**2 * c + norm)
  deep = lambda c: c * (9 + norm) + conv(c, d, 1)
  around = deep if separable else lambda c: conv(c, d, 3)
  body = 25_557_032 - 2_049_000  # ResNet-50 without its classifier
  pyramid = 2 * conv(2048, d, 1) + 3 * around(2048) + conv(5 * d, d, 1)
  decoder = conv(256, 48, 1) + around(d + 48) + around(d)
  return body + pyramid + decoder + 21 * (d + 1)


DEEPLAB = functools.partial(deeplabv3.variant, "resnet50", 21)
SIZES = {  # torchvision's weights' metadata
  "deeplabv3": (DEEPLAB(), 39_638_869),
  "deeplabv3_auxiliary": (DEEPLAB(auxiliary=True), 42_004_074),
  "deeplabv3_resnet101": (
    deeplabv3.variant("resnet101", 21, auxiliary=True),
    60_996_202,
  ),
  "deeplabv3_mobilenet": (
    deeplabv3.variant("mobilenet_v3_large", 21, auxiliary=True),
    11_029_328,
  ),
  "lraspp": (lraspp.mobilenet_v3_large(21), 3_221_538),
  "plus": (DeepLabV3Plus(21, ResNet50(0, dilated=1)), plus(True)),
  "plus_whole": (
    DeepLabV3Plus(21, ResNet50(0, dilated=1), separable=False),
    plus(False),
  ),
}


@pytest.mark.parametrize("name", with_slow(SIZES, "deeplabv3_resnet101"))
def test_parameters_are_as_published(name):
  model, expected = SIZES[name]
  assert parameters(model, (1, 64, 64, 3)) == expected


@pytest.mark.parametrize(
  ("make", "millions"),
  # Jégou et al., table 3: 1.5, 3.5 and 9.4 million, with CamVid's 11 classes;
  # theirs are all arrays of the net, BatchNorm's statistics among them.
  [(FCDenseNet56, 1.4), (FCDenseNet67, 3.5), (FCDenseNet103, 9.4)],
)
def test_fc_densenets_have_the_papers_sizes(make, millions):
  call = functools.partial(make(11).init, KEYS, train=False)
  arrays = jax.eval_shape(call, jax.ShapeDtypeStruct((1, 32, 32, 3), "float32"))
  sizes = [math.prod(x.shape) for x in jax.tree.leaves(arrays)]
  assert round(sum(sizes) / 1e6, 1) == millions


@pytest.mark.parametrize("name", ALL)
def test_logits_have_the_images_size_whatever_it_is(name):
  model = ALL[name]
  x = lambda h, w: jax.ShapeDtypeStruct((1, h, w, 3), jnp.float32)
  call = functools.partial(model.init_with_output, KEYS, train=False)
  for size in ((5, 1), (33, 47)):
    logits, _ = jax.eval_shape(call, x(*size))
    assert logits.shape == (1, *size, 3), size


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROW)
def test_gradients_reach_every_parameter(name):
  model, x = NARROW[name], parity.images(3, 33, 47, 3)
  if name == "deeplabv3_plus":
    # Each channel's convolution has its scale taken off by the norm after it.
    model = model.clone(separable=False)
  variables = jax.jit(functools.partial(model.init, train=False))(KEYS, x)

  def loss(params):
    out, _ = model.apply(
      {**variables, "params": params},
      x,
      train=True,
      mask=jnp.ones(3),
      mutable=["batch_stats"],
      rngs=KEYS,
    )
    weight = lambda y: jax.random.normal(jax.random.key(2), y.shape)
    return sum(jnp.sum(y * weight(y)) for y in jax.tree.leaves(out))

  grads = jax.jit(jax.grad(loss))(variables["params"])
  largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(grads))
  for path, g in jax.tree_util.tree_leaves_with_path(grads):
    # A bias that a normalisation takes off again moves nothing.
    if "['bias']" not in jax.tree_util.keystr(path):
      assert float(jnp.abs(g).max()) > 1e-5 * largest, path


@pytest.mark.parametrize("size", [(9, 20), (5, 7), (4, 3)])
def test_interpolation_is_torchs(size):
  interpolate = library("torch").nn.functional.interpolate
  x = parity.images(2, 5, 7, 3)
  theirs = interpolate(parity.nchw(x), size=size, mode="bilinear")
  parity.same(bilinear(jnp.asarray(x), size), theirs.permute(0, 2, 3, 1), 1e-6)


def torch_state(tree, prefix=""):
  """Yields our leaves by names of torch: what a module's state would be."""
  torch = library("torch")
  for name, value in tree.items():
    if isinstance(value, dict):
      yield from torch_state(value, f"{prefix}{name}.")
      continue
    value = np.asarray(value)
    kernel = value.ndim == 4
    value = value.transpose(3, 2, 0, 1) if kernel else value
    yield f"{prefix}{name}", torch.tensor(value.copy())


def drawn(model, x):
  """Returns random variables, and the same as torch's tensors by path."""
  shapes = jax.eval_shape(functools.partial(model.init, train=False), KEYS, x)
  rng = np.random.default_rng(0)

  def draw(path, leaf):
    name = path[-1].key
    if name == "kernel":
      return rng.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1]))
    if name in ("var", "scale"):
      return rng.uniform(0.7, 1.4, leaf.shape)
    return 0.1 * rng.normal(size=leaf.shape)

  given = jax.tree_util.tree_map_with_path(draw, shapes)
  given = jax.tree.map(np.float32, given)
  return given, dict(torch_state(given))


class TorchLayers:
  """Layers of torch by our paths."""

  def __init__(self, state):
    self.of = library("torch").nn.functional
    self.state = state

  def conv(self, x, name, dilation=1, groups=1):
    kernel = self.state[f"params.{name}.kernel"]
    bias = self.state.get(f"params.{name}.bias")
    padding = dilation * (kernel.shape[-1] - 1) // 2
    return self.of.conv2d(x, kernel, bias, 1, padding, dilation, groups)

  def norm(self, x, name, batch=False):
    find = lambda kind, leaf: self.state[f"{kind}.{name}.{leaf}"]
    return self.of.batch_norm(
      x,
      *(None if batch else find("batch_stats", n) for n in ("mean", "var")),
      *(find("params", n) for n in ("scale", "bias")),
      training=batch,
    )

  def layer(self, x, name, **how):
    x = self.conv(x, f"{name}.conv", **how)
    return self.norm(x, f"{name}.bn").relu()

  def around(self, x, name, separable, **how):
    if not separable:
      return self.layer(x, name, **how)
    x = self.layer(x, f"{name}.depthwise", groups=x.shape[1], **how)
    return self.layer(x, f"{name}.pointwise")

  def resized(self, x, like):
    size = like.shape[2:]
    return self.of.interpolate(x, size=size, mode="bilinear")


@pytest.mark.slow
@pytest.mark.parametrize("separable", [True, False])
def test_deeplab_v3_plus_is_torchs(separable):
  torch = library("torch")
  model = NARROW["deeplabv3_plus"].clone(separable=separable)
  x = parity.images(2, 61, 80, 3)
  given, state = drawn(model, x)
  net = TorchLayers(state)
  body = {k: v["backbone"] for k, v in given.items()}
  maps = model.backbone.apply(body, x, train=False, features=True)
  low, deep = (parity.nchw(np.asarray(maps[n])) for n in ("c2", "c5"))
  parts = [net.layer(deep, "aspp.near")]
  for i, rate in enumerate(model.rates, 1):
    parts.append(net.around(deep, f"aspp.far{i}", separable, dilation=rate))
  mean = net.layer(deep.mean((2, 3), keepdim=True), "aspp.pooled")
  parts.append(mean.expand_as(parts[0]))
  y = net.layer(torch.cat(parts, 1), "aspp.project")
  y = torch.cat([net.resized(y, low), net.layer(low, "low")], 1)
  for name in ("decoder1", "decoder2"):
    y = net.around(y, name, separable)
  y = net.resized(net.conv(y, "head"), parity.nchw(x))
  ours = jax.jit(functools.partial(model.apply, train=False))(given, x)
  parity.same(ours, y.permute(0, 2, 3, 1))


@pytest.mark.slow
@pytest.mark.parametrize("moments", ["running", "image"])
def test_fc_densenet_is_torchs(moments):
  """By the authors' statement, on an image with odd sides everywhere."""
  torch = library("torch")
  model = NARROW["fc_densenet"].clone(test_moments=moments)
  x = parity.images(1, 27, 38, 3)
  given, state = drawn(model, x)
  net, batch = TorchLayers(state), moments == "image"

  def layer(x, name):
    x = net.norm(x, f"{name}.bn", batch).relu()
    return net.conv(x, f"{name}.conv")

  def block(x, name, layers):
    new = []
    for i in range(1, layers + 1):
      new.append(layer(torch.cat([x, *new], 1), f"{name}_{i}"))
    return torch.cat(new, 1)

  y, skips = net.conv(parity.nchw(x), "conv"), []
  for i in (1, 2):
    y = torch.cat([y, block(y, f"down{i}", model.stages[i - 1])], 1)
    skips.append(y)
    y = net.of.max_pool2d(layer(y, f"down{i}"), 2)
  new = block(y, "middle", model.stages[2])
  for i, layers in ((2, model.stages[3]), (1, model.stages[4])):
    kernel = state[f"params.up{i}.kernel"].transpose(0, 1)
    bias = state[f"params.up{i}.bias"]
    up = net.of.conv_transpose2d(new, kernel, bias, stride=2)
    skip = skips.pop()
    y = torch.cat([up[..., : skip.shape[2], : skip.shape[3]], skip], 1)
    new = block(y, f"up{i}", layers)
  y = net.conv(torch.cat([y, new], 1), "head").permute(0, 2, 3, 1)
  ours = jax.jit(functools.partial(model.apply, train=False))(given, x)
  parity.same(ours, y)


@pytest.mark.parametrize(
  ("model", "message"),
  [
    (NARROW["fc_densenet"].clone(test_moments="own"), "test_moments='own'"),
    (NARROW["fc_densenet"].clone(stages=(1, 1)), "stages of 2 blocks"),
    (NARROW["deeplabv3_plus"].clone(level="c9"), "level='c9'"),
    (light(level="c9"), "level='c9'"),
  ],
)
def test_bad_fields_are_named(model, message):
  x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
  with pytest.raises(ValueError, match=message):
    jax.eval_shape(functools.partial(model.init, KEYS, train=False), x)
  with pytest.raises(ValueError, match="got the backbone 'resnet18'"):
    deeplabv3.variant("resnet18", 2)
