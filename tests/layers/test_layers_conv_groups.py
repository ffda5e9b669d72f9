"""Grouped, depthwise and oblong convolutions: torch's numbers, both forms."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers.conv import Conv, convolve
from vision_jax.models import count

# c, d, groups, (k, l), stride, padding, dilation: joined and single groups,
# depthwise ones with every rest of a stride, a multiplier, 1x7 beside 7x1.
CASES = {
  "joined": (32, 48, 16, (3, 3), 1, 1, 1),
  "apart": (64, 32, 4, (3, 3), 2, 1, 1),
  "grouped_1x1": (32, 32, 2, (1, 1), 2, 0, 1),
  "small_map": (32, 32, 2, (11, 9), 1, 5, 1),
  "depthwise": (6, 6, 6, (3, 3), 1, 1, 1),
  "depthwise_strided": (6, 6, 6, (3, 3), 2, 1, 1),
  "depthwise_rest": (6, 6, 6, (5, 3), 3, 0, 1),
  "depthwise_dilated": (6, 6, 6, (3, 5), 2, 4, 2),
  "depthwise_7x7": (6, 6, 6, (7, 7), 1, 3, 1),
  "multiplied": (6, 12, 6, (3, 3), 1, 1, 1),
  "wide": (6, 5, 1, (1, 7), 1, (0, 3), 1),
  "tall": (6, 5, 1, (7, 1), 2, (3, 0), 1),
}


def torchs(x, w, weight, *options):
  """torch's y, dx and dw, in our order of axes."""
  torch = library("torch")
  tx, tw = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(w)
  tx, tw = tx.requires_grad_(), tw.permute(3, 2, 0, 1).requires_grad_()
  y = torch.nn.functional.conv2d(tx, tw, None, *options)
  weight = weight(y.permute(0, 2, 3, 1).shape)
  y.backward(torch.tensor(weight).permute(0, 3, 1, 2))
  all_of = (y.permute(0, 2, 3, 1), tx.grad.permute(0, 2, 3, 1))
  found = (*all_of, tw.grad.permute(2, 3, 1, 0))
  return [a.detach().numpy() for a in found], weight


@pytest.mark.parametrize("on", [True, False], ids=["cpu", "first"])
@pytest.mark.parametrize("name", CASES)
def test_groups_equal_torch_in_float64(name, on):
  c, d, groups, sides, stride, padding, dilation = CASES[name]
  rng = np.random.default_rng(0)
  x = rng.normal(size=(3, 11, 10, c))
  w = rng.normal(size=(*sides, c // groups, d))
  expected, weight = torchs(
    *(x, w, lambda shape: rng.normal(size=shape)),
    *(stride, padding, dilation, groups),
  )

  @jax.jit
  def all_of(x, w, weight):
    fn = lambda x, w: convolve(x, w, stride, padding, dilation, groups)
    y, pull = jax.vjp(fn, x, w)
    return y, *pull(weight)

  with cpu_forms(on):
    found = all_of(*map(jnp.float32, (x, w, weight)))
  for ours, theirs in zip(found, expected, strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_form_leaves_no_groups_to_xla():
  text = {}
  for name in ("joined", "depthwise_7x7"):
    c, d, groups, sides, *_ = CASES[name]
    args = jnp.ones((2, 9, 9, c)), jnp.ones((*sides, c // groups, d))
    for on in (True, False):
      run = lambda x, w, n=groups: convolve(x, w, padding=1, groups=n)
      with cpu_forms(on):
        text[name, on] = jax.jit(run).lower(*args).as_text()
  grouped = lambda t: re.search(r"feature_group_count = (?!1 :)\d", t)
  assert [bool(grouped(t)) for t in text.values()] == [False, True] * 2
  assert text["joined", True].count("stablehlo.convolution(") == 2
  assert "stablehlo.convolution(" not in text["depthwise_7x7", True]


def test_flops_are_those_of_the_groups_in_either_form():
  for name, products in (("joined", 18), ("depthwise_7x7", 49)):
    c, d, groups, kernel, *_ = CASES[name]
    layer = Conv(d, kernel, groups=groups)
    x = jnp.ones((2, 9, 9, c))
    variables = layer.init(jax.random.key(0), x)
    for on in (True, False):
      with cpu_forms(on):
        flops = count.flops(layer.apply, variables, x)
      assert flops == 2 * (2 * 9 * 9 * d) * products


def test_groups_that_do_not_divide_are_an_error():
  x = jax.ShapeDtypeStruct((1, 8, 8, 6), jnp.float32)
  for features, groups in ((6, 4), (8, 3)):
    layer = Conv(features, groups=groups)
    with pytest.raises(ValueError, match=f"groups={groups} for 6 channels"):
      jax.eval_shape(layer.init, jax.random.key(0), x)
