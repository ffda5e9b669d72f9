"""CARN-M as others publish it: count, names, outputs."""

import functools

import pytest

from tests.interop.test_restoration_families import check, sequential
from tests.oracles import library
from vision_jax.interop import published
from vision_jax.interop.families import carn
from vision_jax.models.count import parameters
from vision_jax.models.restoration.carn import CARN


def test_the_count_is_that_of_the_file_with_all_scales():
  net = published.find("carn:carn_m_x3")[1].model()
  assert parameters(net, (1, 8, 8, 3)) == 414_811


@functools.cache
def carn_module():
  torch = library("torch")
  nn = torch.nn
  grouped = lambda i, o: nn.Conv2d(i, o, 3, padding=1, groups=4)

  class Shift(nn.Module):
    def __init__(self):
      super().__init__()
      self.shifter = nn.Conv2d(3, 3, 1)

    def forward(self, x):
      return self.shifter(x)

  class Body(nn.Module):
    def __init__(self, *layers):
      super().__init__()
      self.body = sequential(*layers)

    def forward(self, x):
      return self.body(x)

  class Residual(Body):
    def __init__(self, d):
      last = nn.Conv2d(d, d, 1)
      relu = nn.ReLU()
      super().__init__(grouped(d, d), relu, grouped(d, d), relu, last)

    def forward(self, x):
      return (x + self.body(x)).relu()

  def cascade(module, x, blocks):
    outputs, y = x, x
    for i, block in enumerate(blocks, 1):
      outputs = torch.cat([outputs, block(y)], 1)
      y = getattr(module, f"c{i}")(outputs)
    return y

  def fuse(module, d):
    for i in (1, 2, 3):
      setattr(module, f"c{i}", Body(nn.Conv2d((i + 1) * d, d, 1), nn.ReLU()))

  class Cascade(nn.Module):
    def __init__(self, d):
      super().__init__()
      self.b1 = Residual(d)
      fuse(self, d)

    def forward(self, x):
      return cascade(self, x, [self.b1] * 3)

  class Net(nn.Module):
    def __init__(self, d, scale):
      super().__init__()
      self.scale = scale
      self.sub_mean, self.add_mean = Shift(), Shift()
      self.entry = nn.Conv2d(3, d, 3, padding=1)
      self.b1, self.b2, self.b3 = (Cascade(d) for _ in range(3))
      fuse(self, d)
      larger = lambda s: (grouped(d, s * s * d), nn.ReLU(), nn.PixelShuffle(s))
      self.upsample = nn.ModuleDict(
        {
          "up2": Body(*larger(2)),
          "up3": Body(*larger(3)),
          "up4": Body(*larger(2), *larger(2)),
        }
      )
      self.exit = nn.Conv2d(d, 3, 3, padding=1)

    def forward(self, x):
      y = self.entry(self.sub_mean(x))
      y = cascade(self, y, [self.b1, self.b2, self.b3])
      y = self.upsample[f"up{self.scale}"](y)
      return self.add_mean(self.exit(y))

  return Net


@pytest.mark.slow
@pytest.mark.parametrize("scale", [3, 4])
def test_carn_m(scale):
  ours = CARN(scale, width=8)
  theirs = carn_module()(8, scale)
  check(theirs, carn.authors, ours, (1, 6, 5, 3))
