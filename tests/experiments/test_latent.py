"""A denoiser on a frozen autoencoder's codes: latent diffusion in small."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  EXECUTIONS,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from tests.programs.command import stored
from vision_jax.core.state import joined
from vision_jax.errors import UserError
from vision_jax.experiment import Weights
from vision_jax.inference.trained import Trained
from vision_jax.models.generation.autoencoder import linear_autoencoder
from vision_jax.ops import diffusion
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED, UNIT
from vision_jax.tasks.autoencoder import Autoencoding
from vision_jax.tasks.diffusion import Diffusion
from vision_jax.tasks.net import Net

CODEC = linear_autoencoder((8, 8, 1), 6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfCodes(Diffusion):
  """Denoises the codes of images, which a fixed net draws at the end."""

  codec: nn.Module

  def init(self, key, batch):
    codec = self._codec.init(key, batch["image"])
    codes = self.encode(*codec, batch["image"])
    return joined(codec, super().init(key, batch | {"image": codes}))

  def encode(self, params, stats, image):
    codec = self._codec.given(params, stats)
    return codec((image + 1) / 2, method="encode")

  def decode(self, params, stats, x):
    return 2 * self._codec.given(params, stats)(x, method="decode") - 1

  @property
  def _codec(self):
    return Net(self.codec, "codec")


class Small(nn.Module):
  """A denoiser of codes of a class."""

  num_classes: int = 10

  @nn.compact
  def __call__(self, x, t, label, *, train, mask=None):
    known = nn.Embed(self.num_classes + 1, 8, name="label")(label)
    y = jnp.concatenate([x, known, t[:, None] / 50], -1)
    y = jax.nn.relu(nn.Dense(32, name="hidden")(y))
    return nn.Dense(x.shape[-1], name="head")(y)


def autoencoder():
  inputs = normalize(*UNIT)
  return digits(Autoencoding(CODEC), inputs=inputs, augment=None)


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
  """The workdir of a trained autoencoder."""
  workdir = tmp_path_factory.mktemp("codec") / "run"
  train(autoencoder, "one", workdir)
  return workdir


@pytest.fixture
def of_codes(codec):
  task = OfCodes(model=Small(), schedule=diffusion.cosine(50), codec=CODEC)
  return lambda: digits(
    task,
    inputs=normalize(*SIGNED),
    augment=None,
    fixed={"codec": Weights(str(codec))},
  )


def test_sampling_decodes(codec, of_codes, tmp_path):
  workdir, output = tmp_path / "run", tmp_path / "out"
  train(of_codes, "one", workdir)
  assert not [name for name in stored(workdir) if "codec" in name]
  trained = Trained(of_codes(), workdir, execution=EXECUTIONS["one"]())
  trained.sample_folder(output, num_samples=3, steps=4, guidance=2.0, label=5)
  drawn = np.load(output / "samples.npz")["image"]
  assert drawn.shape == (3, 8, 8, 1)
  # What is drawn lies where the decoder, an affine map of 6 numbers, leads.
  weights = stored(codec)
  kernel = weights["params/model/decoder/head/kernel"].T
  bias = weights["params/model/decoder/head/bias"]
  for image in drawn.reshape(3, 64) / 255:
    inside = (image > 0) & (image < 1)  # what was not clipped
    pixels, lead = (image - bias)[inside], kernel[inside]
    code = np.linalg.lstsq(lead, pixels, rcond=None)[0]
    assert inside.sum() > 12 and np.abs(lead @ code - pixels).max() < 0.01


def test_codes_have_no_bits_per_pixel(of_codes):
  with pytest.raises(UserError, match="expected a task of pixels"):
    of_codes().task.bits_per_dim()


@pytest.mark.parametrize(
  "where",
  ["fsdp", *(pytest.param(x, marks=pytest.mark.slow) for x in ("jit", "pmap"))],
)
def test_it_is_the_same_everywhere(of_codes, where):
  assert_equal_everywhere(of_codes, [where])


@pytest.mark.slow
def test_it_resumes(of_codes, tmp_path):
  assert_resumes(of_codes, tmp_path)
