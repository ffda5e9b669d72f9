"""The numbers that textbooks and courses print, against our layers.

Shapes and counts are of `eval_shape`, which computes nothing; values are those
that one finds with a pencil.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.layers.conv import Conv, convolve, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.losses.segmentation import soft_jaccard
from vision_jax.losses.style import gram
from vision_jax.models.backbones.vgg import VGG19
from vision_jax.models.backbones.vit import ViT, variant


def shapes(module, image, **options):
  """Returns the parameters' and the output's shapes for one image (h, w, c)."""
  x = jax.ShapeDtypeStruct((1, *image), jnp.float32)
  run = lambda x: module.init_with_output(jax.random.key(0), x, **options)
  out, variables = jax.eval_shape(run, x)
  return variables["params"], out.shape[1:]


def count(params):
  """Returns the number of parameters."""
  return sum(math.prod(x.shape) for x in jax.tree.leaves(params))


def grey(rows):
  """Returns an image (1, h, w, 1) of rows of numbers."""
  return np.asarray(rows, np.float32)[None, ..., None]


def test_a_convolution_by_hand():
  image = grey([[4, 7, 1], [2, 6, 9], [8, 5, 3]])
  kernel = np.asarray([[1.0, -1], [0, 2]], np.float32)[..., None, None]
  # 4 - 7 + 2 * 6 = 9, and so on.
  found = jax.jit(convolve)(image, kernel)[0, ..., 0]
  np.testing.assert_array_equal(found, [[9, 24], [6, 3]])


def test_layers_cross_correlate_where_scipy_convolves():
  """A convolution turns its kernel by half a turn, which negates this one."""
  signal = library("scipy.signal")
  image = np.zeros((8, 8), np.float32)
  image[:, 4:] = 1
  image[5:, 2] = 3
  kernel = np.asarray([[-1, 0, 1]] * 3, np.float32)
  ours = jax.jit(convolve)(grey(image), kernel[..., None, None])[0, ..., 0]
  assert ours.shape == (6, 6) and ours[0, 2] == 3  # brighter on the right
  correlated = signal.correlate2d(image, kernel, "valid")
  np.testing.assert_array_equal(ours, correlated)
  np.testing.assert_array_equal(
    ours, -signal.convolve2d(image, kernel, "valid")
  )


@pytest.mark.parametrize(
  ("side", "kernel", "stride", "expected"),
  [(256, 5, 2, 126), (32, 5, 1, 28), (6, 3, 1, 4)],
)
def test_sides_of_a_convolution(side, kernel, stride, expected):
  conv = Conv(64, kernel, stride, padding=0)
  _, shape = shapes(conv, (side, side, 3))
  assert shape == (expected, expected, 64)
  assert expected == (side - kernel) // stride + 1


def test_a_pooling_by_hand():
  image = grey([[1, 3, 2, 1], [4, 6, 5, 0], [7, 2, 9, 8], [1, 0, 3, 4]])
  found = jax.jit(max_pool)(image)
  np.testing.assert_array_equal(found[0, ..., 0], [[6, 5], [7, 9]])


@pytest.mark.parametrize("s", [1, 2, 3])
def test_sides_of_a_pooling(s):
  """Rounded up: (n - p + 1) / s without padding, n / s with that of "same"."""
  side = lambda *args: jax.eval_shape(
    lambda: max_pool(jnp.zeros((1, args[0], 9, 1)), *args[1:])
  ).shape[1]
  for n in (7, 8):
    for p in (2, 3):
      assert side(n, p, s, 0) == math.ceil((n - p + 1) / s)
      assert side(n, p, s, "same") == math.ceil(n / s)


def test_weights_of_a_dense_unit_and_of_a_convolution():
  params, _ = shapes(Dense(1), (224 * 224 * 3,))
  assert params["kernel"].shape == (150_528, 1)
  params, _ = shapes(Conv(64, 3), (32, 32, 3))
  assert count(params) == 3 * 3 * 3 * 64 == 1_728
  params, _ = shapes(Conv(64, 3, use_bias=True), (32, 32, 3))
  assert count(params) == 1_792


def test_tokens_of_a_vit():
  """196 patches of 768 values; 38,416 pairs of them, 38,809 with a class's."""
  images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
  for head, pairs in (("gap", 38_416), ("cls", 38_809)):
    vit = ViT(10, **variant("B/16") | {"depth": 1}, head=head)
    params, _ = shapes(vit, (224, 224, 3), train=False)
    tokens = len(params["positions"]) if head == "gap" else 197
    assert params["positions"].shape == (tokens, 768)
    assert tokens == 196 + (head == "cls") and tokens**2 == pairs
    *patch, width = params["embedding"]["kernel"].shape
    assert math.prod(patch) == 768 == width
    run = lambda params, x, vit=vit: vit.apply(
      {"params": params}, x, train=False
    )
    program = str(jax.make_jaxpr(run)(params, images))
    assert f"f32[1,12,{tokens},{tokens}]" in program  # pairs of each head


