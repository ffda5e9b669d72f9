"""VQGAN: distances by maps, who judges when, one result everywhere."""

import jax
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
)
from tests.tables import labelled_images
from vision_jax.errors import UserError
from vision_jax.models.backbones.vgg import VGG
from vision_jax.models.generation.vq_vae import VQVAE
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.ops.inputs import normalize
from vision_jax.ops.perceptual import perceptual_distance
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.perceptual import perceptual_net
from vision_jax.tasks.adversarial_quantisation import AdversarialQuantisation

KEY = jax.random.key(0)


def narrow(**fields):
  model = VQVAE(1, 8, 2, (4,), hidden=4, blocks=1)
  fields = {
    "discriminator": PatchGAN(4, 1, norm="instance"),
    "judge": VGG(1, ((4,), (4,))),
    "decay": 0.5,
    **fields,
  }
  return AdversarialQuantisation(model, **fields)


def batch_of(size=4, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"][..., :1])}


def test_a_distance_is_that_of_directions():
  rng = np.random.default_rng(0)
  maps = lambda: {"a": rng.normal(size=(2, 3, 3, 4)),
                  "b": rng.normal(size=(2, 2, 2, 5))}  # fmt: skip
  first, second = maps(), maps()
  want = np.zeros(2)
  for name in first:
    unit = [
      x[name] / np.linalg.norm(x[name], axis=-1, keepdims=True)
      for x in (first, second)
    ]
    want += np.sum((unit[0] - unit[1]) ** 2, -1).mean((1, 2))
  got = perceptual_distance(first, second)
  np.testing.assert_allclose(got, want, rtol=1e-4)
  larger = {name: 3 * x for name, x in first.items()}
  assert np.abs(perceptual_distance(first, larger)).max() < 1e-6


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"loss": "hing"}, "did you mean 'hinge'"),
    ({"adversarial": -1.0}, "adversarial: got -1.0"),
    ({"begin": -1}, "begin: got -1; expected 0 or more"),
  ],
)
def test_bad_values(fields, message):
  with pytest.raises(UserError, match=message):
    narrow(**fields)


def test_random_maps_are_told(caplog):
  net, fixed = perceptual_net("", "perceptual")
  assert not fixed and "those of random filters" in caplog.text
  assert len(net.stages) == 3
  net, fixed = perceptual_net("somewhere", "perceptual")
  assert fixed["perceptual"].path == "somewhere" and len(net.stages) == 5


@pytest.mark.slow
def test_the_discriminator_counts_from_its_step_on():
  task, batch = narrow(begin=3), batch_of()
  params, stats = jax.jit(lambda: task.init(KEY, batch))()
  assert set(params) == {"model", "discriminator", "perceptual"}

  @jax.jit
  def terms(step):
    found = [
      objective.loss(params, stats, batch, KEY, step=step, train=True)[0]
      for objective in task.objectives
    ]
    return [{k: x.divide() for k, x in each.items()} for each in found]

  (judged, drawn), (later, after) = terms(2), terms(3)
  assert judged["discriminator"] == 0 and drawn["fool"] == 0
  want = 2 - float(later["real"]) + float(later["fake"])  # of small logits
  assert float(later["discriminator"]) == pytest.approx(want, rel=1e-3)
  assert after["fool"] != 0 and after["perceptual"] == drawn["perceptual"] > 0
  assert task.objectives[1].weights["fool"] == 0.1


def judged():
  # Not Adam: of a bias before a norm it would enlarge what rounding leaves.
  descent = sgd(0.01)
  return digits(
    narrow(begin=1),
    inputs=normalize(*SIGNED),
    augment=None,
    optimizers={"model": descent, "discriminator": descent},
  )


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(judged, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(judged, tmp_path)
