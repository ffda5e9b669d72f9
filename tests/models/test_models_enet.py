"""ENet: the published size, a torch statement's outputs and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.models.segmentation.enet import CONTEXT, ENet

NARROW = {
  "widths": (8, 12, 16),
  "blocks": (0, 0, 0),
  "context": (2, -5),
  "repeats": 1,
}
RNG = np.random.default_rng(0)


def test_it_has_the_published_size():
  x = jnp.zeros((1, 13, 22, 3))  # no multiples of 8
  make = lambda: ENet(12).init_with_output(jax.random.key(0), x, train=False)
  logits, variables = jax.eval_shape(make)
  assert logits.shape == (1, 13, 22, 12)
  sizes = {
    name: sum(a.size for a in jax.tree.leaves(tree))
    for name, tree in variables.items()
  }
  assert sizes["params"] == 363_163
  # The paper: 0.37 million, which is all of a file, with BatchNorm's moments.
  assert round(sum(sizes.values()), -4) == 370_000


@pytest.mark.slow
def test_it_is_the_torch_statement():
  torch = library("torch")
  model = ENet(5, **NARROW)
  x = RNG.normal(size=(2, 24, 32, 3)).astype(np.float32)
  make = lambda: model.init(jax.random.key(0), x, train=False)
  given = jax.tree.map(
    lambda a: (
      RNG.uniform(0.1, 0.4, a.shape).astype(np.float32)
      if len(a.shape) < 4
      else RNG.normal(0, 0.3, a.shape).astype(np.float32)
    ),
    jax.eval_shape(make),
  )
  net = statement(torch, 5, **NARROW)
  net.load_state_dict(_state(torch, given))
  weight = RNG.normal(size=(2, 24, 32, 5)).astype(np.float32)

  @jax.jit
  def run(params, x):
    call = lambda p, x: model.apply({**given, "params": p}, x, train=False)
    logits, pull = jax.vjp(call, params, x)
    return logits, *pull(weight)

  logits, slopes, dx = run(given["params"], x)
  image = torch.tensor(x.transpose(0, 3, 1, 2)).requires_grad_()
  theirs = net.eval()(image)
  theirs.backward(torch.tensor(weight.transpose(0, 3, 1, 2)))
  same(logits, theirs.detach().numpy().transpose(0, 2, 3, 1))
  same(dx, image.grad.numpy().transpose(0, 2, 3, 1))
  expected = {name: p.grad for name, p in net.named_parameters()}
  found = _state(torch, {"params": slopes})
  assert found.keys() == expected.keys()
  for name, gradient in found.items():
    same(gradient, expected[name])


def same(found, expected):
  found, expected = np.asarray(found), np.asarray(expected)
  scale = np.abs(expected).max() + 1e-6
  np.testing.assert_allclose(found / scale, expected / scale, atol=2e-4)


LEAVES = {"kernel": "weight", "scale": "weight", "slope": "weight"}
MOMENTS = {"mean": "running_mean", "var": "running_var"}


def _state(torch, variables):
  """Returns our variables as the statement's, whose paths are ours."""
  state = {}
  for collection in variables.values():
    for path, leaf in jax.tree_util.tree_leaves_with_path(collection):
      *place, name = (key.key for key in path)
      if np.ndim(leaf) == 4:
        up = "fullconv" in place or _doubles(variables["params"], place)
        leaf = np.asarray(leaf).transpose(*((2, 3) if up else (3, 2)), 0, 1)
      name = {**LEAVES, **MOMENTS}.get(name, name)
      state[".".join([*place, name])] = torch.tensor(np.array(leaf))
  return state


def _doubles(params, place):
  """Whether a bottleneck's convolution is a transposed one."""
  return place[-1] == "conv" and "main" in params[place[0]]


