"""Nets of restoration as others publish them: counts, names, outputs."""

import functools

import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.families import dncnn, espcn, imdn
from vision_jax.interop.tensors import Tensor
from vision_jax.models.count import parameters
from vision_jax.models.restoration.dncnn import DnCNN
from vision_jax.models.restoration.espcn import ESPCN
from vision_jax.models.restoration.imdn import IMDN, IMDN_RTC

COUNTS = {
  "kair:dncnn_25": 555_137,
  "matconvnet:dncnn_25": 555_137,
  "saoyan:dncnn_s_25": 556_032,
  "keras:dncnn_25": 556_096,
  "kair:dncnn_color_blind": 668_227,
  "imdn:imdn_x2": 694_404,
  "imdn:imdn_rtc": 20_190,
  "onnx:super_resolution": 59_657,
}


@pytest.mark.parametrize("source", COUNTS)
def test_counts_are_the_published_files(source):
  net = published.find(source)[1].model()
  channels = getattr(net, "channels", 3)
  assert parameters(net, (1, 8, 8, channels)) == COUNTS[source]


def check(theirs, layout, ours, shape):
  """Asserts that images come out alike."""
  images = parity.images(*shape)
  last = lambda y: y.permute(0, 2, 3, 1)
  parity.check(theirs, layout, ours, images, out=last)


def sequential(*layers):
  torch = library("torch")
  return torch.nn.Sequential(*layers)


def plain_dncnn(depth, width, norm):
  """DnCNN's layers, with a bias where there is no BatchNorm."""
  nn = library("torch").nn
  conv = lambda i, o: nn.Conv2d(i, o, 3, padding=1, bias=not norm)
  layers = [conv(1, width), nn.ReLU()]
  for _ in range(depth - 2):
    layers += [conv(width, width)]
    layers += [nn.BatchNorm2d(width)] if norm else []
    layers += [nn.ReLU()]
  return sequential(*layers, conv(width, 1))


def restores(body, name):
  """A module that takes the noise, which `body` predicts, away."""
  nn = library("torch").nn

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      setattr(self, name, body)

    def forward(self, x):
      return x - getattr(self, name)(x)

  return Net()


@pytest.mark.slow
@pytest.mark.parametrize("norm", [False, True])
def test_dncnn(norm):
  theirs = restores(plain_dncnn(4, 6, norm), "dncnn" if norm else "model")
  ours = DnCNN(1, 6, 4, norm, "none" if norm else "all")
  layout = dncnn.saoyan if norm else dncnn.kair
  check(theirs, layout, ours, (2, 9, 7, 1))


def test_layouts_of_other_formats_give_the_same_leaves():
  """MATLAB's, Keras' and PyTorch's names of one net."""
  ours = DnCNN(1, 5, 4, norm=False, bias="all")
  image = np.zeros((1, 8, 8, 1), np.float32)
  shapes = leaves.shapes(leaves.abstract(ours, image))
  rng = np.random.default_rng(0)
  given = {path: rng.normal(size=shape) for path, shape in shapes.items()}
  theirs = {"torch": {}, "matlab": {"net/layers/1/leak": np.zeros((1, 1))}}
  for i in range(1, 5):
    kernel, bias = (given[f"params/conv{i}/{x}"] for x in ("kernel", "bias"))
    theirs["torch"] |= {
      f"model.{2 * i - 2}.weight": kernel.transpose(3, 2, 0, 1),
      f"model.{2 * i - 2}.bias": bias,
    }
    cell = f"net/layers/{2 * i - 2}/weights"
    theirs["matlab"] |= {
      f"{cell}/0": kernel[..., 0] if i == 4 else kernel,
      f"{cell}/1": bias[:, None],
    }
  for name, layout in (("torch", dncnn.kair), ("matlab", dncnn.matconvnet)):
    tensors = {k: Tensor.of(x) for k, x in theirs[name].items()}
    found = convert.convert(tensors, layout(shapes), shapes, where=name)
    for path, x in given.items():
      np.testing.assert_array_equal(found[path].load(), x, err_msg=path)


def test_keras_names_are_those_of_all_its_layers():
  ours = DnCNN(1, 5, 4, bias="first")
  image = np.zeros((1, 8, 8, 1), np.float32)
  shapes = leaves.shapes(leaves.abstract(ours, image))
  names = {f"conv{k}/conv{k}/kernel:0" for k in (1, 3, 6, 9)}
  names |= {"conv1/conv1/bias:0"}
  moments = ("gamma", "beta", "moving_mean", "moving_variance")
  names |= {f"bn{k}/bn{k}/{x}:0" for k in (4, 7) for x in moments}
  paths = {
    path
    for name in names
    for rule in dncnn.keras(shapes)
    for path in rule.paths(name) or ()
  }
  assert paths == {*shapes}


