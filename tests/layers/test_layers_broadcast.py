"""Gradients in bfloat16 of what is spread over examples, tokens or pixels."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from tests.marks import with_slow
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.dense_to_conv import SlidingDense
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.layers.norm import BatchNorm, LayerNorm
from vision_jax.layers.spectral_norm import SpectralConv, SpectralDense
from vision_jax.layers.upsample import TransposedConv
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.detection.detr import Detr
from vision_jax.models.generation.ddpm_unet import DDPMUNet

HALF = jnp.bfloat16
TOKENS, PIXELS = (256, 64, 8), (16, 64, 64, 4)  # 16,384 and 65,536 places
# Layer, its input's shape, and options of its call.
LAYERS = {
  "dense": (Dense(8, dtype=HALF), TOKENS, {}),
  "spectral_dense": (SpectralDense(8, dtype=HALF), TOKENS, {"train": True}),
  "layer_norm": (LayerNorm(dtype=HALF), TOKENS, {}),
  "conv3": (Conv(4, use_bias=True, dtype=HALF), PIXELS, {}),
  "conv1": (Conv(4, 1, use_bias=True, dtype=HALF), PIXELS, {}),
  "patches": (
    Conv(4, 4, 4, padding=0, use_bias=True, dtype=HALF),
    (16, 256, 256, 1),
    {},
  ),
  "spectral_conv": (SpectralConv(4, dtype=HALF), PIXELS, {"train": True}),
  "transposed": (TransposedConv(4, dtype=HALF), (16, 32, 32, 4), {}),
  "sliding1": (SlidingDense(4, dtype=HALF), PIXELS, {}),
  "sliding3": (SlidingDense(4, (3, 3), dtype=HALF), (16, 66, 66, 4), {}),
  "group_norm": (GroupNorm(2, dtype=HALF), PIXELS, {}),
  "batch_norm": (BatchNorm(dtype=HALF), PIXELS, {"train": True}),
}


@pytest.fixture(scope="module")
def gradients():
  """Each layer's output, the gradient it gets, and those of its parameters."""
  rng = np.random.default_rng(0)
  inputs, cotangents, variables = {}, {}, {}
  for name, (layer, shape, options) in LAYERS.items():
    x = jnp.asarray(rng.normal(size=shape), HALF)
    make = lambda x, m=layer, o=options: m.init_with_output(
      jax.random.key(0), x, **o
    )
    out, shapes = jax.eval_shape(make, x)
    inputs[name] = x
    # Not about zero: a sum of 8 bits that loses what is small shows.
    cotangents[name] = jnp.asarray(1 + 0.3 * rng.normal(size=out.shape), HALF)
    variables[name] = jax.tree.map(
      lambda v: jnp.asarray(0.3 * rng.normal(size=v.shape), v.dtype), shapes
    )

  def run(variables, inputs, cotangents):
    result = {}
    for name, (layer, _, options) in LAYERS.items():
      rest = dict(variables[name])
      params = rest.pop("params")

      def apply(params, m=layer, x=inputs[name], rest=rest, o=options):
        return m.apply({"params": params, **rest}, x, **o, mutable=list(rest))

      y, back, _ = jax.vjp(apply, params, has_aux=True)
      result[name] = y, back(cotangents[name])[0]
    return result

  return jax.jit(run)(variables, inputs, cotangents), cotangents, variables


@pytest.mark.parametrize("name", LAYERS)
def test_of_biases_and_scales_are_sums_in_float64(gradients, name):
  found, cotangents, variables = gradients
  y, got = found[name]
  assert y.dtype == HALF
  exact = lambda a: np.asarray(a, np.float64)
  total = lambda a: a.reshape(-1, a.shape[-1]).sum(0)
  np.testing.assert_allclose(
    got["bias"], total(exact(cotangents[name])), rtol=1e-4
  )
  if "scale" in got:
    params = variables[name]["params"]
    plain = (exact(y) - exact(params["bias"])) / exact(params["scale"])
    # The output, that the oracle is of, is rounded to 8 bits.
    wanted = total(plain * exact(cotangents[name]))
    np.testing.assert_allclose(
      got["scale"], wanted, atol=0.003 * y[..., 0].size
    )