def statement(
  torch,
  k,
  widths=(16, 64, 128),
  blocks=(4, 2, 1),
  context=CONTEXT,
  repeats=2,
  dropout=(0.01, 0.1),
):
  """Returns a torch module of the paper's net, by our names."""
  nn, f = torch.nn, torch.nn.functional

  class NormAct(nn.Module):
    def __init__(self, d, act=""):
      super().__init__()
      self.bn = nn.BatchNorm2d(d, eps=1e-3)
      if act == "prelu":
        self.act = nn.PReLU(d)
      self.rectify = act

    def forward(self, x):
      return rectified(self, self.bn(x))

  def rectified(module, x):
    if module.rectify == "prelu":
      return module.act(x)
    return torch.relu(x) if module.rectify else x

  def conv(c, d, size=1, stride=1, padding=0, dilation=1):
    return nn.Conv2d(c, d, size, stride, padding, dilation, bias=False)

  class Bottleneck(nn.Module):
    def __init__(self, c, d, act, rate, kind="same", middle=1):
      super().__init__()
      few, size = d // 4, 2 if kind == "down" else 1
      self.kind, self.rectify, self.more = kind, act, d - c
      self.reduce = conv(c, few, size, size)
      self.reduce_norm = NormAct(few, act)
      if kind == "up":
        self.conv = nn.ConvTranspose2d(few, few, 3, 2, 1, 1, bias=False)
        self.main, self.main_norm = conv(c, d), NormAct(d)
      elif middle > 0:
        self.conv = conv(few, few, 3, 1, middle, middle)
      else:
        n = -middle
        self.rows = conv(few, few, (n, 1), padding=(n // 2, 0))
        self.columns = conv(few, few, (1, n), padding=(0, n // 2))
      self.conv_norm = NormAct(few, act)
      self.expand, self.expand_norm = conv(few, d), NormAct(d)
      self.drop = nn.Dropout2d(rate)
      if act == "prelu":
        self.act = nn.PReLU(d)

    def forward(self, x, index=None):
      y = self.reduce_norm(self.reduce(x))
      y = self.conv(y) if hasattr(self, "conv") else self.columns(self.rows(y))
      y = self.drop(self.expand_norm(self.expand(self.conv_norm(y))))
      if self.kind == "down":
        x, index = f.max_pool2d(x, 2, return_indices=True)
        x = f.pad(x, (0, 0, 0, 0, 0, self.more))
      elif self.kind == "up":
        x = f.max_unpool2d(self.main_norm(self.main(x)), index, 2)
      return rectified(self, x + y), index

  class Net(nn.Module):
    def __init__(self):
      super().__init__()
      half, quarter, eighth = widths
      self.initial = conv(3, half - 3, 3, 2, 1)
      self.initial_norm = NormAct(half, "prelu")
      early, late = (
        lambda *a, act="prelu", rate=rate, **more: Bottleneck(
          *a, act, rate, **more
        )
        for rate in dropout
      )
      self.bottleneck1_0 = early(half, quarter, kind="down")
      self.order = ["bottleneck1_0"]
      for i in range(blocks[0]):
        self.add(f"bottleneck1_{i + 1}", early(quarter, quarter))
      self.add("bottleneck2_0", late(quarter, eighth, kind="down"))
      for stage in range(2, 2 + repeats):
        for i, middle in enumerate(context, stage == 2):
          block = late(eighth, eighth, middle=middle)
          self.add(f"bottleneck{stage}_{i}", block)
      ups = zip((eighth, quarter), (quarter, half), blocks[1:], strict=True)
      for stage, (c, d, count) in enumerate(ups, 2 + repeats):
        block = late(c, d, act="relu", kind="up")
        self.add(f"bottleneck{stage}_0", block)
        for i in range(count):
          self.add(f"bottleneck{stage}_{i + 1}", late(d, d, act="relu"))
      self.fullconv = nn.ConvTranspose2d(half, k, 2, 2)

    def add(self, name, block):
      setattr(self, name, block)
      self.order.append(name)

    def forward(self, x):
      x = torch.cat([self.initial(x), f.max_pool2d(x, 2)], 1)
      x, indices = self.initial_norm(x), []
      for name in self.order:
        block = getattr(self, name)
        index = indices.pop() if block.kind == "up" else None
        x, index = block(x, index)
        if block.kind == "down":
          indices.append(index)
      return self.fullconv(x)

  return Net()