@functools.cache
def distillation_block():
  torch = library("torch")
  nn, leaky = (
    torch.nn,
    functools.partial(torch.nn.functional.leaky_relu, negative_slope=0.05),
  )

  class Attention(nn.Module):
    def __init__(self, width):
      super().__init__()
      self.conv_du = sequential(
        nn.Conv2d(width, width // 16, 1),
        nn.ReLU(),
        nn.Conv2d(width // 16, width, 1),
        nn.Sigmoid(),
      )

    def forward(self, x):
      std = x.std((2, 3), correction=0, keepdim=True)
      return x * self.conv_du(std + x.mean((2, 3), keepdim=True))

  class Block(nn.Module):
    def __init__(self, width, distilled, attention):
      super().__init__()
      self.sizes, rest = (distilled, width - distilled), width - distilled
      self.c1 = nn.Conv2d(width, width, 3, padding=1)
      self.c2 = nn.Conv2d(rest, width, 3, padding=1)
      self.c3 = nn.Conv2d(rest, width, 3, padding=1)
      self.c4 = nn.Conv2d(rest, distilled, 3, padding=1)
      self.c5 = nn.Conv2d(width, width, 1)
      self.cca = Attention(width) if attention else nn.Identity()

    def forward(self, x):
      rest, parts = x, []
      for conv in (self.c1, self.c2, self.c3):
        part, rest = leaky(conv(rest)).split(self.sizes, 1)
        parts.append(part)
      parts.append(self.c4(rest))
      return x + self.c5(self.cca(torch.cat(parts, 1)))

  return Block


def imdn_net():
  """Returns a narrow net by its authors' names, x3."""
  torch = library("torch")
  nn = torch.nn

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.fea_conv = nn.Conv2d(3, 16, 3, padding=1)
      self.IMDB1 = distillation_block()(16, 4, True)
      self.IMDB2 = distillation_block()(16, 4, True)
      self.c = sequential(nn.Conv2d(32, 16, 1), nn.LeakyReLU(0.05))
      self.LR_conv = nn.Conv2d(16, 16, 3, padding=1)
      self.upsampler = sequential(
        nn.Conv2d(16, 27, 3, padding=1), nn.PixelShuffle(3)
      )

    def forward(self, x):
      first = self.fea_conv(x)
      one = self.IMDB1(first)
      two = self.IMDB2(one)
      trunk = self.LR_conv(self.c(torch.cat([one, two], 1)))
      return self.upsampler(trunk + first)

  return Net()


@pytest.mark.slow
def test_imdn():
  ours = IMDN(3, width=16, distilled=4, blocks=2)
  check(imdn_net(), imdn.authors, ours, (2, 9, 7, 3))


def imdn_rtc_net():
  """Returns a narrow net for real time by its authors' names, x2."""
  nn = library("torch").nn

  class Shortcut(nn.Module):
    def __init__(self):
      super().__init__()
      block = lambda: distillation_block()(8, 2, False)
      self.sub = sequential(block(), block(), nn.Conv2d(8, 8, 1))

    def forward(self, x):
      return x + self.sub(x)

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.model = sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        Shortcut(),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.PixelShuffle(2),
      )

    def forward(self, x):
      return self.model(x)

  return Net()


@pytest.mark.slow
def test_imdn_for_real_time():
  ours = IMDN_RTC(width=8, distilled=2, blocks=2)
  check(imdn_rtc_net(), imdn.authors, ours, (2, 9, 7, 3))


def espcn_net():
  """Returns a narrow net by the example's names, x3."""
  nn = library("torch").nn

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
      self.conv2 = nn.Conv2d(6, 5, 3, padding=1)
      self.conv3 = nn.Conv2d(5, 9, 3, padding=1)

    def forward(self, x):
      y = self.conv2(self.conv1(x).relu()).relu()
      return nn.functional.pixel_shuffle(self.conv3(y), 3)

  return Net()


@pytest.mark.slow
def test_sub_pixel_net():
  ours = ESPCN(3, 1, (6, 5), (5, 3, 3))
  check(espcn_net(), espcn.pytorch, ours, (2, 9, 7, 1))


def test_onnx_numbers_are_a_kernel_and_a_bias_in_turn():
  ours = ESPCN(2, 1, (6,), (5, 3))
  image = np.zeros((1, 8, 8, 1), np.float32)
  shapes = leaves.shapes(leaves.abstract(ours, image))
  paths = [
    path
    for name in "2345"
    for rule in espcn.onnx(shapes)
    for path in rule.paths(name) or ()
  ]
  assert paths[:2] == ["params/conv1/kernel", "params/conv1/bias"]
  assert {*paths} == {*shapes}
