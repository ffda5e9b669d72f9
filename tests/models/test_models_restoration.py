"""Nets of restoration: published counts, torch's numbers, what they refuse."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.interop.families import edsr, ffdnet
from vision_jax.interop.rules import IOHW, conv, leaf, norm
from vision_jax.layers.upsample import pixel_shuffle, pixel_unshuffle
from vision_jax.models.count import parameters
from vision_jax.models.restoration.edsr import EDSR
from vision_jax.models.restoration.ffdnet import FFDNET_COLOUR, FFDNet
from vision_jax.models.restoration.fsrcnn import FSRCNN
from vision_jax.models.restoration.msrresnet import MSRResNet
from vision_jax.models.restoration.srcnn import SRCNN
from vision_jax.models.restoration.srresnet import SRResNet
from vision_jax.models.restoration.vdsr import VDSR

KEY = jax.random.key(0)
# name -> module, parameters, kernels alone where those are what is published.
COUNTS = {
  "srcnn": (SRCNN(), 8_129, 8_032),
  "srcnn_9_5_5": (SRCNN(kernels=(9, 5, 5)), 57_281, 57_184),
  "fsrcnn": (FSRCNN(), 12_809, 12_464),
  "edsr_x2": (EDSR(2), 1_369_859, None),
  "edsr_x3": (EDSR(3), 1_554_499, None),
  "edsr_x4": (EDSR(4), 1_517_571, None),
  "msrresnet_x4": (MSRResNet(4), 1_517_571, None),
  # 1,549,462 with one slope for each PReLU, of which there are 19.
  "srresnet_x4": (SRResNet(4), 1_549_462 + 19 * 63, None),
  "vdsr": (VDSR(), 665_921, 664_704),
  "ffdnet_gray": (FFDNet(), 485_316, None),
  "ffdnet_color": (FFDNET_COLOUR(), 852_108, None),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name):
  model, count, kernels = COUNTS[name]
  image = jnp.zeros((1, 8, 8, model.channels))
  shapes = jax.eval_shape(lambda: model.init(KEY, image, train=False))
  sizes = jax.tree.leaves(shapes["params"])
  assert parameters(model, image.shape) == count
  if kernels:
    assert sum(x.size for x in sizes if len(x.shape) == 4) == kernels


@pytest.mark.parametrize("make", [EDSR, MSRResNet, SRResNet, FSRCNN])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_images_become_as_many_times_larger(make, scale):
  model = make(scale, 3)
  out = jax.eval_shape(
    lambda: model.init_with_output(KEY, jnp.zeros((2, 5, 7, 3)), train=False)[0]
  )
  assert out.shape == (2, 5 * scale, 7 * scale, 3) and out.dtype == jnp.float32


@pytest.mark.parametrize(
  ("model", "message"),
  [
    (EDSR(5), "EDSR: got scale 5; expected one of 2, 3, 4, 8"),
    (MSRResNet(6), "MSRResNet: got scale 6"),
    (SRResNet(1), "SRResNet: got scale 1"),
    (FSRCNN(10, 3), "FSRCNN: got scale 10"),
    (SRCNN(3, border="edges"), "border.*edge"),
    (VDSR(1), "image"),  # grey wanted, colours given
    (FFDNet(1), "image"),
  ],
)
def test_what_there_is_no_net_for_is_an_error(model, message):
  image = jnp.zeros((1, 8, 8, 3))
  with pytest.raises((UserError, ValueError), match=message):
    jax.eval_shape(lambda: model.init(KEY, image, train=False))


def test_pixels_are_folded_in_the_order_they_are_laid_out_in():
  x = np.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
  folded = pixel_unshuffle(jnp.asarray(x), 2)
  np.testing.assert_array_equal(folded[0, 0, 0, :4], [0, 3, 18, 21])
  np.testing.assert_array_equal(pixel_shuffle(folded, 2), x)


def check(theirs, layout, ours, shape):
  """Asserts that images come out alike."""
  last = lambda y: y.permute(0, 2, 3, 1)
  parity.check(theirs, layout, ours, parity.images(*shape), out=last)


@pytest.mark.slow
@pytest.mark.parametrize("border", ["edge", "zeros"])
def test_srcnn(border):
  nn = library("torch").nn
  zeros = border == "zeros"
  conv2d = lambda i, o, k: nn.Conv2d(i, o, k, padding=k // 2 if zeros else 0)
  theirs = nn.Sequential(
    nn.Identity() if zeros else nn.ReplicationPad2d(4 + 0 + 2),
    *(conv2d(1, 6, 9), nn.ReLU(), conv2d(6, 5, 1), nn.ReLU()),
    conv2d(5, 1, 5),
  )
  names = {1: 1, 3: 2, 5: 3}
  layout = lambda shapes: [
    rule for i, ours in names.items() for rule in conv(str(i), f"conv{ours}")
  ]
  ours = SRCNN(1, (6, 5), border=border)
  check(theirs, layout, ours, (2, 12, 9, 1))


@pytest.mark.slow
@pytest.mark.parametrize(
  ("scale", "padding", "more"), [(2, 4, 1), (3, 3, 0), (4, 3, 1)]
)
def test_fsrcnn(scale, padding, more):
  nn = library("torch").nn
  conv2d = lambda i, o, k: nn.Conv2d(i, o, k, padding=k // 2)
  sides = [(1, 8, 5), (8, 4, 1), (4, 4, 3), (4, 8, 1)]
  body = []
  for i, o, k in sides:
    body += [conv2d(i, o, k), nn.PReLU(o)]
  theirs = nn.Sequential(
    *body, nn.ConvTranspose2d(8, 1, 9, scale, padding, more)
  )
  names = dict(enumerate(("extract", "shrink", "map1", "expand")))

  def layout(shapes):
    del shapes
    rules = conv("8", "enlarge", axes=IOHW)
    for i, name in names.items():
      rules += conv(str(2 * i), name)
      rules += leaf(rf"{2 * i + 1}\.weight", f"act{i + 1}/slope")
    return rules

  check(theirs, layout, FSRCNN(scale, 1, 8, 4, 1), (2, 9, 7, 1))


@pytest.mark.slow
def test_vdsr_adds_to_what_it_takes():
  nn = library("torch").nn
  conv2d = lambda i, o: nn.Conv2d(i, o, 3, padding=1)
  body = nn.Sequential(
    *(conv2d(1, 6), nn.ReLU(), conv2d(6, 6), nn.ReLU(), conv2d(6, 1))
  )

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.body = body

    def forward(self, x):
      return x + self.body(x)

  layout = lambda shapes: [
    r for i in range(3) for r in conv(rf"body\.{2 * i}", f"conv{i + 1}")
  ]
  check(Net(), layout, VDSR(1, 6, 3), (2, 9, 7, 1))


@functools.cache
def residual():
  """A residual block, by BasicSR's names."""
  nn = library("torch").nn

  class Block(nn.Module):
    def __init__(self, width):
      super().__init__()
      self.conv1 = nn.Conv2d(width, width, 3, padding=1)
      self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
      return x + self.conv2(self.conv1(x).relu())

  return Block


