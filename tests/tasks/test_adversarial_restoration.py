"""SRGAN: its discriminator and losses beside torch's, what it begins with."""

import dataclasses
import functools

import flax.linen as nn
import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.experiments.everywhere import assert_equal_everywhere, assert_resumes
from tests.interop import parity
from tests.oracles import library
from tests.programs.command import ROOT
from vision_jax.core.execution import Jit
from vision_jax.errors import UserError
from vision_jax.interop.rules import conv, dense, flattened, norm
from vision_jax.models.count import parameters
from vision_jax.models.restoration.srgan import SRGANDiscriminator
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe
from vision_jax.tasks.adversarial_restoration import AdversarialRestoration
from vision_jax.tasks.perceptual import PERCEPTUAL
from vision_jax.train import initial
from vision_jax.train.checkpoint.errors import CheckpointError
from vision_jax.train.checkpoint.parts import restore_part
from vision_jax.train.fixed import Fixed

KEY = jax.random.key(0)
MASK = np.float32([1, 1, 0])
# Of figure 4: channels in and out of each convolution, and its stride.
LAYERS = (
  *((3, 64, 1), (64, 64, 2), (64, 128, 1), (128, 128, 2)),
  *((128, 256, 1), (256, 256, 2), (256, 512, 1), (512, 512, 2)),
)


def tiny(config="div2k_srgan", **values):
  path = ROOT / f"configs/restoration/{config}.py"
  return recipe.load(f"{path}:tiny", values).build()


def one():
  return Jit(devices=jax.devices()[:1])


def torch_discriminator(narrower, sides):
  """Figure 4 of the paper, with logits in the place of the sigmoid.

  Args:
    narrower: by what its widths are divided.
    sides: (height, width) of the last map.
  """
  torch_nn = library("torch").nn
  layers = []
  for i, (c, d, stride) in enumerate(LAYERS):
    c, d = c // narrower if i else c, d // narrower
    layers.append(torch_nn.Conv2d(c, d, 3, stride, 1, bias=i == 0))
    layers += [torch_nn.BatchNorm2d(d)] * (i > 0)
    layers.append(torch_nn.LeakyReLU(0.2))
  hidden, places = 1024 // narrower, sides[0] * sides[1]
  return torch_nn.Sequential(
    *layers,
    torch_nn.Flatten(),
    torch_nn.Linear(d * places, hidden),
    torch_nn.LeakyReLU(0.2),
    torch_nn.Linear(hidden, 1),
  )


def test_the_discriminator_has_the_papers_layers():
  kernels = sum(9 * c * d for c, d, _ in LAYERS)
  scales_and_biases = 64 + 2 * sum(d for _, d, _ in LAYERS[1:])
  last = 6 * 6 * 512 * 1024 + 1024 + 1024 + 1  # 96 pixels, halved four times
  with library("torch").device("meta"):
    theirs = torch_discriminator(1, (6, 6))
  count = parameters(SRGANDiscriminator(), (1, 96, 96, 3))
  assert count == kernels + scales_and_biases + last == 23_563_649
  assert count == sum(x.numel() for x in theirs.parameters())


@pytest.mark.slow
def test_the_discriminator_is_torchs():
  def layout(shapes):
    rules = conv("0", "conv1") + dense("26", "head")
    for i in range(2, 9):
      rules += conv(str(3 * i - 4), f"conv{i}")
      rules += norm(str(3 * i - 3), f"bn{i}")
    return rules + flattened("24", "dense", (3, 2), shapes)

  x = parity.images(4, 40, 32, 3)  # 40 is halved to 5, and that to 3
  theirs = torch_discriminator(16, (3, 2))
  out = lambda y: y[:, 0]
  parity.check(theirs, layout, SRGANDiscriminator(4), x, out=out)


class Twice(nn.Module):
  """Repeats each pixel, times a parameter."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    by = self.param("by", nn.initializers.constant(0.9), ())
    return by * x.repeat(2, 1).repeat(2, 2)


class Judge(nn.Module):
  """A discriminator whose logits are images' means, times a number."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    by = self.param("by", nn.initializers.constant(1.5), ())
    return by * x.mean((1, 2, 3))


class Squares(nn.Module):
  """Maps of a trained net: pixels as it takes them, squared."""

  @nn.compact
  def __call__(self, x, *, train, features):
    assert features and not train
    return {"squares": self.param("by", nn.initializers.ones, ()) * x**2}


def batch_of(h, w, c=3):
  rng = np.random.default_rng(0)
  images = lambda *shape: rng.uniform(size=shape).astype(np.float32)
  return {
    "image": images(3, h, w, c),
    "clean": images(3, 2 * h, 2 * w, c),
    "mask": MASK,
  }


def terms(task, batch, number):
  """(the terms, their sum by weight) of an objective."""
  params, stats = task.init(KEY, batch)
  objective = task.objectives[number]
  found, _ = objective.loss(params, stats, batch, KEY, step=0, train=True)
  found = {name: float(x.divide()) for name, x in found.items()}
  return found, sum(w * found[k] for k, w in objective.weights.items())


