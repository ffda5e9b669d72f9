"""The methods against what they are by their papers."""

import types

import flax.linen as nn
import jax
import numpy as np
import pytest

from tests.marks import with_slow
from tests.oracles import library
from vision_jax.core.types import as_given
from vision_jax.data.transforms.boxes import letterbox
from vision_jax.data.transforms.crops import resize_centre_crop
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import UserError
from vision_jax.explain import attention, features, gradcam
from vision_jax.explain.filters import filters
from vision_jax.explain.net import Choice, Net
from vision_jax.explain.places import axes, enlarge
from vision_jax.layers.calls import recorded
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.segmentation.unet import UNet
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.segmentation import Segmentation

BATCH, SIDE, CLASSES, WIDTH = 2, 8, 3, 4


class Linear(nn.Module):
  """A map whose mean a linear head sees."""

  flat: bool = False

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    x = nn.relu(Conv(WIDTH, 3, 2, name="conv1")(x))
    x = nn.relu(Conv(WIDTH, 3, name="conv2", use_bias=True)(x))
    x = x.reshape(len(x), -1) if self.flat else global_average(x)
    return Dense(CLASSES, name="head")(x)


def made(module, task=Classification, channels=3, seed=0):
  """Returns a net with random weights, these, and a batch of noise."""
  rng = np.random.default_rng(seed)
  shape = (BATCH, SIDE, SIDE, channels)
  batch = {"image": rng.normal(size=shape).astype(np.float32)}
  variables = module.init(jax.random.key(0), batch["image"], train=False)
  random = lambda x: rng.normal(size=x.shape).astype(np.float32)
  params = jax.tree.map(random, dict(variables)["params"])
  rest = {k: x for k, x in variables.items() if k != "params"}
  weights = {"model": params}, {"model": rest}
  experiment = types.SimpleNamespace(task=task(module), inputs=as_given)
  return Net(experiment, weights, batch), weights, batch


def explained(method, net, weights, batch, **choice):
  explain, layer = method.prepare(net, Choice(**choice))
  return jax.device_get(jax.jit(explain)(weights, batch)), layer


@pytest.mark.parametrize("label", [None, 1])
def test_gradcam_of_a_mean_and_a_linear_head_is_cam(label):
  """Then gradients are the head's weights: Zhou et al., 2016."""
  net, weights, batch = made(Linear())
  got, layer = explained(gradcam, net, weights, batch, label=label)
  out, calls = recorded(
    lambda: Linear().apply(
      {"params": weights[0]["model"]}, batch["image"], train=False
    )
  )
  values = {call.path: call.out for call in calls}["conv2"]
  expected = np.argmax(out, -1) if label is None else np.full(BATCH, label)
  assert layer == "conv2"
  np.testing.assert_array_equal(got["label"], expected)
  chosen = np.asarray(out)[np.arange(BATCH), expected]
  np.testing.assert_allclose(got["score"], chosen, rtol=1e-6)
  kernel = weights[0]["model"]["head"]["kernel"][:, expected]  # (d, b)
  alive = (np.asarray(values) > 0).mean((1, 2))  # relu's share of the gradient
  cam = np.einsum("bhwd,bd->bhw", values, kernel.T * alive).clip(0)
  cam /= cam.max((1, 2), keepdims=True)
  np.testing.assert_allclose(got["heat"], cam, atol=1e-5)


