"""A prior over codes: what is hidden, what is drawn, one result everywhere."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
)
from tests.tables import labelled_images
from vision_jax.errors import UserError
from vision_jax.models.generation.code_transformer import CodeTransformer
from vision_jax.models.generation.latent_autoencoders import AutoencoderKL
from vision_jax.models.generation.vq_vae import VQVAE
from vision_jax.ops.inputs import normalize
from vision_jax.ops.unmasking import hidden_number, lowest, unmask
from vision_jax.pipelines.colours import SIGNED
from vision_jax.tasks.code_prior import CodePrior

KEY = jax.random.key(0)
CODEC = VQVAE(1, 8, 2, (4,), hidden=4, blocks=1)


def prior(**fields):
  net = CodeTransformer(8, 10, features=8, depth=1, heads=2, dropout=0.1)
  return CodePrior(net, CODEC, **fields)


def batch_of(size=4, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"][..., :1])}


def nets_of(task):
  return jax.eval_shape(lambda: task.init(KEY, batch_of()))


def test_the_cosine_hides_all_at_first_and_none_at_last():
  share = np.linspace(0, 1, 11).astype(np.float32)
  want = np.floor(np.cos(np.pi / 2 * share.astype(np.float64)) * 49 + 1e-9)
  got = hidden_number(share, 49)
  assert got[0] == 49 and got[-1] == 0
  np.testing.assert_array_equal(got, want)
  chosen = lowest(np.array([[3.0, 1, 2], [1, 2, 3]]), np.array([2, 0]))
  np.testing.assert_array_equal(chosen, [[0, 1, 1], [0, 0, 0]])


def test_codes_that_are_sure_are_all_drawn():
  """By a net that knows them, whatever is hidden; and it sees fewer hidden."""
  wanted = np.random.default_rng(0).integers(0, 8, (3, 9)).astype(np.int32)
  seen = []

  def predict(codes):
    jax.debug.callback(lambda x: seen.append(np.sum(x == 8, -1)), codes)
    return 50.0 * jax.nn.one_hot(wanted, 8)

  keys = jax.random.split(KEY, 3)
  got = unmask(predict, keys, 9, 8, steps=4, temperature=1.0)
  jax.effects_barrier()
  np.testing.assert_array_equal(got, wanted)
  want = [9, *np.asarray(hidden_number(np.arange(1, 4) / 4, 9))]
  np.testing.assert_array_equal(seen, np.tile(want, (3, 1)).T)


def test_samples_have_the_shape_of_images():
  task = prior()
  params, stats = nets_of(task)
  assert set(params) == {"model", "autoencoder"}
  draw = lambda *nets: task.sample(*nets, batch_of(), KEY, steps=3)["image"]
  assert jax.eval_shape(draw, params, stats).shape == (4, 8, 8, 1)
  jaxpr = jax.make_jaxpr(draw)(params, stats)
  loops = [e for e in jaxpr.eqns if e.primitive.name in ("scan", "while")]
  assert [e.params["length"] for e in loops] == [3]


class Answer(nn.Module):
  """A net that knows the codes of a batch."""

  logits: object
  size: int = 8
  num_classes: int = 10

  def apply(self, variables, codes, condition, *, train, **options):
    return self.logits(codes)


@pytest.mark.slow
def test_the_loss_is_of_hidden_codes_alone():
  rng = np.random.default_rng(0)
  shapes, more = nets_of(prior())
  draw = lambda x: rng.normal(size=x.shape).astype(np.float32) * 0.3
  params, stats = jax.tree.map(draw, (shapes, more))
  batch, seen = batch_of(), []
  params, stats = {"model": {}, **params}, {"model": {}, **stats}
  codes = prior().codes(params, stats, batch["image"]).reshape(4, -1)
  assert len(np.unique(codes)) > 2

  def knows_what_is_hidden(given):
    seen.append(np.asarray(given))
    right = jax.nn.one_hot(codes, 8)
    wrong = jnp.roll(right, 1, -1)
    return 50 * jnp.where((given == 8)[..., None], right, wrong)

  task = CodePrior(Answer(knows_what_is_hidden), CODEC)
  (objective,) = task.objectives
  terms, _ = objective.loss(params, stats, batch, KEY, step=0, train=False)
  assert float(terms["cross_entropy"].divide()) == pytest.approx(0, abs=1e-6)
  assert float(terms["accuracy"].divide()) == 1
  (given,) = seen
  hidden = given == 8
  np.testing.assert_array_equal(given[~hidden], np.asarray(codes)[~hidden])
  assert hidden.any(1).all() and not hidden.all()
  assert float(terms["accuracy"].count) == hidden.sum()


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (
      lambda: CodePrior(prior().model, AutoencoderKL()),
      "AutoencoderKL, which has no codes; expected one with a codebook",
    ),
    (
      lambda: CodePrior(prior().model, VQVAE(size=9)),
      "got 8 codes of the prior and 9 of the autoencoder",
    ),
    (lambda: prior(drop_label=2.0), "drop_label: got 2.0"),
    (lambda: prior(drop_label=0.0).check_guidance(2.0), "drop_label=0"),
  ],
)
def test_wrong_tasks_are_errors(make, message):
  with pytest.raises(UserError, match=message):
    make()


def of_codes():
  return digits(prior(), inputs=normalize(*SIGNED), augment=None)


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(of_codes, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(of_codes, tmp_path)
