"""The nets as plain torch has them, by the names of `vision_jax.models`."""

import itertools

import torch
from torch import nn

from benchmarks.compare.models import MODELS

RESNETS = {
  "resnet18": ((2, 2, 2, 2), False),
  "resnet50": ((3, 4, 6, 3), True),
  "resnet101": ((3, 4, 23, 3), True),
}


def make(model: str, side: int) -> nn.Module:
  """Returns a net for images of this side, with the published classes."""
  if model == "unet":
    return UNet()
  if model == "resnet20":
    return ResNet((3, 3, 3), False, width=16, classes=10, small=True)
  if model in RESNETS:
    return ResNet(*RESNETS[model])
  return ViT(MODELS[model].width, MODELS[model].heads, side)


class ResNet(nn.Module):
  """A residual net (He et al., 2015), its stride in 3x3 convolutions ("v1.5").

  Args:
    stages: blocks in each.
    bottleneck: whether blocks are bottlenecks.
    width: features of the first stage.
    classes: how many.
    small: whether it is CIFAR's: a 3x3 stem, and option A's shortcuts.
  """

  def __init__(
    self,
    stages: tuple[int, ...],
    bottleneck: bool,
    width: int = 64,
    classes: int = 1000,
    small: bool = False,
  ):
    super().__init__()
    stem = [_normed(3, width, 3 if small else 7, 1 if small else 2), nn.ReLU()]
    stem += [] if small else [nn.MaxPool2d(3, 2, padding=1)]
    blocks, c = [], width
    for stage, count in enumerate(stages):
      for block in range(count):
        d, stride = width * 2**stage, 2 if stage and not block else 1
        blocks.append(_Residual(c, d, stride, bottleneck, small))
        c = 4 * d if bottleneck else d
    self.body = nn.Sequential(*stem, *blocks)
    self.fc = nn.Linear(c, classes)

  def forward(self, x):
    """Maps images (b, 3, h, w) to logits (b, k)."""
    return self.fc(self.body(x).mean((2, 3)))


class ViT(nn.Module):
  """A vision transformer (Dosovitskiy et al., 2021) of 12 blocks, patch 16.

  Args:
    d: features of a token.
    heads: of attention.
    side: of the images.
  """

  def __init__(self, d: int, heads: int, side: int):
    super().__init__()
    self.embedding = nn.Conv2d(3, d, 16, 16)
    self.cls = nn.Parameter(torch.zeros(1, 1, d))
    length = 1 + (side // 16) ** 2
    self.positions = nn.Parameter(0.02 * torch.randn(1, length, d))
    blocks = (_Transformer(d, heads) for _ in range(12))
    self.blocks = nn.Sequential(*blocks, nn.LayerNorm(d, 1e-6))
    self.head = nn.Linear(d, 1000)

  def forward(self, x):
    """Maps images (b, 3, h, w) to logits (b, 1000)."""
    x = self.embedding(x).flatten(2).transpose(1, 2)
    x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
    return self.head(self.blocks(x + self.positions)[:, 0])


class UNet(nn.Module):
  """The paper's U-Net (Ronneberger et al., 2015): of one channel, two classes.

  Without padding and BatchNorm: 572 x 572 gives 388 x 388.
  """

  def __init__(self):
    super().__init__()
    widths = [64, 128, 256, 512, 1024]
    pairs = itertools.pairwise([1, *widths])
    self.down = nn.ModuleList(_twice(c, d) for c, d in pairs)
    ups = widths[-2::-1]
    double = (nn.ConvTranspose2d(2 * d, d, 2, stride=2) for d in ups)
    self.upsample = nn.ModuleList(double)
    self.up = nn.ModuleList(_twice(2 * d, d) for d in ups)
    self.head = nn.Conv2d(64, 2, 1)

  def forward(self, x):
    """Maps images (b, 1, h, w) to logits (b, 2, h - 184, w - 184)."""
    across = []
    for level, block in enumerate(self.down):
      x = block(nn.functional.max_pool2d(x, 2) if level else x)
      across.append(x)
    ups = zip(self.upsample, self.up, across[-2::-1], strict=True)
    for double, block, left in ups:
      x = double(x)
      top = (left.shape[2] - x.shape[2]) // 2
      side = (left.shape[3] - x.shape[3]) // 2
      left = left[:, :, top : top + x.shape[2], side : side + x.shape[3]]
      x = block(torch.cat([left, x], 1))
    return self.head(x)


class _Residual(nn.Module):
  """Two 3x3 convolutions, or 1x1, 3x3 and 1x1, and a shortcut."""

  def __init__(
    self, c: int, d: int, stride: int, bottleneck: bool, subsample: bool
  ):
    super().__init__()
    if bottleneck:
      self.branch = nn.Sequential(
        *(_normed(c, d, 1), nn.ReLU(), _normed(d, d, 3, stride), nn.ReLU()),
        _normed(d, 4 * d, 1),
      )
    else:
      self.branch = nn.Sequential(
        *(_normed(c, d, 3, stride), nn.ReLU(), _normed(d, d, 3))
      )
    out = 4 * d if bottleneck else d
    self.shortcut = nn.Identity()
    if out != c and subsample:
      self.shortcut = _Subsample(stride, out - c)
    elif out != c:
      self.shortcut = _normed(c, out, 1, stride)

  def forward(self, x):
    return torch.relu(self.branch(x) + self.shortcut(x))


class _Subsample(nn.Module):
  """Every other pixel, with zeros for channels that are new: option A."""

  def __init__(self, stride: int, more: int):
    super().__init__()
    self.stride, self.more = stride, more

  def forward(self, x):
    x, half = x[:, :, :: self.stride, :: self.stride], self.more // 2
    return nn.functional.pad(x, (0, 0, 0, 0, half, self.more - half))


class _Transformer(nn.Module):
  """Attention and an MLP, each after a norm."""

  def __init__(self, d: int, heads: int):
    super().__init__()
    self.heads = heads
    self.before, self.between = nn.LayerNorm(d, 1e-6), nn.LayerNorm(d, 1e-6)
    self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
    mlp = nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d)
    self.mlp = nn.Sequential(*mlp)

  def forward(self, x):
    b, n, d = x.shape
    qkv = self.qkv(self.before(x)).view(b, n, 3, self.heads, d // self.heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    seen = nn.functional.scaled_dot_product_attention(q, k, v)
    x = x + self.out(seen.transpose(1, 2).reshape(b, n, d))
    return x + self.mlp(self.between(x))


def _normed(c: int, d: int, kernel: int, stride: int = 1) -> nn.Sequential:
  conv = nn.Conv2d(c, d, kernel, stride, padding=kernel // 2, bias=False)
  return nn.Sequential(conv, nn.BatchNorm2d(d))


def _twice(c: int, d: int) -> nn.Sequential:
  convs = nn.Conv2d(c, d, 3), nn.Conv2d(d, d, 3)
  return nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU())
