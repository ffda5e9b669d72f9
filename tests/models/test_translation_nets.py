"""Nets of translation: the papers' counts, torch's numbers, what they see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.interop.rules import IOHW, conv, norm
from vision_jax.models.count import parameters
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.models.translation.resnet import (
  ResNetGenerator,
  StyleTransformer,
)
from vision_jax.models.translation.unet import TranslationUNet

KEY = jax.random.key(0)
# As their authors' programs print them (54.414, 11.378, 2.769 and 2.765
# million), exactly.
COUNTS = {
  "unet_256": (TranslationUNet(), 3, 54_413_955),
  "resnet_9": (ResNetGenerator(), 3, 11_378_179),
  # as of PyTorch's example of fast neural style
  "style_transformer": (StyleTransformer(), 3, 1_679_235),
  "patch_70_of_pairs": (PatchGAN(), 6, 2_768_705),
  "patch_70_alone": (PatchGAN(norm="instance"), 3, 2_764_737),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name):
  model, channels, count = COUNTS[name]
  assert parameters(model, (1, 256, 256, channels)) == count


def shape_of(model, shape):
  image = jnp.zeros(shape)
  made = lambda: model.init_with_output(KEY, image, train=False)[0]
  return jax.eval_shape(made).shape


def test_images_keep_their_size_and_patches_have_a_logit_each():
  assert shape_of(TranslationUNet(3, 4), (1, 256, 512, 1)) == (1, 256, 512, 3)
  assert shape_of(ResNetGenerator(1, 4), (1, 20, 32, 3)) == (1, 20, 32, 1)
  assert shape_of(PatchGAN(4), (2, 256, 256, 6)) == (2, 30, 30)


@pytest.mark.parametrize(
  ("model", "shape", "message"),
  [
    (TranslationUNet(3, 4), (1, 256, 128, 3), "got images of 256 x 128; expec"),
    (ResNetGenerator(), (1, 18, 32, 3), "got images of 18 x 32; expected side"),
    (ResNetGenerator(), (1, 4, 32, 3), "divisible by 4, of 8 or more"),
    (PatchGAN(), (1, 16, 64, 6), "expected 24 pixels a side or more"),
    (PatchGAN(norm="group"), (1, 64, 64, 6), "norm: got 'group'; did you mean"),
  ],
)
def test_what_does_not_fit_is_named(model, shape, message):
  with pytest.raises(UserError, match=message):
    shape_of(model, shape)


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch_and_nothing_else(layers, side):
  """By gradients: what one logit depends on is a square of that side."""
  model = PatchGAN(4, layers)
  x = jnp.asarray(parity.images(1, 160, 160, 2))
  variables = model.init(KEY, x, train=False)
  # A slope everywhere: no activation hides a pixel.
  logit = lambda x: model.apply(variables, x, train=False)
  h, w = logit(x).shape[1:]
  grad = jax.grad(lambda x: logit(x)[0, h // 2, w // 2])(x)
  there = np.argwhere(np.abs(np.asarray(grad)[0]).max(-1) > 0)
  low, high = there.min(0), there.max(0)
  assert (
    (high - low + 1).tolist() == [side, side] == [model.receptive_field] * 2
  )
  assert len(there) == side**2


def torch_norm(kind, channels, there=True):
  nn = library("torch").nn
  made = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}[kind]
  return made(channels) if there else nn.Identity()


def torch_unet(depth, width, kind):
  """Pix2pix's generator: each level around the next one."""
  torch = library("torch")
  nn, bias = torch.nn, kind != "batch"
  wide = [width * min(2**i, 8) for i in range(depth)]

  class Level(nn.Module):
    def __init__(self, i):
      super().__init__()
      self.outer, lowest = i == 0, i == depth - 1
      given, made = (3, 3) if self.outer else (wide[i - 1], wide[i - 1])
      self.down = nn.Conv2d(given, wide[i], 4, 2, 1, bias=bias)
      self.down_norm = torch_norm(kind, wide[i], 0 < i < depth - 1)
      self.inner = nn.Identity() if lowest else Level(i + 1)
      joined = wide[i] * (1 if lowest else 2)
      self.up = nn.ConvTranspose2d(
        joined, made, 4, 2, 1, bias=bias or self.outer
      )
      self.up_norm = torch_norm(kind, made, not self.outer)

    def forward(self, x):
      y = x if self.outer else nn.functional.leaky_relu(x, 0.2)
      y = self.inner(self.down_norm(self.down(y)))
      y = self.up_norm(self.up(torch.relu(y)))
      return torch.tanh(y) if self.outer else torch.cat([x, y], 1)

  return Level(0)


def unet_layout(kind, depth):
  def layout(shapes):
    del shapes
    rules = []
    for i in range(depth):
      at = r"inner\." * i
      rules += conv(f"{at}down", f"down{i + 1}")
      rules += conv(f"{at}up", f"up{i + 1}", axes=IOHW)
      if kind == "batch" and i:
        rules += norm(f"{at}up_norm", f"up_norm{i + 1}")
      if kind == "batch" and 0 < i < depth - 1:
        rules += norm(f"{at}down_norm", f"down_norm{i + 1}")
    return rules

  return layout


def last(y):
  """Torch's images with channels last."""
  return y.permute(0, 2, 3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["batch", "instance"])