def edsr_net():
  """Returns a narrow EDSR x4, by BasicSR's names."""
  torch = library("torch")
  nn = torch.nn

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv_first = nn.Conv2d(3, 6, 3, padding=1)
      self.body = nn.Sequential(residual()(6), residual()(6))
      self.conv_after_body = nn.Conv2d(6, 6, 3, padding=1)
      larger = lambda: (nn.Conv2d(6, 24, 3, padding=1), nn.PixelShuffle(2))
      self.upsample = nn.Sequential(*larger(), *larger())
      self.conv_last = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x):
      mean = torch.tensor([0.4488, 0.4371, 0.4040])[:, None, None]
      first = self.conv_first((x - mean) * 255)
      y = first + self.conv_after_body(self.body(first))
      return self.conv_last(self.upsample(y)) / 255 + mean

  return Net()


def msrresnet_net():
  """Returns a narrow MSRResNet x3, by BasicSR's names."""
  torch = library("torch")
  nn, leaky = torch.nn, torch.nn.LeakyReLU(0.1)

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv_first = nn.Conv2d(3, 6, 3, padding=1)
      self.body = nn.Sequential(residual()(6), residual()(6))
      self.upconv1 = nn.Conv2d(6, 54, 3, padding=1)
      self.conv_hr = nn.Conv2d(6, 6, 3, padding=1)
      self.conv_last = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, x):
      y = self.upconv1(self.body(leaky(self.conv_first(x))))
      y = leaky(nn.functional.pixel_shuffle(y, 3))
      y = self.conv_last(leaky(self.conv_hr(y)))
      size = [3 * n for n in x.shape[2:]]
      return y + nn.functional.interpolate(
        x, size, mode="bilinear", align_corners=False
      )

  return Net()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["edsr", "msrresnet"])
