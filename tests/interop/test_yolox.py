"""YOLOX of its authors: published sizes, a torch statement's outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.interop import published
from vision_jax.interop.families import yolox as family
from vision_jax.models import count
from vision_jax.models.backbones.csp_darknet import CSPDarknet
from vision_jax.models.detection.yolox import YOLOX

# In millions, as the authors' page has them.
PUBLISHED = {
  **{"nano": 0.91, "tiny": 5.06, "s": 8.97, "m": 25.3, "l": 54.2, "x": 99.1}
}
SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in PUBLISHED if n != "s"]


@pytest.mark.parametrize("name", ["s", *SLOW])
def test_it_has_the_published_size(name):
  _, net = published.find(f"megvii:yolox_{name}")
  number = count.parameters(net.model(), (1, 64, 64, 3))
  digits = 1 if PUBLISHED[name] > 10 else 2
  assert round(number / 1e6, digits) == PUBLISHED[name]
  assert net.num_classes == len(net.class_names) == 80
  assert net.class_names[0] == "person" and net.class_names[-1] == "toothbrush"


def made(torch, k, width, blocks, depthwise):
  """Returns a plain torch module of the paper's net, by the authors' names.

  Called with images (b, 3, h, w), blue first: (b, l, 5 + k), of each place of
  all levels a box's centre and size in pixels, the objectness and the classes,
  as logits.
  """
  nn = torch.nn

  class Named(nn.Module):
    def __init__(self, run, **parts):
      super().__init__()
      self.run = run
      for name, part in parts.items():
        self.add_module(name, part)

    def forward(self, *x):
      return self.run(self, *x)

  def base(c, d, size=1, stride=1, groups=1):
    sizes = {"padding": size // 2, "groups": groups, "bias": False}
    return Named(
      lambda self, x: nn.functional.silu(self.bn(self.conv(x))),
      conv=nn.Conv2d(c, d, size, stride, **sizes),
      bn=nn.BatchNorm2d(d, 1e-3),
    )

  def wide(c, d, stride=1):
    if not depthwise:
      return base(c, d, 3, stride)
    return Named(
      lambda self, x: self.pconv(self.dconv(x)),
      dconv=base(c, c, 3, stride, groups=c),
      pconv=base(c, d),
    )

  def bottleneck(d, shortcut):
    return Named(
      lambda self, x: self.conv2(self.conv1(x)) + (x if shortcut else 0),
      conv1=base(d, d),
      conv2=wide(d, d),
    )

  def csp(c, d, n, shortcut):
    both = lambda self, x: torch.cat([self.m(self.conv1(x)), self.conv2(x)], 1)
    return Named(
      lambda self, x: self.conv3(both(self, x)),
      conv1=base(c, d // 2),
      conv2=base(c, d // 2),
      conv3=base(d, d),
      m=nn.Sequential(*[bottleneck(d // 2, shortcut) for _ in range(n)]),
    )

  def spp(d):
    def run(self, x):
      x = self.conv1(x)
      pools = [nn.functional.max_pool2d(x, n, 1, n // 2) for n in (5, 9, 13)]
      return self.conv2(torch.cat([x, *pools], 1))

    return Named(run, conv1=base(d, d // 2), conv2=base(2 * d, d))

  def stem(self, x):
    rows = x[..., ::2, :], x[..., 1::2, :]
    parts = [half[..., i::2] for i in (0, 1) for half in rows]
    return self.conv(torch.cat(parts, 1))

  def body(self, x):
    maps = []
    for part in (self.stem, self.dark2, self.dark3, self.dark4, self.dark5):
      x = part(x)
      maps.append(x)
    return maps[2:]

  w = width
  darknet = Named(
    body,
    stem=Named(stem, conv=base(12, w, 3)),
    dark2=nn.Sequential(wide(w, 2 * w, 2), csp(2 * w, 2 * w, blocks, True)),
    dark3=nn.Sequential(
      wide(2 * w, 4 * w, 2), csp(4 * w, 4 * w, 3 * blocks, True)
    ),
    dark4=nn.Sequential(
      wide(4 * w, 8 * w, 2), csp(8 * w, 8 * w, 3 * blocks, True)
    ),
    dark5=nn.Sequential(
      *(wide(8 * w, 16 * w, 2), spp(16 * w)),
      csp(16 * w, 16 * w, blocks, False),
    ),
  )
  up = lambda x: nn.functional.interpolate(x, scale_factor=2)
  join = lambda *x: torch.cat(x, 1)

  def pafpn(self, x):
    c3, c4, c5 = self.backbone(x)
    p5 = self.lateral_conv0(c5)
    p4 = self.reduce_conv1(self.C3_p4(join(up(p5), c4)))
    n3 = self.C3_p3(join(up(p4), c3))
    n4 = self.C3_n3(join(self.bu_conv2(n3), p4))
    return n3, n4, self.C3_n4(join(self.bu_conv1(n4), p5))

  a, b, c = 4 * w, 8 * w, 16 * w
  neck = Named(
    pafpn,
    backbone=darknet,
    lateral_conv0=base(c, b),
    C3_p4=csp(2 * b, b, blocks, False),
    reduce_conv1=base(b, a),
    C3_p3=csp(2 * a, a, blocks, False),
    bu_conv2=wide(a, a, 2),
    C3_n3=csp(2 * a, b, blocks, False),
    bu_conv1=wide(b, b, 2),
    C3_n4=csp(2 * b, c, blocks, False),
  )
  each = lambda make: nn.ModuleList([make(d) for d in (a, b, c)])
  pair = lambda _: nn.Sequential(wide(a, a), wide(a, a))

  def decoded(self, maps):
    out = []
    for i, x in enumerate(maps):
      x = self.stems[i](x)
      y = self.reg_convs[i](x)
      logits = self.cls_preds[i](self.cls_convs[i](x))
      parts = join(self.reg_preds[i](y), self.obj_preds[i](y), logits)
      h, wide_ = parts.shape[2:]
      rows_, columns = torch.meshgrid(
        torch.arange(h), torch.arange(wide_), indexing="ij"
      )
      place = torch.stack([columns, rows_])
      centre = (parts[:, :2] + place) * 2 ** (3 + i)
      size = parts[:, 2:4].exp() * 2 ** (3 + i)
      out.append(join(centre, size, parts[:, 4:]).flatten(2))
    return torch.cat(out, 2).transpose(1, 2)

  head = Named(
    decoded,
    stems=each(lambda d: base(d, a)),
    cls_convs=each(pair),
    reg_convs=each(pair),
    cls_preds=each(lambda _: nn.Conv2d(a, k, 1)),
    reg_preds=each(lambda _: nn.Conv2d(a, 4, 1)),
    obj_preds=each(lambda _: nn.Conv2d(a, 1, 1)),
  )
  return Named(
    lambda self, x: self.head(self.backbone(x)), backbone=neck, head=head
  )


@pytest.mark.slow
@pytest.mark.parametrize("depthwise", [False, True])
def test_outputs_are_a_torch_statements(depthwise):
  torch, k, w, blocks = library("torch"), 5, 8, 2
  theirs = parity.randomise(made(torch, k, w, blocks, depthwise))
  shared = {"depthwise": depthwise}
  body = CSPDarknet(w, (blocks, 3 * blocks, 3 * blocks, blocks), **shared)
  ours = YOLOX(k, body, features=4 * w, blocks=blocks, **shared)
  x = parity.images(2, 64, 96, 3)
  given = parity.variables(theirs, family.authors, ours, x)
  with torch.no_grad():
    expected = theirs(parity.nchw(x[..., ::-1])).numpy()
  found = jax.jit(lambda v, x: ours.apply(v, x, train=False))(given, x)
  joined = lambda name: np.concatenate(found[name], 1)
  low, high = np.split(joined("boxes"), 2, -1)
  parity.same(
    np.concatenate([(low + high) / 2, high - low], -1), expected[..., :4]
  )
  parity.same(joined("objectness"), expected[..., 4])
  parity.same(joined("logits"), expected[..., 5:])


def test_sides_that_are_no_multiple_of_32_have_maps():
  model, x = YOLOX(3, CSPDarknet(4, (1, 1, 1, 1)), features=8), (1, 75, 100, 3)
  image = jnp.zeros(x)
  make = lambda: model.init_with_output(jax.random.key(0), image, train=False)
  out, _ = jax.eval_shape(make)
  places = [10 * 13, 5 * 7, 3 * 4]
  assert [x.shape for x in out["objectness"]] == [(1, n) for n in places]
