"""Neural style: what torch computes, pixels that descend, the command."""

import functools
import json

import jax
import numpy as np
import pytest
from PIL import Image

from tests.interop import parity
from tests.oracles import library, torchvision
from tests.programs.command import call
from vision_jax.data.sources.one_image import read_one
from vision_jax.errors import RunFailure, UserError
from vision_jax.losses.style import style_terms, variation
from vision_jax.models.backbones.vgg import VGG
from vision_jax.stylize.folder import stylize
from vision_jax.stylize.net import LAYERS, StyleNet, style_net
from vision_jax.stylize.pixels import Goal, Settings, descend, terms_of

# torchvision's numbers of the ReLUs in vgg19().features.
PLACES = {
  "relu1_1": 1,
  "relu2_1": 6,
  "relu3_1": 11,
  "relu4_1": 20,
  "relu4_2": 22,
  "relu5_1": 29,
}
# Narrow, with the layers of VGG-19.
SMALL = VGG(1, ((4,), (6,), (8,), (8, 8), (8,)), layers=LAYERS)


@functools.cache
def small():
  return style_net(None, model=SMALL)


def image(h, w, seed):
  """A smooth image (h, w, 3) in [0, 1]."""
  rng = np.random.default_rng(seed)
  rows, columns = np.mgrid[:h, :w] / 8
  waves = [
    np.sin(a * rows + b * columns + c) for a, b, c in rng.uniform(0, 3, (3, 3))
  ]
  return (np.stack(waves, -1) / 2 + 0.5).astype(np.float32)


@pytest.fixture
def files(tmp_path):
  """A content, a style of another size, and a file that is no image."""
  for name, x in (("photo", image(40, 32, 0)), ("painting", image(24, 48, 1))):
    pixels = (x * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"{name}.png")
  (tmp_path / "broken.jpg").write_text("a painting")
  (tmp_path / "notes.pdf").write_text("a painting")
  (tmp_path / "tiny.png").write_bytes((tmp_path / "photo.png").read_bytes())
  Image.fromarray(np.zeros((8, 40, 3), np.uint8)).save(tmp_path / "tiny.png")
  return tmp_path


def of_torch(net, x):
  """Returns torch's maps of images, by layer."""
  torch = library("torch")
  x = (x - np.float32([0.485, 0.456, 0.406])) / np.float32(
    [0.229, 0.224, 0.225]
  )
  x, maps = parity.nchw(x), {}
  names = {number: name for name, number in PLACES.items()}
  with torch.no_grad():
    for number, layer in enumerate(net):
      x = layer(x)
      if number in names:
        maps[names[number]] = x.clone()  # a ReLU may be in place
  return maps


def torch_terms(maps, content, style):
  """Content and style as torch's tutorial of neural transfer has them."""
  functional = library("torch").nn.functional

  def gram(x):
    b, c, h, w = x.shape
    flat = x.reshape(b * c, h * w)
    return flat @ flat.t() / (b * c * h * w)

  layers = [name for name in PLACES if name != "relu4_2"]
  return {
    "content": functional.mse_loss(maps["relu4_2"], content["relu4_2"]),
    "style": sum(
      functional.mse_loss(gram(maps[n]), gram(style[n])) for n in layers
    ),
  }


@pytest.mark.slow
def test_losses_of_vgg_19_are_what_torch_computes(tmp_path):
  """With the weights of a file by torchvision's names, of 64 x 64 pixels."""
  vgg = torchvision().models.vgg
  theirs = parity.randomise(vgg.make_layers(vgg.cfgs["E"]))
  state = {f"features.{k}": x for k, x in theirs.state_dict().items()}
  library("safetensors.torch").save_file(state, tmp_path / "vgg19.safetensors")
  net = style_net(str(tmp_path / "vgg19.safetensors"))
  assert net.trained and isinstance(net, StyleNet)
  shown = [image(64, 64, 0), image(64, 64, 1), image(48, 80, 2)]
  shown = [x[None] for x in shown]
  want = torch_terms(*(of_torch(theirs, x) for x in shown))
  settings = Settings(content=2.0, style=3.0)

  @jax.jit
  def terms(given, pixels, content, style):
    goal = Goal(given, net.content(given, content), net.style(given, style))
    return terms_of(net, settings, pixels, goal)

  got = terms(net.variables, *shown)
  for name, x in want.items():
    np.testing.assert_allclose(got[name], x.item(), rtol=1e-3, err_msg=name)
  total = 2 * want["content"].item() + 3 * want["style"].item()
  assert float(got["total"]) == pytest.approx(total, rel=1e-3)