def test_residual_nets_of_basicsr(name):
  theirs, make, scale = {
    "edsr": (edsr_net, EDSR, 4),
    "msrresnet": (msrresnet_net, MSRResNet, 3),
  }[name]
  ours = make(scale, width=6, blocks=2)
  check(theirs(), edsr.basicsr, ours, (2, 7, 5, 3))


def test_names_of_edsrs_authors_are_all_known():
  ours = EDSR(4, width=4, blocks=2)
  shapes = parity.leaves.shapes(
    parity.leaves.abstract(ours, np.zeros((1, 8, 8, 3), np.float32))
  )
  names = ["head.0", "body.0.body.0", "body.0.body.2", "body.1.body.0"]
  names += ["body.1.body.2", "body.2", "tail.0.0", "tail.0.2", "tail.1"]
  names = [f"{n}.{x}" for n in names for x in ("weight", "bias")]
  rules = edsr.authors(shapes)
  paths = [p for n in names for rule in rules for p in rule.paths(n) or ()]
  assert sorted(paths) == sorted(shapes)
  assert any(r.paths("sub_mean.weight") == () for r in rules)


@pytest.mark.slow
def test_srresnet():
  nn = library("torch").nn
  conv2d = lambda i, o, k=3: nn.Conv2d(i, o, k, padding=k // 2)

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.conv_first, self.act_first = conv2d(3, 6, 9), nn.PReLU(6)
      self.conv1, self.bn1, self.act = conv2d(6, 6), nn.BatchNorm2d(6), None
      self.act = nn.PReLU(6)
      self.conv2, self.bn2 = conv2d(6, 6), nn.BatchNorm2d(6)
      self.conv_body, self.bn_body = conv2d(6, 6), nn.BatchNorm2d(6)
      self.up1, self.up_act1 = conv2d(6, 24), nn.PReLU(6)
      self.conv_last = conv2d(6, 3, 9)

    def forward(self, x):
      first = self.act_first(self.conv_first(x))
      y = self.act(self.bn1(self.conv1(first)))
      y = first + self.bn2(self.conv2(y))
      y = first + self.bn_body(self.conv_body(y))
      y = self.up_act1(nn.functional.pixel_shuffle(self.up1(y), 2))
      return self.conv_last(y)

  layout = lambda shapes: [
    *conv(r"(conv_first|conv_body|conv_last|up1)", "{1}"),
    *conv(r"(conv\d)", "block1/{1}"),
    *norm(r"bn_body", "bn_body"),
    *norm(r"(bn\d)", "block1/{1}"),
    *leaf(r"(act_first|up_act1)\.weight", "{1}/slope"),
    *leaf(r"act\.weight", "block1/act/slope"),
  ]
  check(Net(), layout, SRResNet(2, width=6, blocks=1), (2, 7, 5, 3))


def ffdnet_net():
  """Returns a narrow FFDNet, by its authors' names."""
  torch = library("torch")
  nn = torch.nn
  conv2d = lambda i, o: nn.Conv2d(i, o, 3, padding=1)

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      self.model = nn.Sequential(
        *(conv2d(5, 6), nn.ReLU(), conv2d(6, 6), nn.ReLU(), conv2d(6, 4))
      )

    def forward(self, x, levels=0.0):
      h, w = x.shape[2:]
      x = nn.functional.pad(x, (0, w % 2, 0, h % 2), mode="replicate")
      y = nn.functional.pixel_unshuffle(x, 2)
      level = torch.zeros(len(y), 1, *y.shape[2:]) + levels
      y = self.model(torch.cat([y, level], 1))
      return nn.functional.pixel_shuffle(y, 2)[..., :h, :w]

  return Net()


@pytest.mark.slow
def test_ffdnet_and_its_map_of_noise():
  torch = library("torch")
  theirs, ours = parity.randomise(ffdnet_net()), FFDNet(1, 6, 3)
  images = parity.images(2, 9, 7, 1)  # odd sides
  levels = np.float32([0.1, 0.3])[:, None, None, None]
  with torch.no_grad():
    want = theirs(parity.nchw(images), torch.tensor(levels))
  variables = parity.variables(theirs, ffdnet.kair, ours, images)
  want = want.permute(0, 2, 3, 1).numpy()
  maps = jnp.broadcast_to(levels, (2, 9, 7, 1))
  for noise in (levels.ravel(), maps):
    found = ours.apply(variables, images, noise, train=False)
    np.testing.assert_allclose(found, want, atol=1e-5)
