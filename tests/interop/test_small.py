"""Small published nets: sizes, and outputs of torch's or TensorFlow's rules."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.families import small as family
from vision_jax.models import count
from vision_jax.models.backbones.lenet import LeNet5
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.resnet8 import ResNet8
from vision_jax.models.generation.vae import dense_vae

SIZES = {
  "csinva:lenet": (61_706, (32, 32, 1)),
  "csinva:vae": (652_824, (28, 28, 1)),
  "akamaster:resnet20": (269_722, (32, 32, 3)),
  "akamaster:resnet32": (464_154, (32, 32, 3)),
  "mlperf_tiny:resnet8": (78_186, (32, 32, 3)),
}


@pytest.mark.parametrize("source", SIZES)
def test_it_has_the_published_size(source):
  _, net = published.find(source)
  size, image = SIZES[source]
  assert count.parameters(net.model(), (1, *image)) == size
  assert net.preprocess.size == image[:2]


def names_of_keras(shapes):
  """Returns what MLPerf Tiny's file holds of these leaves."""
  found = {}
  for theirs, ours in zip(NORMS, ("bn1", *_within("bn1", "bn2")), strict=True):
    layer = f"{theirs}/{theirs}"
    for name, path in family.KERAS.items():
      if path.format(ours) in shapes and name not in ("kernel", "bias"):
        found[f"{layer}/{name}:0"] = shapes[path.format(ours)]
  for theirs, ours in zip(CONVS, KERAS_ORDER, strict=True):
    for name in ("kernel", "bias"):
      found[f"{theirs}/{theirs}/{name}:0"] = shapes[f"params/{ours}/{name}"]
  return {name: drawn(shape) for name, shape in found.items()}


def drawn(shape):
  rng = np.random.default_rng(abs(hash(shape)) % 97)
  return convert.Tensor.of(rng.uniform(0.1, 1, shape).astype(np.float32))


def _within(*names):
  return [f"conv{i}_1/{name}" for i in (2, 3, 4) for name in names]


NORMS = ["batch_normalization"] + [
  f"batch_normalization_{i}" for i in range(1, 7)
]
CONVS = ["conv2d"] + [f"conv2d_{i}" for i in range(1, 9)] + ["dense"]
# Of the published file: a shortcut comes after its block's convolutions.
KERAS_ORDER = (
  *("conv1", "conv2_1/conv1", "conv2_1/conv2"),
  *("conv3_1/conv1", "conv3_1/conv2", "conv3_1/projection"),
  *("conv4_1/conv1", "conv4_1/conv2", "conv4_1/projection", "fc"),
)


def test_keras_numbers_are_layers():
  shapes = shapes_of(ResNet8(10, width=4), (32, 32, 3))
  tensors = names_of_keras(shapes)
  rules = family.tiny_keras(shapes)
  found = convert.convert(tensors, rules, shapes, where="f")
  given = tensors["conv2d_8/conv2d_8/kernel:0"].load()
  ours = found["params/conv4_1/projection/kernel"].load()
  np.testing.assert_array_equal(ours, given)
  del tensors["conv2d_8/conv2d_8/bias:0"]
  with pytest.raises(convert.LayoutMismatch, match="conv4_1/projection/bias"):
    convert.convert(tensors, rules, shapes, where="f")


def shapes_of(model, image):
  x = jax.ShapeDtypeStruct((1, *image), jnp.float32)
  return leaves.shapes(leaves.abstract(model, x))