def test_the_unet_is_torchs(kind):
  ours, theirs = TranslationUNet(3, 4, 5, norm=kind), torch_unet(5, 4, kind)
  x = parity.images(2, 64, 96, 3)
  parity.check(theirs, unet_layout(kind, 5), ours, x, out=last)


def torch_resnet(width, blocks):
  nn = library("torch").nn

  class Block(nn.Module):
    def __init__(self, c):
      super().__init__()
      half = lambda: [
        nn.ReflectionPad2d(1),
        nn.Conv2d(c, c, 3),
        nn.InstanceNorm2d(c),
      ]
      self.body = nn.Sequential(*half(), nn.ReLU(), *half())

    def forward(self, x):
      return x + self.body(x)

  after = lambda c: [nn.InstanceNorm2d(c), nn.ReLU()]
  w = width
  return nn.Sequential(
    *(nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), *after(w)),
    *(nn.Conv2d(w, 2 * w, 3, 2, 1), *after(2 * w)),
    *(nn.Conv2d(2 * w, 4 * w, 3, 2, 1), *after(4 * w)),
    *[Block(4 * w) for _ in range(blocks)],
    *(nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), *after(2 * w)),
    *(nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1), *after(w)),
    *(nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh()),
  )


@pytest.mark.slow
def test_the_resnet_is_torchs():
  blocks = 2

  def layout(shapes):
    del shapes
    rules = conv("1", "conv_in") + conv("4", "down1") + conv("7", "down2")
    for i in range(blocks):
      rules += conv(rf"{10 + i}\.body\.1", f"block{i + 1}/conv1")
      rules += conv(rf"{10 + i}\.body\.5", f"block{i + 1}/conv2")
    up = 10 + blocks
    rules += conv(str(up), "up1", axes=IOHW)
    rules += conv(str(up + 3), "up2", axes=IOHW)
    return rules + conv(str(up + 7), "conv_out")

  ours, x = ResNetGenerator(3, 4, blocks), parity.images(2, 20, 28, 3)
  parity.check(torch_resnet(4, blocks), layout, ours, x, out=last)


def torch_transformer(width, blocks):
  """Johnson's net as PyTorch's example has it, and a tanh."""
  nn = library("torch").nn

  def convolved(c, d, kernel, stride=1):
    return nn.Sequential(
      nn.ReflectionPad2d(kernel // 2),
      nn.Conv2d(c, d, kernel, stride),
      nn.InstanceNorm2d(d, affine=True),
    )

  class Block(nn.Module):
    def __init__(self, c):
      super().__init__()
      self.first, self.second = convolved(c, c, 3), convolved(c, c, 3)

    def forward(self, x):
      return x + self.second(self.first(x).relu())

  w, double = width, nn.Upsample(scale_factor=2, mode="nearest")
  return nn.Sequential(
    *(convolved(3, w, 9), nn.ReLU(), convolved(w, 2 * w, 3, 2), nn.ReLU()),
    *(convolved(2 * w, 4 * w, 3, 2), nn.ReLU()),
    *[Block(4 * w) for _ in range(blocks)],
    *(double, convolved(4 * w, 2 * w, 3), nn.ReLU()),
    *(double, convolved(2 * w, w, 3), nn.ReLU()),
    *(nn.ReflectionPad2d(4), nn.Conv2d(w, 3, 9), nn.Tanh()),
  )


@pytest.mark.slow
def test_the_transformer_of_styles_is_torchs():
  blocks = 2

  def layout(shapes):
    del shapes
    places = {"0": "_in", "2": "down1", "4": "down2"}
    places |= {str(7 + blocks): "up1", str(10 + blocks): "up2"}
    rules = conv(str(13 + blocks), "conv_out")
    for at, name in places.items():
      normed = name.replace("down", "down_norm").replace("up", "up_norm")
      normed = "norm_in" if name == "_in" else normed
      rules += conv(rf"{at}\.1", "conv_in" if name == "_in" else name)
      rules += norm(rf"{at}\.2", normed)
    for i in range(blocks):
      for number, half in ((1, "first"), (2, "second")):
        block = f"block{i + 1}"
        rules += conv(rf"{6 + i}\.{half}\.1", f"{block}/conv{number}")
        rules += norm(rf"{6 + i}\.{half}\.2", f"{block}/norm{number}")
    return rules

  ours = StyleTransformer(width=4, blocks=blocks)
  x = parity.images(2, 20, 28, 3)
  parity.check(torch_transformer(4, blocks), layout, ours, x, out=last)


@pytest.mark.slow
def test_the_discriminator_is_torchs():
  nn = library("torch").nn
  leaky = lambda: nn.LeakyReLU(0.2)
  theirs = nn.Sequential(
    *(nn.Conv2d(6, 4, 4, 2, 1), leaky()),
    *(nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), leaky()),
    *(nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), leaky()),
    *(nn.Conv2d(16, 32, 4, 1, 1, bias=False), nn.BatchNorm2d(32), leaky()),
    nn.Conv2d(32, 1, 4, 1, 1),
  )

  def layout(shapes):
    del shapes
    rules = conv("0", "conv1") + conv("11", "head")
    for i, at in ((2, 2), (3, 5), (4, 8)):
      rules += conv(str(at), f"conv{i}") + norm(str(at + 1), f"norm{i}")
    return rules

  x = parity.images(2, 64, 48, 6)
  parity.check(theirs, layout, PatchGAN(4), x, out=lambda y: y[:, 0])