@pytest.mark.parametrize("content", ["pixels", "perceptual"])
def test_losses_are_what_torch_computes(content):
  """Equations 2 to 6, of the examples that count."""
  torch = library("torch")
  f, number = torch.nn.functional, lambda x: torch.tensor(x[:2]).double()
  judge = Squares() if content == "perceptual" else None
  task = AdversarialRestoration(Twice(), discriminator=Judge(), judge=judge)
  batch = batch_of(4, 6)
  real = 2 * number(batch["clean"]) - 1
  fake = 0.9 * number(batch["image"].repeat(2, 1).repeat(2, 2)) * 2 - 1
  logit = lambda x: 1.5 * x.mean((1, 2, 3))
  truth = lambda x, is_real: f.binary_cross_entropy_with_logits(
    logit(x), torch.full((2,), float(is_real)).double()
  )
  near = lambda x: pytest.approx(float(x), rel=1e-5)
  found, total = terms(task, batch, 0)
  assert total == near(truth(real, True) + truth(fake, False))
  assert found["real"] == near(logit(real).mean())
  assert found["fake"] == near(logit(fake).mean())

  def rescaled(x):
    mean = torch.tensor([0.485, 0.456, 0.406])
    std = torch.tensor([0.229, 0.224, 0.225])
    return (((x + 1) / 2 - mean) / std) ** 2 / 12.75

  want = {
    "pixels": f.mse_loss(fake, real),
    "perceptual": f.mse_loss(rescaled(fake), rescaled(real)),
  }
  found, total = terms(task, batch, 1)
  expected = want[content] + 1e-3 * truth(fake, True)
  assert total == near(expected)
  assert found["pixels"] == near(want["pixels"])
  nets = [objective.net for objective in task.objectives]
  assert nets == ["discriminator", "model"]
  expected = {*nets, PERCEPTUAL} if judge else {*nets}
  assert set(task.init(KEY, batch)[0]) == expected


def test_what_does_not_fit_is_named():
  make = lambda **fields: AdversarialRestoration(
    Twice(), **{"discriminator": Judge()} | fields
  )
  with pytest.raises(UserError, match="adversarial: got -1; expected 0 or mo"):
    make(adversarial=-1)
  with pytest.raises(ValueError, match="did you mean 'l2'"):
    make(loss="l3")
  init = lambda task, batch: jax.eval_shape(lambda: task.init(KEY, batch))
  with pytest.raises(UserError, match="got 4 channels; expected 1 or 3"):
    init(make(judge=Squares()), batch_of(4, 4, 4))
  larger = batch_of(4, 4) | {"clean": np.zeros((3, 16, 16, 3), np.float32)}
  with pytest.raises(UserError, match="Check its scale"):
    terms(make(), larger, 0)
  experiment = tiny(image_size="3")
  batch = experiment.train_data.batch(0)
  with pytest.raises(UserError, match=r"of 12 x 12, .* expected 16 pixels"):
    jax.eval_shape(lambda: experiment.initial_state(KEY, batch))


def test_vgg_19_is_a_fixed_net_where_one_is_given():
  plain, experiment = tiny(), tiny(judge="gone.pth", judge_layer="relu2_2")
  assert not plain.fixed and plain.task.judge is None
  judge, place = experiment.task.judge, experiment.fixed[PERCEPTUAL]
  assert [len(stage) for stage in judge.stages] == [2, 2, 4, 4, 4]
  assert judge.layers == ("relu2_2",) and place.path.endswith("/gone.pth")
  moved = experiment.found_at({PERCEPTUAL: "there"})
  assert moved.fixed[PERCEPTUAL].path == "there"
  with pytest.raises(UserError, match="did you mean 'perceptual'"):
    experiment.found_at({"perceptul": "there"})
  with pytest.raises(UserError, match="has no fixed net; leave it out"):
    plain.found_at({PERCEPTUAL: "there"})
  with pytest.raises(
    CheckpointError, match=r"'perceptual': .*/gone\.pth: there"
  ):
    Fixed.load(experiment, one(), experiment.train_data.batch(0))


def test_it_begins_with_a_run_of_srresnets(tmp_path):
  abstract = lambda experiment: one().abstract(
    initial.state_maker(experiment, experiment.train_data.batch(0), 1)
  )
  file, rng = tmp_path / "srresnet.safetensors", np.random.default_rng(0)
  theirs, arrays = abstract(tiny("div2k_srresnet")), {}
  for kind in ("params", "stats"):
    for path, x in jax.tree.leaves_with_path(getattr(theirs, kind)):
      name = jax.tree_util.keystr(path, simple=True, separator="/")
      arrays[f"{kind}/{name}"] = rng.normal(size=x.shape).astype(np.float32)
  save_file(arrays, file)
  experiment = tiny(init_from=str(file))
  state, (part,) = abstract(experiment), experiment.start
  assert part == "model"
  place = experiment.start[part]
  (params, stats), line = restore_part(place, part, (state.params, state.stats))
  np.testing.assert_array_equal(
    params["model"]["conv_last"]["kernel"],
    arrays["params/model/conv_last/kernel"],
  )
  moments = stats["model"]["batch_stats"]["bn_body"]
  name = "stats/model/batch_stats/bn_body/mean"
  np.testing.assert_array_equal(moments["mean"], arrays[name])
  assert "new:" not in line and "left there" not in line
  assert params["discriminator"] == state.params["discriminator"]  # shapes


def sooner(**fields):
  """The tiny variant with a discriminator that takes less to compile."""
  experiment = tiny(scale="2")
  task = dataclasses.replace(
    experiment.task, discriminator=PatchGAN(4, 1), judge=Squares()
  )
  return dataclasses.replace(experiment, task=task, evals={}, **fields)


@pytest.mark.slow
def test_it_is_the_same_under_pmap():
  # Not Adam: of a bias before a norm it would enlarge what rounding leaves.
  descent = dict.fromkeys(("model", "discriminator"), sgd(0.01))
  make = functools.partial(sooner, optimizers=descent)
  assert_equal_everywhere(make, ("pmap",), rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(sooner, tmp_path)
