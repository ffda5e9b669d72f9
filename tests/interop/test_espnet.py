"""ESPNet of its authors: the published size, a torch rebuild's outputs."""

import functools

import jax
import jax.numpy as jnp
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.interop import published
from vision_jax.interop.families import espnet as family
from vision_jax.models import count
from vision_jax.models.segmentation.espnet import ESPNet

NARROW = {"blocks": (1, 2), "widths": (4, 11, 15)}


def test_it_has_the_published_size():
  _, net = published.find("espnet:camvid")
  # Of the authors' file for CamVid, p = 2 and q = 8.
  assert count.parameters(net.model(), (1, 64, 64, 3)) == 354_517
  assert net.model().num_classes == len(net.class_names) == 12


def test_sides_that_are_no_multiple_of_8_are_padded():
  model, x = ESPNet(3, **NARROW), jnp.zeros((1, 13, 22, 3))
  make = lambda: model.init_with_output(jax.random.key(0), x, train=False)
  assert jax.eval_shape(make)[0].shape == (1, 13, 22, 3)


@pytest.mark.slow
def test_outputs_are_a_torch_rebuilds():
  torch = library("torch")
  theirs = parity.randomise(rebuilt(torch, 5, **NARROW))
  ours, x = ESPNet(5, **NARROW), parity.images(2, 48, 32, 3)
  given = parity.variables(theirs, family.authors, ours, x)
  with torch.no_grad():
    expected = theirs(parity.nchw(x[..., ::-1])).permute(0, 2, 3, 1)
  parity.same(ours.apply(given, x, train=False), expected)


def rebuilt(torch, k, blocks, widths):
  """Returns a torch module of the paper's net, by the authors' names."""
  nn, joined = torch.nn, functools.partial(torch.cat, dim=1)
  norm = functools.partial(nn.BatchNorm2d, eps=1e-3)

  def conv(c, d, size, stride=1, dilation=1):
    padding = dilation * (size - 1) // 2
    return nn.Conv2d(c, d, size, stride, padding, dilation, bias=False)

  class Layer(nn.Module):
    """Any of a convolution, a norm and slopes."""

    def __init__(self, c, d, size=0, stride=1, dilation=1, act=True):
      super().__init__()
      if size:
        self.conv = conv(c, d, size, stride, dilation)
      if act:
        self.bn, self.act = norm(d), nn.PReLU(d)

    def forward(self, x):
      for layer in self.children():
        x = layer(x)
      return x

  def bare(c, d, size, stride=1, dilation=1):
    return Layer(c, d, size, stride, dilation, act=False)

  class Pyramid(nn.Module):
    def __init__(self, c, d, stride=1, add=False):
      super().__init__()
      few, self.add, self.flat = d // 5, add, stride == 2
      self.c1 = bare(c, few, 3 if stride == 2 else 1, stride)
      for rate in (1, 2, 4, 8, 16):
        features = d - 4 * few if rate == 1 else few
        setattr(self, f"d{rate}", bare(few, features, 3, 1, rate))
      if self.flat:
        self.bn, self.act = norm(d), nn.PReLU(d)
      else:
        self.bn = Layer(0, d)

    def forward(self, x):
      y = self.c1(x)
      first, add2 = self.d1(y), self.d2(y)
      add4 = add2 + self.d4(y)
      add8 = add4 + self.d8(y)
      add16 = add8 + self.d16(y)
      y = joined([first, add2, add4, add8, add16])
      y = self.bn(x + y if self.add else y)
      return self.act(y) if self.flat else y

  first, second, third = widths

  class Encoder(nn.Module):
    def __init__(self):
      super().__init__()
      self.level1 = Layer(3, first, 3, 2)
      self.b1 = Layer(0, first + 3)
      self.level2_0 = Pyramid(first + 3, second, 2)
      self.level2 = nn.Sequential(
        *(Pyramid(second, second, add=True) for _ in range(blocks[0]))
      )
      self.b2 = Layer(0, 2 * second + 3)
      self.level3_0 = Pyramid(2 * second + 3, third, 2)
      self.level3 = nn.Sequential(
        *(Pyramid(third, third, add=True) for _ in range(blocks[1]))
      )
      self.b3 = Layer(0, 2 * third)
      self.classifier = bare(2 * third, k, 1)

  up = functools.partial(nn.ConvTranspose2d, k, k, 2, stride=2, bias=False)
  pool = functools.partial(
    torch.nn.functional.avg_pool2d, kernel_size=3, stride=2, padding=1
  )

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.encoder, self.br = Encoder(), norm(k)
      self.up_l3 = nn.Sequential(up())
      self.level3_C = bare(2 * second + 3, k, 1)
      combine = Layer(0, 2 * k), Pyramid(2 * k, k)
      self.combine_l2_l3 = nn.Sequential(*combine)
      self.up_l2 = nn.Sequential(up(), Layer(0, k))
      self.conv = Layer(k + first + 3, k, 3)
      self.classifier = up()

    def forward(self, image):
      net, half = self.encoder, pool(image)
      b1 = net.b1(joined([net.level1(image), half]))
      start = net.level2_0(b1)
      b2 = net.b2(joined([net.level2(start), start, pool(half)]))
      start = net.level3_0(b2)
      b3 = net.b3(joined([start, net.level3(start)]))
      x = self.up_l3(self.br(net.classifier(b3)))
      x = self.combine_l2_l3(joined([self.level3_C(b2), x]))
      x = self.conv(joined([self.up_l2(x), b1]))
      return self.classifier(x)

  return Net()
