"""Fast style: torch's losses, what it is given, one result everywhere."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import assert_equal_everywhere, assert_resumes
from tests.interop import parity
from tests.interop.published_files import write_vgg
from tests.oracles import library, torchvision
from tests.programs.command import ROOT
from vision_jax.core.execution import Jit
from vision_jax.errors import UserError
from vision_jax.interop.families.vgg import convolutions
from vision_jax.models.backbones.vgg import VGG
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.sources.photos import PhotoData
from vision_jax.pipelines.style import Painting, style_judge
from vision_jax.recipe import recipe
from vision_jax.tasks.perceptual import PERCEPTUAL
from vision_jax.tasks.style import LAYERS, FastStyle
from vision_jax.train.fixed import Fixed

CONFIG = "configs/style/folder_fast_style.py"
STAGES = ((4, 4), (6, 6), (8, 8, 8), (8, 8, 8))
# torchvision's numbers of the ReLUs in vgg16().features.
PLACES = {3: "relu1_2", 8: "relu2_2", 15: "relu3_3", 22: "relu4_3"}
KEY = jax.random.key(0)


class Tint(nn.Module):
  """A generator of one number: pixels times it."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    return jnp.tanh(x * self.param("tint", nn.initializers.constant(0.7), ()))


def gram(x):
  b, c, h, w = x.shape
  flat = x.reshape(b, c, h * w)
  return flat @ flat.transpose(1, 2) / (c * h * w)


def torch_maps(theirs, image):
  """Of images in [-1, 1], by layer."""
  colours = np.float32([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
  x, maps = parity.nchw(((image + 1) / 2 - colours[0]) / colours[1]), {}
  for number, layer in enumerate(theirs):
    x = layer(x)
    if number in PLACES:
      maps[PLACES[number]] = x.clone()
  return maps


@pytest.mark.slow
def test_losses_are_what_torch_computes():
  """Of the examples that count: means of Johnson's, over numbers and all."""
  torch = library("torch")
  mse = torch.nn.functional.mse_loss
  make = torchvision().models.vgg.make_layers
  theirs = parity.randomise(
    make([x for stage in STAGES for x in (*stage, "M")][:-1])
  )
  judge = VGG(1, STAGES, layers=LAYERS)
  rng = np.random.default_rng(0)
  image = rng.uniform(size=(3, 32, 40, 3)).astype(np.float32)
  painting = rng.integers(0, 256, (48, 32, 3), np.uint8)
  batch = {"image": image, "mask": np.float32([1, 1, 0])}
  given = parity.variables(
    torch.nn.ModuleDict({"features": theirs}),
    *(convolutions, judge, np.zeros((1, 32, 32, 3), np.float32)),
    features=True,
  )
  task = FastStyle(Tint(), judge, lambda: painting)
  (one,) = task.objectives
  assert dict(one.weights) == {"content": 1.0, "style": 1e5, "variation": 0.0}

  @jax.jit
  def terms(batch):
    params, stats = task.init(KEY, batch)
    params = params | {PERCEPTUAL: given["params"]}
    found, _ = one.loss(params, stats, batch, KEY, step=0, train=True)
    return {name: x.divide() for name, x in found.items()}

  found = terms(batch)
  shown = 2 * image[:2] - 1
  drawn = np.tanh(0.7 * shown)
  with torch.no_grad():
    maps, content = torch_maps(theirs, drawn), torch_maps(theirs, shown)
    style = torch_maps(theirs, 2 * np.float32(painting)[None] / 255 - 1)
    want = {
      "content": mse(maps["relu3_3"], content["relu3_3"]),
      "style": sum(
        mse(gram(x), gram(style[name]).expand(2, -1, -1))
        for name, x in maps.items()
      ),
    }
  for name, x in want.items():
    np.testing.assert_allclose(found[name], x.item(), rtol=1e-3, err_msg=name)
  x = parity.nchw(drawn)
  rough = mse(x[:, :, 1:], x[:, :, :-1]) + mse(x[..., 1:], x[..., :-1])
  assert float(found["variation"]) == pytest.approx(rough.item(), rel=1e-4)


@pytest.mark.parametrize(
  ("given", "message"),
  [
    (("", False), "got neither; expected torchvision's file of VGG-16"),
    (("vgg16.pth", True), "--config.random_features: got both"),
  ],
)
def test_weights_or_a_demonstration_that_is_asked_for(given, message):
  path, random = given
  with pytest.raises(UserError, match=message):
    style_judge(path, random=random, layers=LAYERS, depth=16)


def test_a_judge_is_vgg_or_narrow_and_random(caplog):
  how = {"layers": LAYERS, "depth": 16}
  judge, fixed = style_judge("vgg16.pth", random=False, **how)
  assert fixed[PERCEPTUAL].path == "vgg16.pth" and not caplog.text
  assert [len(stage) for stage in judge.stages] == [2, 2, 3, 3, 3]
  judge, fixed = style_judge("", random=True, **how)
  assert not fixed and "a demonstration of the training" in caplog.text
  assert [len(stage) for stage in judge.stages] == [2, 2, 3, 3]


@pytest.mark.slow
def test_a_file_is_the_fixed_net(tmp_path):
  file = tmp_path / "vgg16.safetensors"
  arrays = write_vgg(file, 16)
  values = {"random_features": "false", "judge": str(file)}
  experiment = recipe.load(f"{ROOT / CONFIG}:tiny", values).build()
  one = Jit(devices=jax.devices()[:1])
  fixed = Fixed.load(experiment, one, experiment.train_data.batch(0))
  params = fixed.nets[0][PERCEPTUAL]
  assert len(params) == 13
  want = arrays["features.21.weight"].transpose(2, 3, 1, 0)
  np.testing.assert_array_equal(params["conv4_3"]["kernel"], want)


def test_a_painting_is_an_image(tmp_path):
  assert Painting("", 64, "china")().shape == (64, 96, 3)
  (tmp_path / "notes.jpg").write_text("a painting")
  for path, message in (
    ("", "--config.painting is missing; expected the image whose style"),
    (str(tmp_path / "none.jpg"), r"--config.painting: .* does not exist"),
    (
      str(tmp_path / "notes.jpg"),
      r"--config.painting: .*notes.jpg cannot be read \(.*expected one whole",
    ),
  ):
    with pytest.raises(UserError, match=message):
      Painting(path, 64)()


def test_images_are_a_folder_or_photographs():
  for dataset, message in (
    ("photos", "--config.dataset: got 'photos'; expected folder or photog"),
    ("folder", "--config.images is missing; expected a folder of images."),
  ):
    with pytest.raises(UserError, match=message):
      len(PhotoData(dataset).train)
  twice = PhotoData("photographs", photographs=(("china",), ("china",)))
  with pytest.raises(UserError, match="got china in two of them"):
    _ = twice.train


def small():
  values = {"batch_size": "16", "image_size": "16"}
  values |= {"content_weight": "0.01", "style_weight": "100"}
  experiment = recipe.load(f"{ROOT / CONFIG}:tiny", values).build()
  # Not Adam: of a bias before a norm it would enlarge what rounding leaves.
  descent = {"model": sgd(1e-3)}
  return dataclasses.replace(
    experiment, optimizers=descent, evals={}, predict=None
  )


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(small, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(small, tmp_path)
