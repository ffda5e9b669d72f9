"""Counting multiply-adds: published metrics, gradients, loops, the command."""

import functools

import jax
import jax.numpy as jnp
import pytest

from tests.programs.lowering import pretend
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers.attention import attend
from vision_jax.models import count, listing
from vision_jax.models.__main__ import main

# GMACs of torchvision 0.29's weight metadata, one 224 x 224 image.
TORCHVISION = {
  "resnet18": 1.814,
  "resnet34": 3.664,
  "resnet50": 4.089,
  "resnet101": 7.801,
  "resnet152": 11.514,
  "alexnet": 0.714,
  "vgg16": 15.47,
  "mobilenet_v2": 0.301,
  "mobilenet_v3_small": 0.057,
  "densenet121": 2.834,
  "googlenet": 1.498,
  "inception_v3": 5.713,
  "resnext50_32x4d": 4.23,
  "vit_b16": 17.564,
  "vit_b32": 4.409,
  "vit_l16": 61.555,
}
matrix = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.float32)


DEEP = {"densenet121", "googlenet", "inception_v3", "resnet152"}


@pytest.mark.parametrize(
  "name",
  [
    pytest.param(name, marks=[pytest.mark.slow] * (name in DEEP))
    for name in TORCHVISION
  ],
)
def test_multiply_adds_are_torchvisions(name):
  entry = listing.find(name)
  _, flops = count.forward_cost(entry.make(), entry.shape())
  assert round(flops / 2e9, 3) == TORCHVISION[name]


def test_cost_does_not_depend_on_forms_and_grows_with_the_batch():
  entry = listing.find("resnet50")
  fields = {"width": 8, "stages": (1, 1, 1, 1)}
  costs = []
  for on in (True, False):
    with cpu_forms(on):
      for batch in (1, 3):
        shape = entry.shape(batch, image_size=64)
        costs.append(count.forward_cost(entry.make(**fields), shape)[1])
  assert costs[0] == costs[2]
  assert costs[1] == costs[3] == 3 * costs[0]


@pytest.mark.parametrize("name", ["resnet50", "vit_ti16"])
@pytest.mark.parametrize("on", [True, False])
def test_a_gradient_costs_twice_the_forward_pass(name, on):
  model = listing.find(name).make()
  x = matrix((8, 64, 64, 3))  # of fewer, the padding of small maps counts
  variables = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros(x.shape), train=False)
  )
  loss = lambda v, x: model.apply(v, x, train=False).sum()
  with cpu_forms(on):
    forward = count.flops(loss, variables, x)
    both = count.flops(jax.grad(loss), variables, x)
  # Less than 3: nothing flows into the image. Padding counts a little more.
  assert 2.8 < both / forward < 3.05


def test_loops_branches_and_calls():
  a, b = matrix((2, 3)), matrix((3, 3))
  product = 2 * 2 * 3 * 3
  scan = lambda a, b: jax.lax.scan(lambda c, _: (c @ b, None), a, None, 5)[0]
  branch = lambda a, b: jax.lax.cond(
    a[0, 0] > 0, lambda: a @ b @ b, lambda: a @ b
  )
  assert count.flops(jnp.matmul, a, b) == product
  assert count.flops(jax.jit(jnp.matmul), a, b) == product
  assert count.flops(jax.checkpoint(jnp.matmul), a, b) == product
  assert count.flops(scan, a, b) == 5 * product
  assert count.flops(branch, a, b) == 2 * product
  batched = matrix((7, 2, 3)), matrix((7, 3, 3))
  assert count.flops(jax.vmap(jnp.matmul), *batched) == 7 * product


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolutions_gradients_cost_what_it_does(groups, stride):
  x, w = matrix((2, 8, 8, 4)), matrix((2, 2, 4 // groups, 6))
  side = 8 // stride

  def convolve(x, w):
    return jax.lax.conv_general_dilated(
      x,
      w,
      (stride, stride),
      [(0, stride == 1)] * 2,
      dimension_numbers=("NHWC", "HWIO", "NHWC"),
      feature_group_count=groups,
    )

  forward = 2 * 2 * side * side * 6 * 2 * 2 * 4 // groups
  assert count.flops(convolve, x, w) == forward
  for argument in (0, 1):
    grad = jax.grad(lambda *args: convolve(*args).sum(), argument)
    assert count.flops(grad, x, w) == 2 * forward


@pytest.mark.parametrize("masked", [False, True])
def test_attention_costs_the_same_by_cudnn(masked):
  shape = (2, 64, 2, 32)
  args = [jax.ShapeDtypeStruct(shape, jnp.bfloat16)] * 3
  mask = jnp.ones((2, 1, 1, 64), bool) if masked else None
  loss = lambda *qkv: attend(*qkv, mask).astype(jnp.float32).sum()
  product = 2 * 2 * 2 * 64 * 64 * 32
  for argnums, products in ((None, 2), ((0, 1, 2), 6)):
    # A new function each time: what was traced before is remembered.
    fn = lambda *a, n=argnums: (jax.grad(loss, n) if n else loss)(*a)
    here = count.flops(lambda *a, fn=fn: fn(*a), *args)
    with pretend("gpu"):
      program = jax.make_jaxpr(lambda *a, fn=fn: fn(*a))(*args)
      there = count.flops(lambda *a, fn=fn: fn(*a), *args)
    assert "dot_product_attention" in str(program)
    assert here == there == products * product


def test_the_command_lists_models(capsys):
  assert main(["--filter=^resnet(50|20)$", "--image_size=64"]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in lines[1:-1]] == ["resnet20", "resnet50"]
  assert "64x64x3" in lines[2]
  assert "25,557,032" in lines[2]
  assert "2 FLOPs" in lines[-1]


@pytest.mark.parametrize(
  ("name", "millions"),
  [
    ("unet", 31.0),
    ("fcn8s", 134.5),
    ("segnet_basic", 1.4),
    ("detr_r50", 41.6),  # the paper's 41.5, and 0.05 of BatchNorm
    pytest.param("deformable_detr_r50", 40.1, marks=pytest.mark.slow),
    ("ddpm_cifar10", 35.7),
  ],
)
def test_other_tasks_models_have_the_papers_sizes(name, millions):
  entry = listing.find(name)
  parameters, flops = count.forward_cost(entry.make(), entry.shape())
  assert round(parameters / 1e6, 1) == millions
  assert flops > 0


def test_the_command_says_what_is_wrong(capsys):
  assert main(["--filter=zfnet"]) == 2
  assert "resnet50" in capsys.readouterr().err
  assert main(["--filter=vit_s16", "--image_size=100"]) == 0
  assert "multiples of the patch, 16" in capsys.readouterr().out
  with pytest.raises(ValueError, match="'zfnet'; expected one of mlp"):
    listing.find("zfnet")