def test_terms_by_hand():
  """One channel of four places; its Gram matrix is a sum of squares."""
  x = np.float32([1, 2, 3, 0]).reshape(1, 2, 2, 1)
  y = np.float32([0, 2, 1, 0]).reshape(1, 2, 2, 1)
  style = {"b": np.float32([[[2.0]]])}

  @jax.jit
  def terms():
    found = style_terms({"a": x, "b": x}, {"a": y}, style)
    return found | {"variation": variation(x)}

  assert {name: value.item() for name, value in terms().items()} == {
    "content": (1 + 4) / 4,
    "style": (14 / 4 - 2) ** 2,
    "variation": (4 + 4) / 2 + (1 + 9) / 2,
  }


@pytest.mark.slow
@pytest.mark.parametrize(
  ("fields", "factor"),
  [
    ({"optimizer": "lbfgs"}, 20),
    ({"optimizer": "adam"}, 4),
    ({"optimizer": "lbfgs", "start": "noise"}, 20),
  ],
)
def test_pixels_descend(fields, factor):
  """In 40 steps to a loss so many times smaller than at first."""
  settings = Settings(steps=40, style=1e3, **fields)
  found = [*descend(small(), image(32, 40, 0), image(40, 32, 1), settings)]
  first, last = found
  assert (first.step, last.step) == (0, 40)
  assert last.losses["total"] * factor < first.losses["total"]
  assert last.pixels.shape == (32, 40, 3)
  assert last.pixels.min() >= 0 and last.pixels.max() <= 1


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_it():
  settings = Settings(optimizer="adam", steps=1, style=float("inf"))
  with pytest.raises(RunFailure, match="losses of step 0 are not finite"):
    [*descend(small(), image(16, 16, 0), image(16, 16, 1), settings)]


@pytest.mark.slow
def test_what_is_written(files):
  out, lines = files / "out", []
  settings = Settings(optimizer="adam", steps=3)
  go = lambda: stylize(
    *(files / "photo.png", files / "painting.png", out, small, settings),
    size=20,
    every=2,
    log=lines.append,
  )
  go()
  found = {x.relative_to(out).as_posix() for x in out.rglob("*.*")}
  assert found == {
    *("stylized.png", "sheet.png", "stylized.json"),
    *("progress/2.png", "progress/3.png"),
  }
  assert Image.open(out / "stylized.png").size == (20, 25)
  about = json.loads((out / "stylized.json").read_text())
  assert [x["step"] for x in about["losses"]] == [0, 2, 3]
  assert "random filters" in about["features"] and about["size"] == 20
  assert "demonstration" in lines[0] and "step 3/3: total" in lines[-2]
  with pytest.raises(UserError, match="holds results of an earlier call"):
    go()


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("broken.jpg", r"--style: .*broken.jpg cannot be read \(.*expected one"),
    ("notes.pdf", "--style: .*notes.pdf"),
    ("none.png", "--style: .*none.png does not exist"),
    ("", r"--style: .* has [34] images; expected one"),
    ("tiny.png", "--style: .* is of 8 x 40 pixels; expected sides of 16"),
  ],
)
def test_a_style_that_cannot_be_used(files, name, message):
  with pytest.raises(UserError, match=message):
    read_one("--style", files / name, 512, least=16)


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    ((), "--weights_file: got none; content and style are compared by"),
    (("--style=",), "--mode=stylize needs --content=IMAGE, --style=IMAGE"),
    (
      ("--random_features", "--weights_file=x"),
      "--weights_file, --random_features: got both; expected one",
    ),
    (("--config.steps=3",), "--mode=stylize trains nothing and takes none"),
    (
      ("--random_features", "--content_weight=0", "--style_weight=0"),
      "expected one above 0",
    ),
    (("--weights_file=none.pth",), "--weights_file: "),
    (("--random_features", "--style=STYLE"), "broken.jpg cannot be read"),
  ],
)
def test_the_command_refuses(files, flags, message):
  flags = [x.replace("STYLE", str(files / "broken.jpg")) for x in flags]
  result = call(
    *("--mode=stylize", f"--content={files / 'photo.png'}"),
    *(f"--style={files / 'painting.png'}", f"--output={files / 'out'}"),
    *flags,
    devices=1,
  )
  assert result.code == 2 and message in result.err
  assert not (files / "out").exists()


def test_layers_that_are_not_there_are_refused():
  net = SMALL.clone(layers=("relu3_2",))
  run = lambda: net.init(
    *(jax.random.key(0), np.zeros((1, 16, 16, 3), np.float32)),
    train=False,
    features=True,
  )
  with pytest.raises(UserError, match="layers: got 'relu3_2'; did you mean"):
    jax.eval_shape(run)