@pytest.mark.slow
def test_gradcam_is_torchs_by_hand():
  torch = library("torch")
  net, weights, batch = made(Linear(flat=True), seed=1)
  got, _ = explained(gradcam, net, weights, batch, layer="conv1")
  params = weights[0]["model"]
  kernel = lambda x: torch.tensor(x.transpose(3, 2, 0, 1))
  image = torch.tensor(batch["image"].transpose(0, 3, 1, 2))
  conv = torch.nn.functional.conv2d
  values = conv(image, kernel(params["conv1"]["kernel"]), stride=2, padding=1)
  values.retain_grad() if values.requires_grad else values.requires_grad_()
  x = torch.relu(values)
  x = torch.relu(
    conv(
      x,
      kernel(params["conv2"]["kernel"]),
      torch.tensor(params["conv2"]["bias"]),
      padding=1,
    )
  )
  x = x.permute(0, 2, 3, 1).reshape(BATCH, -1)
  head = params["head"]
  logits = x @ torch.tensor(head["kernel"]) + torch.tensor(head["bias"])
  logits.max(1).values.sum().backward()
  weight = values.grad.mean((2, 3), keepdim=True)
  cam = torch.relu((weight * values).sum(1)).detach().numpy()
  assert (cam.max((1, 2)) > 0).all()
  cam /= cam.max((1, 2), keepdims=True)
  np.testing.assert_allclose(got["heat"], cam, atol=1e-5)


def test_gradcam_of_a_segmenter_is_of_the_most_common_class():
  net, weights, batch = made(UNet(CLASSES, width=4, depth=1), Segmentation)
  got, _ = explained(gradcam, net, weights, batch)
  variables = {"params": weights[0]["model"], **weights[1]["model"]}
  out = net.task.model.apply(variables, batch["image"], train=False)
  best = np.argmax(out, -1)
  for i, label in enumerate(got["label"]):
    counts = np.bincount(best[i].reshape(-1), minlength=CLASSES)
    assert label == counts.argmax()
    own = np.asarray(out)[i, ..., label][best[i] == label].sum()
    np.testing.assert_allclose(got["score"][i], own, rtol=1e-4)
  assert got["heat"].shape == (BATCH, SIDE, SIDE)


def vit(**fields):
  shape = {"patch": 4, "features": 8, "depth": 2, "heads": 2} | fields
  return ViT(CLASSES, **shape)


@pytest.mark.parametrize("head", with_slow(["cls", "gap"], "gap"))
def test_rollout_is_the_product_of_attentions(head):
  net, weights, batch = made(vit(head=head))
  got, _ = explained(attention, net, weights, batch)
  model, image = net.task.model, batch["image"]
  variables = {"params": weights[0]["model"]}
  probs = []

  def record(call, args, kwargs, context):
    if context.module.name == "attention":
      own = variables["params"][context.module.path[0]]["attention"]
      x = np.asarray(args[0], np.float64)
      q, k = (x @ own[n]["kernel"] + own[n]["bias"] for n in ("query", "key"))
      heads = []
      for part in (slice(0, 4), slice(4, 8)):
        logits = q[..., part] @ k[..., part].transpose(0, 2, 1) / 2
        e = np.exp(logits - logits.max(-1, keepdims=True))
        heads.append(e / e.sum(-1, keepdims=True))
      probs.append(np.mean(heads, 0))
    return call(*args, **kwargs)

  with nn.intercept_methods(record):
    model.apply(variables, image, train=False)
  eye = np.eye(probs[0].shape[-1])
  whole = (probs[1] + eye) / 2 @ ((probs[0] + eye) / 2)
  row = whole[:, 0, 1:] if head == "cls" else whole.mean(1)
  expected = row.reshape(BATCH, 2, 2)
  expected /= expected.max((1, 2), keepdims=True)
  np.testing.assert_allclose(got["heat"], expected, atol=1e-5)


