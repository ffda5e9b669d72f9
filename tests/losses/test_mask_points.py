"""Masks compared at points: torch's sampling, and transformers' losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.losses import masks as losses
from vision_jax.losses.masks import MaskCriterion, drawn
from vision_jax.ops.augment.keys import example_keys
from vision_jax.ops.points import sample_points, unsure_points

MODULE = "transformers.models.mask2former.modeling_mask2former"
B, Q, N, K, SETS, POINTS = 2, 6, 4, 3, 2, 40


def test_what_cannot_be_is_refused():
  for name, value in (("points", -1), ("oversample", 0.5), ("importance", 2)):
    with pytest.raises(UserError, match=f"{name}: got {value}"):
      MaskCriterion(**{name: value})


def outputs_and_batch(seed=0, size=(5, 7), whole=(10, 14)):
  rng = np.random.default_rng(seed)
  outputs = {
    "logits": rng.normal(size=(SETS, B, Q, K + 1)).astype(np.float32),
    "masks": rng.normal(size=(SETS, B, Q, *size)).astype(np.float32),
  }
  batch = {
    "masks": (rng.random((B, N, *whole)) < 0.4).astype(np.float32),
    "label": rng.integers(0, K, (B, N)),
    "box_mask": np.float32([[1, 1, 1, 0], [1, 1, 0, 0]]),
    "mask": np.ones(B, np.float32),
    "index": np.arange(B, dtype=np.int32),
  }
  return outputs, batch


def test_points_are_of_an_example_a_set_and_a_key():
  _, batch = outputs_and_batch()
  key = jax.random.key(0)
  of = lambda batch, key, i, use: np.asarray(
    drawn(example_keys(batch, key), i, use, (5,))
  )
  whole = of(batch, key, 1, losses.REST)
  assert whole.shape == (B, 5, 2) and (whole >= 0).all() and (whole < 1).all()
  second = {"index": batch["index"][1:]}
  np.testing.assert_array_equal(of(second, key, 1, losses.REST), whole[1:])
  others = [
    of(batch, key, 0, losses.REST),
    of(batch, key, 1, losses.MATCHING),
    of(batch, jax.random.key(1), 1, losses.REST),
    whole[::-1],
  ]
  assert not any((x == whole).any() for x in others)


def test_values_at_points_are_the_plain_statement():
  """Of a small map by hand: centres, an edge between two, and the border."""
  maps = jnp.arange(6.0).reshape(1, 1, 2, 3)
  at = jnp.array([[[1 / 6, 0.25], [1 / 3, 0.25], [5 / 6, 0.75], [0.5, 0.0]]])
  expected = [[[0.0, 0.5, 5.0, 0.5]]]  # what is beyond is 0
  np.testing.assert_allclose(sample_points(maps, at), expected, atol=1e-6)
  each = sample_points(maps, at[:, None])
  np.testing.assert_allclose(each, expected, atol=1e-6)
  best = unsure_points(maps - 5, at[:, None], 1)
  np.testing.assert_allclose(best[0, 0], at[0, 2:3])


@pytest.mark.slow
def test_sampling_is_torchs_and_transformers():
  torch, theirs = library("torch"), library(MODULE)
  rng = np.random.default_rng(0)
  maps = rng.normal(size=(B, N, 5, 7)).astype(np.float32)
  shared = rng.uniform(-0.1, 1.1, (B, 9, 2)).astype(np.float32)
  own = rng.uniform(-0.1, 1.1, (B, N, 9, 2)).astype(np.float32)
  tensor = torch.from_numpy
  expected = theirs.sample_point(
    tensor(maps), tensor(shared), align_corners=False
  )
  np.testing.assert_allclose(sample_points(maps, shared), expected, atol=1e-5)
  given = tensor(maps).reshape(B * N, 1, 5, 7).requires_grad_()
  grid = 2 * tensor(own).reshape(B * N, 1, 9, 2) - 1
  expected = torch.nn.functional.grid_sample(given, grid, align_corners=False)
  (expected**2).sum().backward()
  seen, back = jax.vjp(lambda x: sample_points(x, own), jnp.asarray(maps))
  flat = expected.detach().numpy().reshape(B, N, 9)
  np.testing.assert_allclose(seen, flat, atol=1e-5)
  (slope,) = back(2 * seen)
  np.testing.assert_allclose(
    slope, given.grad.numpy().reshape(maps.shape), atol=1e-4
  )


def their_losses(monkeypatch, outputs, batch, given):
  """transformers' losses, the last set first, of given points."""
  torch, theirs = library("torch"), library(MODULE)
  config = library("transformers").Mask2FormerConfig(
    **{"num_labels": K, "train_num_points": POINTS},
    **{"class_weight": 2.0, "mask_weight": 5.0, "dice_weight": 5.0},
    **{"no_object_weight": 0.1, "oversample_ratio": 3.0},
    importance_sample_ratio=0.75,
  )
  tensor = torch.from_numpy
  order = []
  for i in (SETS - 1, *range(SETS - 1)):
    order += [*given[losses.MATCHING][i], given[losses.CANDIDATES][i]]
    order += [given[losses.REST][i]]
  waiting = iter(order)

  def rand(rows, number, two, device=None):
    points = next(waiting)
    assert points.shape == (number, two)
    return tensor(points).expand(rows, number, two).clone()

  monkeypatch.setattr(torch, "rand", rand)
  real = [x > 0 for x in batch["box_mask"]]
  of = lambda x: [tensor(x[i][real[i]]) for i in range(B)]
  sets = [
    {
      "masks_queries_logits": tensor(outputs["masks"][i]),
      "class_queries_logits": tensor(outputs["logits"][i]),
    }
    for i in range(SETS)
  ]
  return theirs.Mask2FormerLoss(config, {})(
    *sets[-1].values(),
    *(of(batch["masks"]), of(batch["label"])),
    auxiliary_predictions=sets[:-1],
  )


