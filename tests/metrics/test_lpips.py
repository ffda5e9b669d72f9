"""LPIPS: torchmetrics' numbers, by its published weights of channels."""

import importlib.util
import pathlib

import jax
import numpy as np
import pytest

from tests.interop.published_files import write_vgg
from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.metrics.perceptual import LPIPS
from vision_jax.pipelines.lpips import lpips

RNG = np.random.default_rng(0)


def measured(metric, guess, truth, mask):
  run = jax.jit(metric.measure)
  batch = {"clean": truth, "mask": np.asarray(mask, np.float32)}
  sums, _ = run(metric.state, {"restored": guess}, batch)
  return metric.result(sums, {})["lpips"]


def own(channels):
  """Maps that are the image, and a sum of its neighbours."""
  apply = lambda scale, x: {"a": scale * x, "b": x[:, 1:] + x[:, :-1]}
  return LPIPS(apply, lambda: (2.0, channels), least=4)


def test_it_is_the_weighted_distance_of_directions():
  truth, guess = RNG.random((2, 3, 4, 5, 3)).astype(np.float32)
  channels = {"a": np.array([1.0, 0, 0]), "b": np.array([0.0, 2, 0])}
  unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
  square = lambda f: (unit(f(truth)) - unit(f(guess))) ** 2
  first = square(lambda x: x)[..., 0].mean((1, 2))
  second = 2 * square(lambda x: x[:, 1:] + x[:, :-1])[..., 1].mean((1, 2))
  expected = (first + second)[:2].mean()  # the third does not count
  found = measured(own(channels), guess, truth, [1, 1, 0])
  np.testing.assert_allclose(found, expected, rtol=1e-4)
  assert measured(own(channels), truth, truth, [1, 1, 1]) == 0


@pytest.mark.parametrize(
  ("guess", "message"),
  [((1, 3, 5, 3), "sides of 4 pixels at least"), ((1, 4, 6, 3), "one shape")],
)
def test_images_that_cannot_be_compared_are_refused(guess, message):
  truth = np.ones((1, 4, 5, 3) if "one" in message else guess, np.float32)
  with pytest.raises(UserError, match=message):
    measured(own({}), np.ones(guess, np.float32), truth, [1])


def test_both_files_are_asked_for(tmp_path):
  with pytest.raises(UserError, match=r"config.lpips: got none; expected two"):
    lpips("", "vgg16.pth")
  with pytest.raises(UserError, match=r"config.lpips_net: got none; expected"):
    lpips("vgg.pth", "")
  with pytest.raises(UserError, match=r"config.lpips_net: .*none.pth"):
    _ = lpips("vgg.pth", str(tmp_path / "none.pth")).state


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_torchmetrics(tmp_path, channels):
  torch = library("torch")
  theirs = library("torchmetrics.functional.image.lpips")
  folder = pathlib.Path(importlib.util.find_spec("torchmetrics").origin).parent
  folder = folder / "functional" / "image" / "lpips_models"
  file = tmp_path / "vgg16.safetensors"
  arrays = write_vgg(file, 16)
  net = vars(theirs)["_LPIPS"](pretrained=True, net="vgg", pnet_rand=True)
  for name, tensor in net.net.named_parameters():
    number = name.split(".", 1)[1]
    tensor.data = torch.from_numpy(arrays[f"features.{number}"])
  truth, guess = RNG.random((2, 3, 33, 40, channels)).astype(np.float32)
  nchw = lambda x: torch.from_numpy(x).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
  with torch.no_grad():
    expected = net(2 * nchw(guess) - 1, 2 * nchw(truth) - 1).mean()
  metric = lpips(str(folder / "vgg.pth"), str(file))
  found = measured(metric, guess, truth, [1, 1, 1])
  np.testing.assert_allclose(found, float(expected), rtol=1e-4)
  with pytest.raises(UserError, match="those of VGG-16: other nets' weights"):
    _ = lpips(str(folder / "alex.pth"), str(file)).state