class SmallVGG(nn.Module):
  """The net that CNN Explainer draws: poloclub.github.io/cnn-explainer."""

  @nn.compact
  def __call__(self, x):
    """Maps images of 64 x 64 to logits, and shows the sides between."""
    sides = [x.shape[1]]
    for stage in (1, 2):
      for i in (1, 2):
        conv = Conv(10, padding=0, use_bias=True, name=f"conv_{stage}_{i}")
        x = jax.nn.relu(conv(x))
        sides.append(x.shape[1])
      x = max_pool(x)
      sides.append(x.shape[1])
    assert sides == [64, 62, 60, 30, 28, 26, 13]
    x = x.reshape(len(x), -1)
    assert x.shape[1] == 13 * 13 * 10 == 1_690
    return Dense(10, name="head")(x)


def test_the_net_of_cnn_explainer():
  params, out = shapes(SmallVGG(), (64, 64, 3))
  assert out == (10,) and count(params) == 19_920


class CourseNet(nn.Module):
  """A first net of a course in Keras, on 28 x 28 pixels."""

  kernel: int

  @nn.compact
  def __call__(self, x):
    """Maps images to logits; its pooling keeps the size."""
    x = jax.nn.relu(Conv(16, padding=0, use_bias=True, name="conv1")(x))
    x = max_pool(x, 2, 1, padding="same")
    assert x.shape[1:] == (26, 26, 16)
    conv = Conv(32, self.kernel, 2, padding=0, use_bias=True, name="conv2")
    x = jax.nn.relu(conv(x))
    return Dense(10, name="head")(x.reshape(len(x), -1))


@pytest.mark.parametrize(
  ("channels", "kernel", "side", "parameters"),
  [(3, 5, 11, 52_010), (1, 3, 12, 50_890)],
)
def test_a_first_net_in_keras(channels, kernel, side, parameters):
  params, _ = shapes(CourseNet(kernel), (28, 28, channels))
  assert params["head"]["kernel"].shape == (side * side * 32, 10)
  assert count(params) == parameters


def test_vgg_19():
  params, _ = shapes(VGG19(1000), (224, 224, 3), train=False)
  features = {k: v for k, v in params.items() if k.startswith("conv")}
  assert count(features) == 20_024_384
  assert count(params) == 143_667_240


def test_jaccard_loss_by_hand():
  """Plain sums: 1.6 of 3.2 of the object, 0.8 of 2.4 of the ground."""
  p = np.asarray([0.9, 0.2, 0.6, 0.1])
  logits = np.stack([np.log(1 - p), np.log(p)], -1)[None, None]
  target = np.asarray([[[1, 0, 1, 1]]])
  jaccard = jax.jit(lambda x, y: soft_jaccard(x, y, smooth=1e-9))
  loss = jaccard(logits, target).item()
  of_object, of_ground = 1 - 1.6 / 3.2, 1 - 0.8 / 2.4
  assert of_object == pytest.approx(0.5)
  assert loss == pytest.approx((of_object + of_ground) / 2, rel=1e-6)


def test_a_gram_matrix_by_hand():
  """Two channels at three places: 1 + 4 + 9, 0 - 2 + 12, 0 + 1 + 16."""
  channels = np.asarray([[1, 2, 3], [0, -1, 4]], np.float32)
  found = jax.jit(gram)(channels.T[None, None])
  np.testing.assert_array_equal(found, [[[14, 10], [10, 17]]])