def test_features_and_filters_are_the_nets():
  net, weights, batch = made(Linear())
  got, layer = explained(features, net, weights, batch)
  own = weights[0]["model"]["conv1"]["kernel"]
  expected = Conv(WIDTH, 3, 2).apply(
    {"params": {"kernel": own}}, batch["image"]
  )
  assert layer == "conv1"
  np.testing.assert_allclose(got["maps"], expected, atol=1e-5)
  image, layer = filters(net, weights[0], Choice())
  assert layer == "conv1" and image.dtype == np.uint8
  first = own[..., 0]
  stretched = (first - first.min()) / (first.max() - first.min())
  factor = -(-512 // 7)  # two filters of 3 and a gap of 1
  cell = image[factor // 2 : 3 * factor : factor]
  cell = cell[:, factor // 2 : 3 * factor : factor]
  np.testing.assert_array_equal(cell, np.round(stretched * 255))


@pytest.mark.slow
def test_tokens_are_a_map_where_a_layer_is_named():
  net, weights, batch = made(vit())
  got, _ = explained(gradcam, net, weights, batch, layer="block1/norm1")
  assert got["heat"].shape == (BATCH, 2, 2)
  got, _ = explained(features, net, weights, batch, layer="block1")
  assert got["maps"].shape == (BATCH, 2, 2, 8)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["blocks", "dots"])
def test_a_net_that_computes_again_is_looked_into(mode):
  plain = explained(gradcam, *made(vit()), layer="block1/norm1")[0]
  net = made(vit(remat=mode))
  again = explained(gradcam, *net, layer="block1/norm1")[0]
  np.testing.assert_allclose(again["heat"], plain["heat"], atol=1e-6)


@pytest.mark.parametrize(
  ("module", "method", "choice", "message"),
  [
    (Linear(), attention, {}, "=attention: Linear has none; expected a vision"),
    (vit(), attention, {"layer": "head"}, "--layer: got 'head'; expected none"),
    (Linear(), gradcam, {"layer": "conv3"}, "the nearest is 'conv[12]'"),
    (Linear(), features, {"layer": "head"}, "'head' of Linear gives"),
    (Linear(), gradcam, {"label": 3}, "--label: got 3; expected 0 to 2"),
  ],
)
def test_what_a_net_cannot_do_is_refused(module, method, choice, message):
  net, weights, batch = made(module)
  with pytest.raises(UserError, match=message):
    explained(method, net, weights, batch, **choice)


def test_filters_that_cannot_be_shown_are_refused():
  net, weights, _ = made(Linear())
  for layer, message in (("conv2", "see 4 channels"), ("head", "no conv")):
    with pytest.raises(UserError, match=message):
      filters(net, weights[0], Choice(layer))
  net, weights, _ = made(Linear(), channels=5)
  assert filters(net, weights[0], Choice(), (4, 1, 0))[0].ndim == 3


@pytest.mark.parametrize(
  ("fit", "whole", "size", "rows", "columns"),
  [
    (resize((32, 16)), (32, 16), (64, 48), (0, 64), (0, 48)),
    (resize((32, 16)), (32, 16), (20, 10), (0, 20), (0, 10)),
    # 40 x 53, of which the middle begins at 4 and at 11.
    (
      *(resize_centre_crop(40, 32), (32, 32), (60, 80)),
      *((6, 54), (11 * 80 / 53, 43 * 80 / 53)),
    ),
    (letterbox((32, 32)), (32, 32), (60, 40), (0, 60), (0, 40)),
  ],
)
def test_what_a_net_sees_is_found_in_the_image(fit, whole, size, rows, columns):
  both = axes([decode(3), fit], size)
  for axis, (low, high) in zip(both, (rows, columns), strict=True):
    np.testing.assert_allclose(axis.start, low, atol=0.1)
    end = axis.start + axis.size * axis.scale
    np.testing.assert_allclose(end, high, atol=0.1)
  heat = enlarge(np.ones((4, 4), np.float32), both, size, whole)
  assert heat.shape == size
  inside = [
    (np.arange(n) + 0.5 > low) & (np.arange(n) + 0.5 < high)
    for n, (low, high) in zip(size, (rows, columns), strict=True)
  ]
  np.testing.assert_array_equal(heat, np.outer(*inside))


def test_heat_keeps_its_place():
  both = axes([decode(3), resize((32, 16))], (64, 48))
  heat = enlarge(np.array([[0, 1]], np.float32), both, (64, 48), (32, 16))
  expected = ((np.arange(48) + 0.5) / 24 - 0.5).clip(0, 1)
  np.testing.assert_allclose(heat, np.tile(expected, (64, 1)), atol=0.04)