def both_gradients(model, *inputs):
  """Gradients of a net's parameters in bfloat16, and in float64."""
  rng = np.random.default_rng(1)
  shapes = jax.eval_shape(
    lambda *x: model.init(jax.random.key(0), *x, train=False), *inputs
  )["params"]
  params = jax.tree.map(
    lambda s: (0.3 * rng.normal(size=s.shape)).astype(np.float32), shapes
  )

  def gradient(dtype):
    net = model.clone(dtype=dtype)
    loss = lambda p: jnp.mean(net.apply({"params": p}, *inputs, train=False))
    return jax.device_get(jax.jit(jax.grad(loss))(params))

  half = gradient(HALF)
  with jax.enable_x64(True):
    return half, gradient(jnp.float64)


def check_lengths(half, exact, paths):
  found, wanted = (flatten_dict(tree, sep="/") for tree in (half, exact))
  for path in paths:
    a, b = (np.asarray(x[path], np.float64) for x in (found, wanted))
    gap = np.linalg.norm(a - b) / np.linalg.norm(b)
    assert gap < 0.05, (path, gap)


@pytest.mark.parametrize("head", with_slow(["cls", "map"], "map"))
def test_of_a_vits_tables_are_those_of_float64(head):
  """Class token, positions, probe and embedding; 256 images of 64 tokens."""
  model = ViT(4, patch=1, features=8, depth=1, heads=2, mlp_ratio=1, head=head)
  image = np.random.default_rng(0).normal(size=(256, 8, 8, 3))
  half, exact = both_gradients(model, image.astype(np.float32))
  paths = ["positions", "embedding/bias", "norm/scale", "norm/bias"]
  paths += ["cls"] if head == "cls" else ["map/probe"]
  check_lengths(half, exact, paths)


@pytest.mark.slow
def test_of_a_denoisers_times_and_classes_are_those_of_float64():
  """The time's vector is spread over pixels, a class over its examples."""
  model = DDPMUNet(2, 4, (1,), blocks=1, attention=(), groups=2, dropout=0.0)
  rng = np.random.default_rng(0)
  image = rng.normal(size=(64, 16, 16, 1)).astype(np.float32)
  t, label = np.arange(64) % 10, np.zeros(64, np.int32)
  half, exact = both_gradients(model, image, t, label)
  paths = ["label/embedding", "time/dense2/bias", "conv_in/bias"]
  paths += ["down1_block1/time/bias", "down1_block1/conv1/bias"]
  check_lengths(half, exact, [*paths, "norm_out/scale", "norm_out/bias"])


class Levels(nn.Module):
  """A backbone of two levels: the image, and every other pixel."""

  strides = {"c4": 1, "c5": 2}

  def __call__(self, x, *, train, mask, features):
    del train, mask, features
    return {"c4": x, "c5": x[:, ::2, ::2]}


class Boxes(nn.Module):
  """The boxes of a small DETR."""

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, image, *, train):
    small = {"features": 8, "heads": 2, "hidden": 8, "dropout": 0.0}
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    net = Detr(
      *(2, Levels(), ("c4", "c5"), 2),
      **(small | layers),
      dtype=self.dtype,
      name="detr",
    )
    return net(image, train=train)["boxes"]


@pytest.mark.slow
def test_of_a_detrs_tables_are_those_of_float64():
  """A level's vector is spread over pixels."""
  image = np.random.default_rng(0).normal(size=(256, 8, 8, 3))
  half, exact = both_gradients(Boxes(), image.astype(np.float32))
  paths = ("level_positions", "projection_c4/bias", "projection_c5/bias")
  paths += ("encoder1/norm1/scale", "decoder_norm/bias", "box_head/dense3/bias")
  check_lengths(half, exact, [f"detr/{path}" for path in paths])
