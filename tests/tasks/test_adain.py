"""AdaIN: torch's map, losses and decoder; alpha; one result everywhere."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest
from PIL import Image

from tests.experiments.everywhere import assert_equal_everywhere, assert_resumes
from tests.interop import parity
from tests.oracles import library, torchvision
from tests.programs.command import ROOT, call, train
from vision_jax.errors import UserError
from vision_jax.interop.families.vgg import convolutions
from vision_jax.interop.rules import conv
from vision_jax.models.backbones.vgg import VGG
from vision_jax.models.count import parameters
from vision_jax.models.translation.adain_decoder import AdaINDecoder
from vision_jax.ops.adain import adain
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe
from vision_jax.tasks.adain import CODE, LAYERS, AdaIN
from vision_jax.tasks.perceptual import PERCEPTUAL

CONFIG = "configs/style/folder_adain.py"
STAGES = ((4, 4), (6, 6), (8, 8), (10,))
# torchvision's numbers of the ReLUs of such a net.
PLACES = {1: "relu1_1", 6: "relu2_1", 11: "relu3_1", 16: "relu4_1"}
KEY = jax.random.key(0)


def test_the_decoder_has_the_authors_count():
  assert parameters(AdaINDecoder(), (1, 32, 32, 512)) == 3_505_219


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_alpha_is_a_share(alpha):
  message = "alpha: got .*; expected 0, the content as it is, to 1"
  with pytest.raises(UserError, match=message):
    AdaIN(AdaINDecoder(), VGG(1), lambda: None, alpha=alpha)


def torch_decoder():
  """A VGG of `STAGES` in reverse, as the authors have it."""
  torch_nn = library("torch").nn
  widths = [(10, 8), "up", (8, 8), (8, 6), "up", (6, 6), (6, 4), "up", (4, 4)]
  layers = []
  for x in widths:
    if x == "up":
      layers.append(torch_nn.Upsample(scale_factor=2, mode="nearest"))
      continue
    pad = torch_nn.ReflectionPad2d(1)
    layers += [pad, torch_nn.Conv2d(*x, 3), torch_nn.ReLU()]
  layers += [torch_nn.ReflectionPad2d(1), torch_nn.Conv2d(4, 3, 3)]
  return torch_nn.Sequential(*layers)


def decoder_layout(shapes):
  del shapes
  names = ("4_1", "3_2", "3_1", "2_2", "2_1", "1_2", "1_1")
  places = (1, 5, 8, 12, 15, 19, 22)
  return [
    rule
    for at, name in zip(places, names, strict=True)
    for rule in conv(str(at), f"conv{name}")
  ]


@pytest.mark.slow
def test_the_decoder_is_torchs():
  x = parity.images(2, 4, 6, 10)
  last = lambda y: y.permute(0, 2, 3, 1)
  ours = AdaINDecoder(STAGES)
  parity.check(torch_decoder(), decoder_layout, ours, x, out=last)


def torch_moments(x):
  """As the authors' code: of the variance that divides by n."""
  variance = x.var((2, 3), keepdim=True, unbiased=False)
  return x.mean((2, 3), keepdim=True), (variance + 1e-5).sqrt()


def torch_adain(content, style):
  (mean, deviation), (new_mean, new) = map(torch_moments, (content, style))
  return (content - mean) / deviation * new + new_mean


def torch_maps(theirs, image):
  """Of images (b, 3, h, w) in [-1, 1], by layer."""
  torch = library("torch")
  mean, std = (
    torch.tensor(x)[None, :, None, None]
    for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
  )
  x, maps = ((image + 1) / 2 - mean) / std, {}
  for number, layer in enumerate(theirs):
    x = layer(x)
    if number in PLACES:
      maps[PLACES[number]] = x.clone()
  return maps


class Ones(nn.Module):
  """A decoder that repeats the first three channels, eight times larger."""

  @nn.compact
  def __call__(self, x, *, train):
    by = self.param("by", nn.initializers.constant(0.3), ())
    return x[..., :3].repeat(8, 1).repeat(8, 2) * by