def run_keras(tensors, x):
  """Returns what torch makes of images x (b, h, w, 3) by a Keras file."""
  torch = library("torch")
  f = torch.nn.functional
  value = lambda layer, name: torch.tensor(tensors[f"{layer}/{layer}/{name}:0"])

  def conv(x, number, stride=1):
    layer = f"conv2d_{number}" if number else "conv2d"
    kernel = value(layer, "kernel").permute(3, 2, 0, 1)
    size, n = kernel.shape[-1], x.shape[-1]
    pad = max((-(-n // stride) - 1) * stride + size - n, 0)  # SAME
    sides = (pad // 2, pad - pad // 2) * 2
    return f.conv2d(f.pad(x, sides), kernel, value(layer, "bias"), stride)

  def norm(x, number):
    names = ("moving_mean", "moving_variance", "gamma", "beta")
    values = [value(NORMS[number], name) for name in names]
    return f.batch_norm(x, *values, eps=1e-3)

  y = norm(conv(parity.nchw(x), 0), 0).relu()
  z = norm(conv(norm(conv(y, 1), 1).relu(), 2), 2)
  y = (y + z).relu()
  for first, scale in ((3, 3), (6, 5)):
    z = norm(conv(norm(conv(y, first, 2), scale).relu(), first + 1), scale + 1)
    y = (conv(y, first + 2, 2) + z).relu()
  kernel = value("dense", "kernel").T
  return f.linear(y.mean((2, 3)), kernel, value("dense", "bias"))


@pytest.mark.slow
@pytest.mark.parametrize("side", [32, 17])
def test_resnet8_pads_as_tensorflow(side):
  model = ResNet8(10, width=4)
  shapes = shapes_of(model, (side, side, 3))
  tensors = {k: x.load() for k, x in names_of_keras(shapes).items()}
  x = parity.images(2, side, side, 3)
  expected = run_keras(tensors, x)
  rules = family.tiny_keras(shapes)
  given = {k: convert.Tensor.of(x) for k, x in tensors.items()}
  given = leaves.read(convert.convert(given, rules, shapes, where="f"))
  parity.same(model.apply(given, x, train=False), expected)


@pytest.mark.slow
def test_lenet_flattens_as_its_convolution():
  torch = library("torch")
  nn = torch.nn
  net = nn.Sequential(
    *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(16, 120, 5), nn.ReLU(), nn.Flatten()),
    *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
  )
  names = {
    *(("0", "convnet.c1"), ("3", "convnet.c3"), ("6", "convnet.c5")),
    *(("9", "fc.f6"), ("11", "fc.f7")),
  }
  check(net, dict(names), family.lenet, LeNet5(10, padding=0), (32, 32, 1))


@pytest.mark.slow
def test_vae_has_a_layer_of_log_variances():
  torch = library("torch")
  nn = torch.nn
  net = parity.randomise(
    nn.ModuleDict(
      {
        "fc1": nn.Linear(16, 6),
        "fc21": nn.Linear(6, 3),
        "fc22": nn.Linear(6, 3),
        "fc3": nn.Linear(3, 6),
        "fc4": nn.Linear(6, 16),
      }
    )
  )
  model = dense_vae(
    *((4, 4, 1),),
    latent=3,
    hidden=(6,),
    activation=jax.nn.relu,
    heads=("mean", "log_sd"),
  )
  x = parity.images(5, 4, 4, 1)
  given = parity.variables(net, family.vae, model, jnp.asarray(x))
  mean, log_sd = model.apply(given, x, method="encode")
  with torch.no_grad():
    h = net["fc1"](torch.tensor(x).flatten(1)).relu()
    parity.same(mean, net["fc21"](h))
    parity.same(np.exp(log_sd), torch.exp(0.5 * net["fc22"](h)))
    logits = net["fc4"](net["fc3"](net["fc21"](h)).relu())
  parity.same(model.apply(given, x).reshape(5, -1), logits)


def option_a_net():
  """Returns a narrow net by the names of the CIFAR-10 ResNets."""
  torch = library("torch")
  nn, f = torch.nn, torch.nn.functional

  class Block(nn.Module):
    def __init__(self, c, d):
      super().__init__()
      stride = 1 if c == d else 2
      self.conv1 = nn.Conv2d(c, d, 3, stride, 1, bias=False)
      self.bn1, self.bn2 = nn.BatchNorm2d(d), nn.BatchNorm2d(d)
      self.conv2 = nn.Conv2d(d, d, 3, 1, 1, bias=False)
      self.more = (d - c) // 2

    def forward(self, x):
      y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
      if self.more:
        x = f.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
      return (x + y).relu()

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
      self.bn1 = nn.BatchNorm2d(4)
      self.layer1 = nn.Sequential(Block(4, 4))
      self.layer2 = nn.Sequential(Block(4, 8), Block(8, 8))
      self.linear = nn.Linear(8, 10)

    def forward(self, x):
      x = self.layer2(self.layer1(self.bn1(self.conv1(x)).relu()))
      return self.linear(x.mean((2, 3)))

  return Net()


@pytest.mark.slow
def test_option_a_pads_before_and_behind():
  fields = {"bottleneck": False, "stem": "small", "shortcut": "A"}
  model = ResNet(10, (1, 2), width=4, zero_init=False, **fields)
  parity.check(
    option_a_net(), family.akamaster, model, parity.images(2, 8, 8, 3)
  )


def check(net, names, layout, model, image):
  """Compares a sequence of torch's with ours, its layers renamed."""
  torch = library("torch")
  parity.randomise(net)
  tensors = {
    re.sub(r"^\d+", lambda m: names[m[0]], name): x
    for name, x in parity.tensors(net).items()
  }
  shapes = shapes_of(model, image)
  found = convert.convert(tensors, layout(shapes), shapes, where="f")
  x = parity.images(3, *image)
  with torch.no_grad():
    expected = net(parity.nchw(x))
  given = leaves.read(found)
  parity.same(model.apply(given, x, train=False), expected)
