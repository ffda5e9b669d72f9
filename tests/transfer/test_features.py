"""Features of images: of which layer, of which images, in which file."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.programs.command import call, train
from tests.programs.files import cut_short, write_folder
from vision_jax.core.types import as_given
from vision_jax.errors import UserError
from vision_jax.inference.trained import load
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vit import ViT
from vision_jax.tasks.classification import Classification
from vision_jax.transfer.layers import layer_features

KEY = jax.random.key(0)


def run(model, layer, x):
  """Returns a layer's features, and the logits, of images."""
  task = Classification(model)
  batch = {"image": x, "mask": jnp.ones(len(x))}
  params, stats = task.init(KEY, batch)
  params = jax.tree.map(lambda p: p + 0.1, params)  # no head of zeros
  got = jax.jit(layer_features(task, layer))(params, stats, batch, KEY)
  logits = task.predict(params, stats, batch, KEY)["logits"]
  return got["features"], logits, params["model"]


@pytest.mark.parametrize("remat", ["none", "blocks"])
def test_default_is_what_goes_into_the_head(remat):
  """The head of it is the prediction, and what is computed again is seen."""
  x = jax.random.normal(KEY, (3, 8, 8, 3))
  make = {"num_classes": 4, "stages": (1, 1), "width": 4, "stem": "small"}
  net = ResNet(**make, bottleneck=False, remat=remat)
  got, logits, params = run(net, "", x)
  assert got.shape == (3, 8)
  again = got @ params["fc"]["kernel"] + params["fc"]["bias"]
  np.testing.assert_allclose(again, logits, rtol=1e-5, atol=1e-5)
  stage, _, _ = run(net, "conv3_1", x)
  np.testing.assert_allclose(stage, got, rtol=1e-6)  # the mean over places
  inner, _, _ = run(net, "conv2_1/conv1", x)
  assert inner.shape == (3, 4)


def test_tokens_become_their_mean():
  x = jax.random.normal(KEY, (2, 8, 8, 3))
  net = ViT(4, patch=4, features=8, depth=2, heads=2, head="gap")
  got, logits, params = run(net, "", x)
  tokens, _, _ = run(net, "norm", x)
  np.testing.assert_allclose(tokens, got, rtol=1e-5, atol=1e-6)
  again = got @ params["head"]["kernel"] + params["head"]["bias"]
  np.testing.assert_allclose(again, logits, rtol=1e-5, atol=1e-5)


class Several(nn.Module):
  """A net without a linear layer, one of whose layers gives two arrays."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    pair = Pair(name="pair")(x)
    return nn.Conv(4, (3, 3), name="conv")(pair[0]).mean((1, 2))


class Pair(nn.Module):
  @nn.compact
  def __call__(self, x):
    return x, x


@pytest.mark.parametrize(
  "layer, message",
  [
    ("", "no linear layer.*--layer=conv"),
    ("conv1", "'conv1', which the net does not call; the nearest is 'conv'"),
    ("pair", "'pair' has tuple; expected a layer with one array"),
  ],
)
def test_layer_that_gives_no_features_is_an_error(layer, message):
  with pytest.raises(UserError, match=message):
    run(Several(), layer, jnp.zeros((1, 4, 4, 3)))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """A small run."""
  folder = tmp_path_factory.mktemp("features")
  train(folder / "run", "--config.steps=2", "--config.eval_every=0")
  return folder / "run"


def test_folder_becomes_a_file_of_features(workdir, tmp_path):
  files = write_folder(tmp_path / "images", each=10)  # 40: two batches
  cut_short(files[3])
  output = tmp_path / "out" / "features.npz"
  flags = (
    *("--mode=features", f"--workdir={workdir}"),
    *(f"--images={tmp_path / 'images'}", f"--output={output}"),
  )
  result = call(*flags)
  assert result.code == 0, result.err
  assert "Unreadable, left out: 1: red/3.jpg" in result.err
  with np.load(output) as found:
    found = dict(found)
  assert found["unreadable"].tolist() == ["red/3.jpg"]
  assert found["features"].shape == (39, 128)
  assert found["features"].dtype == np.float32
  names = found["names"].tolist()
  assert len({*names}) == 39 and names == sorted(names)
  trained = load(workdir)
  assert trained.experiment.inputs is not as_given  # features see it too
  outputs = tmp_path / "predicted"
  call(
    *("--mode=predict", f"--workdir={workdir}", f"--output={outputs}"),
    *(f"--images={tmp_path / 'images'}", "--config.on_bad_image=skip"),
  )
  head = trained.weights()[0]["model"]["head"]
  logits = found["features"] @ head["kernel"] + head["bias"]
  probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  lines = [
    json.loads(line)
    for line in (outputs / "predictions.jsonl").read_text().splitlines()
  ]
  by_name = {x["file"].split("images/")[1]: x for x in lines}
  for name, row in zip(names, probs, strict=True):
    assert by_name[name]["score"] == pytest.approx(row.max(), abs=1e-5)
  result = call(*flags, "--layer=conv")
  assert result.code == 0, result.err
  with np.load(output) as found:
    assert found["features"].shape == (39, 8)


@pytest.mark.parametrize(
  "flags, message",
  [
    (["--output=x.npz"], "needs --images=IMAGES and --output=FILE.npz"),
    (["--images=x", "--output=x"], "expected a file that ends in .npz"),
    (["--images={0}", "--output=x.npz"], "has no images"),
    (["--images={0}/no", "--output=x.npz"], "does not exist"),
  ],
)
def test_bad_input_ends_with_2(workdir, tmp_path, flags, message):
  flags = [flag.format(tmp_path) for flag in flags]
  result = call("--mode=features", f"--workdir={workdir}", *flags, cwd=tmp_path)
  assert result.code == 2 and message in result.err, result.err


def test_unknown_layer_and_no_readable_image_end_with_2(workdir, tmp_path):
  files = write_folder(tmp_path / "images", each=1)
  given = (
    *("--mode=features", f"--workdir={workdir}"),
    *(f"--images={tmp_path / 'images'}", f"--output={tmp_path / 'x.npz'}"),
  )
  result = call(*given, "--layer=dens1")
  assert result.code == 2 and "the nearest is 'dense1'" in result.err
  for file in files:
    cut_short(file)
  result = call(*given)
  assert result.code == 2 and "can be decoded" in result.err, result.err
  assert not (tmp_path / "x.npz").exists()