@pytest.mark.slow
def test_losses_and_predictions_are_what_torch_computes():
  torch = library("torch")
  mse = torch.nn.functional.mse_loss
  make = torchvision().models.vgg.make_layers
  layers = [x for stage in STAGES for x in (*stage, "M")][:-1]
  theirs = parity.randomise(make(layers))
  judge = VGG(1, STAGES, layers=LAYERS)
  rng = np.random.default_rng(0)
  content, style = rng.uniform(size=(2, 3, 32, 40, 3)).astype(np.float32)
  painting = rng.integers(0, 256, (24, 32, 3), np.uint8)
  batch = {
    "content/image": content,
    "style/image": style,
    "mask": np.float32([1, 1, 0]),
  }
  given = parity.variables(
    torch.nn.ModuleDict({"features": theirs}),
    *(convolutions, judge, np.zeros((1, 32, 32, 3), np.float32)),
    features=True,
  )
  task = AdaIN(Ones(), judge, lambda: painting, alpha=0.4)
  (one,) = task.objectives
  assert dict(one.weights) == {"content": 1.0, "style": 10.0}

  @jax.jit
  def found(batch):
    params, stats = task.init(KEY, batch)
    params = params | {PERCEPTUAL: given["params"]}
    terms, _ = one.loss(params, stats, batch, KEY, step=0, train=True)
    alone = {"image": batch["content/image"][:, :30, :37]}
    images = task.predict(params, stats, alone, KEY)["translated"]
    return {name: x.divide() for name, x in terms.items()}, images

  terms, images = found(batch)
  signed = lambda x: parity.nchw(2 * x - 1)
  decoded = lambda x: (
    0.3 * x[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3)
  )
  with torch.no_grad():
    a, b = (torch_maps(theirs, signed(x[:2])) for x in (content, style))
    wanted = torch_adain(a[CODE], b[CODE])
    maps = torch_maps(theirs, decoded(wanted))
    want = {
      "content": mse(maps[CODE], wanted),
      "style": sum(
        mse(x, y)
        for name in LAYERS
        for x, y in zip(
          torch_moments(maps[name]), torch_moments(b[name]), strict=True
        )
      ),
    }
    for name, x in want.items():
      np.testing.assert_allclose(terms[name], x.item(), rtol=1e-3, err_msg=name)
    edge = np.pad(
      content[:, :30, :37], ((0, 0), (0, 2), (0, 3), (0, 0)), mode="edge"
    )
    code = torch_maps(theirs, signed(edge))[CODE]
    new = torch_maps(theirs, signed(np.float32(painting)[None] / 255))[CODE]
    mixed = 0.4 * torch_adain(code, new) + 0.6 * code
    drawn = (decoded(mixed)[:, :, :30, :37].clamp(-1, 1) + 1) / 2
  drawn = drawn.permute(0, 2, 3, 1).numpy()
  np.testing.assert_allclose(images, drawn, atol=1e-3)


def test_channels_take_on_the_others_moments():
  rng = np.random.default_rng(0)
  content, style = rng.normal(2, 3, (2, 1, 5, 7, 4)).astype(np.float32)
  style = 2 * style + np.arange(4, dtype=np.float32)
  made = np.asarray(jax.jit(adain)(content, style))
  for moment in (np.mean, np.std):
    got, want = moment(made, (1, 2)), moment(style, (1, 2))
    np.testing.assert_allclose(got, want, rtol=1e-4)


def small():
  # Weights so small that gradients are of the size of one.
  values = {"batch_size": "16", "image_size": "16"}
  values |= {"content_weight": "0.01", "style_weight": "0.1"}
  experiment = recipe.load(f"{ROOT / CONFIG}:tiny", values).build()
  return dataclasses.replace(
    experiment, optimizers={"model": sgd(1e-3)}, evals={}, predict=None
  )


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(small, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(small, tmp_path)


@pytest.mark.slow
def test_predictions_take_a_painting_and_alpha(tmp_path):
  rng = np.random.default_rng(0)
  (tmp_path / "images").mkdir()
  for name in ("images/photo", "painting"):
    pixels = rng.integers(0, 256, (24, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"{name}.png")
  workdir = tmp_path / "run"
  train(workdir, "--config.steps=1", config=f"{CONFIG}:tiny", devices=1)
  flags = (
    *("--mode=predict", f"--workdir={workdir}"),
    f"--images={tmp_path / 'images/photo.png'}",
    f"--config.painting={tmp_path / 'painting.png'}",
  )
  made = []
  for alpha in ("0", "1"):
    out = tmp_path / alpha
    given = (f"--config.style_alpha={alpha}", f"--output={out}")
    done = call(*flags, *given, devices=1)
    assert done.code == 0, done.err
    made.append(np.asarray(Image.open(out / "translated/photo.png")))
  assert made[0].shape == made[1].shape == (24, 40, 3)
  assert (made[0] != made[1]).any()
  bad = call(*flags, "--config.style_alpha=2", f"--output={out}x", devices=1)
  assert bad.code == 2 and "style_alpha: got 2" in bad.err