@pytest.mark.slow
def test_losses_at_given_points_are_transformers(monkeypatch):
  """All masks of a set have the same candidates here, as have theirs."""
  rng = np.random.default_rng(1)
  outputs, batch = outputs_and_batch(3)
  points = lambda *shape: rng.random((*shape, 2), np.float32)
  given = {
    losses.MATCHING: points(SETS, B, POINTS),
    losses.CANDIDATES: points(SETS, 3 * POINTS),
    losses.REST: points(SETS, POINTS // 4),
  }

  def draw(keys, i, use, shape):
    own = jnp.asarray(given[use])[i]
    assert own.shape[-2] == shape[-1]
    return jnp.broadcast_to(own, (B, *shape, 2))

  monkeypatch.setattr(losses, "drawn", draw)
  criterion = MaskCriterion(points=POINTS)
  terms = jax.jit(lambda *x: criterion(*x))(outputs, batch, jax.random.key(0))
  expected = their_losses(monkeypatch, outputs, batch, given)
  names = {"mask": "mask", "mask_dice": "dice", "class": "cross_entropy"}
  for ours, theirs in names.items():
    for prefix, suffix in (("", ""), ("aux_", "_0")):
      mean = terms[prefix + ours]
      got = float(mean.total / mean.count)
      value = float(expected[f"loss_{theirs}{suffix}"])
      assert got == pytest.approx(value, rel=1e-4), prefix + ours


@pytest.mark.slow
def test_many_points_are_nearly_the_whole_mask():
  """Without importance, of masks that are smooth: the mean over the area."""
  outputs, batch = outputs_and_batch(4, (8, 8), (8, 8))
  outputs["masks"] = np.sort(outputs["masks"], -1)
  batch["masks"] = np.sort(batch["masks"], -1)
  key = jax.random.key(0)
  many = MaskCriterion(points=4000, importance=0.0)
  got = jax.jit(lambda *x: many(*x))(outputs, batch, key)
  whole = MaskCriterion()(outputs, batch)
  for name in ("mask", "class"):
    a, b = (float(x[name].total / x[name].count) for x in (got, whole))
    assert a == pytest.approx(b, rel=0.15), name
