"""Noised boxes beside queries: how noised, what sees them, what they teach."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.tables import boxed_images, small_detection
from vision_jax.errors import UserError
from vision_jax.ops.noised_boxes import BoxNoise, Noised, seen_by
from vision_jax.tasks.detection import Detection

CLASSES, GROUPS = 4, 3
NOISE = BoxNoise(GROUPS)


def small(noise=NOISE):
  """A narrow two-stage DETR that denoises."""
  model = small_detection("encoder").model
  return Detection(model.clone(denoise=noise is not None), noise=noise)


def batch_of(size=8):
  batch = boxed_images(size, 0, padded=True)
  batch["box_mask"][:, 0], batch["crowd"][:, 0] = 1, 0
  batch["boxes"][:, 0] = [0.5, 0.5, 0.3, 0.4]
  return batch


def test_noise_is_of_the_papers_size_and_keyed_by_example():
  batch = batch_of(64)
  noised = NOISE(batch, jax.random.key(0), CLASSES)
  assert noised.boxes.shape == (64, GROUPS, 3, 4)
  change = np.asarray(noised.boxes)[:, :, 0] - batch["boxes"][:, None, 0]
  most = np.array([0.4 * 0.15, 0.4 * 0.2, 0.4 * 0.3, 0.4 * 0.4])
  largest = np.abs(change).max((0, 1))
  assert (largest <= most + 1e-6).all() and (largest > 0.9 * most).all()
  other = np.asarray(noised.label)[:, :, 0] != batch["label"][:, None, 0]
  assert 0.05 < other.mean() < 0.25  # a fifth, of which a quarter stay
  half = {k: x[32:] for k, x in batch.items()}
  again = NOISE(half, jax.random.key(0), CLASSES)
  np.testing.assert_array_equal(again.boxes, noised.boxes[32:])
  np.testing.assert_array_equal(again.label, noised.label[32:])


def test_padding_and_crowds_are_not_noised():
  batch = batch_of()
  batch["crowd"][:, 1] = 1
  batch["boxes"][:, 1] = np.nan
  noised = NOISE(batch, jax.random.key(0), CLASSES)
  assert not np.any(noised.real[:, 1]) and np.all(noised.real[:, 0])
  assert np.isfinite(noised.boxes).all()


def test_what_is_seen():
  real = jnp.array([[True, False]])
  boxes, label = jnp.zeros((1, 2, 2, 4)), jnp.zeros((1, 2, 2), jnp.int32)
  seen = np.asarray(seen_by(Noised(boxes, label, real), 1))[0].astype(int)
  # Two groups of a box and of padding, and a query.
  first, second = [1, 0, 0, 0, 1], [0, 0, 1, 0, 1]
  assert seen.tolist() == [first, first, second, second, [0, 0, 0, 0, 1]]


@pytest.mark.slow
def test_queries_that_are_matched_see_none():
  """Their outputs are the same without, and no gradient comes through."""
  task, batch = small(), batch_of()
  params, stats = task.init(jax.random.key(0), batch)
  noised = NOISE(batch, jax.random.key(1), CLASSES)
  given = {"params": params["model"], **stats["model"]}
  run = lambda **more: task.model.apply(
    given, batch["image"], train=False, **more
  )
  number = GROUPS * 3

  @jax.jit
  def outputs(boxes):
    found = run(noised=noised._replace(boxes=boxes))
    matched = {k: found[k][:, :, number:] for k in ("logits", "boxes")}
    own = {k: found[k][:, :, :number] for k in ("logits", "boxes")}
    return sum(map(jnp.sum, matched.values())), (matched, own)

  slopes, (matched, own) = jax.grad(outputs, has_aux=True)(noised.boxes)
  assert not np.any(slopes)
  plain = jax.jit(run)()
  for name, x in matched.items():
    np.testing.assert_allclose(x, plain[name], atol=1e-5)
    assert own[name].shape[2] == number
  # And noised boxes see those of their group.
  moved = noised.boxes.at[:, 0, 0].set(0.5)
  _, (_, other) = outputs(moved)
  change = np.abs(other["logits"] - own["logits"]).max((0, 1, 3))
  assert change[0] > 1e-4 and change[3:].max() < 1e-5


@pytest.mark.slow
def test_losses_fall_and_there_are_none_in_evaluation():
  task, batch = small(), jax.tree.map(jnp.asarray, batch_of())
  params, stats = task.init(jax.random.key(0), batch)
  (objective,) = task.objectives
  assert objective.weights["denoised_l1"] == objective.weights["l1"]

  def loss(params, step, train=True):
    terms, _ = objective.loss(
      *(params, stats, batch, jax.random.key(step)), step=step, train=train
    )
    values = {k: v.divide() for k, v in terms.items()}
    return sum(w * values[k] for k, w in objective.weights.items()), values

  optimizer = optax.adam(5e-3)

  @jax.jit
  def descend(params, state, step):
    (total, values), slope = jax.value_and_grad(loss, has_aux=True)(
      params, step
    )
    change, state = optimizer.update(slope, state)
    return optax.apply_updates(params, change), state, values | {"sum": total}

  logs, state = [], optimizer.init(params)
  for step in range(80):
    params, state, values = descend(params, state, step)
    logs.append(values)
  mean = lambda name, part: np.mean([x[name] for x in logs[part]])
  for name in ("denoised_class", "class", "sum"):
    first, last = mean(name, slice(5)), mean(name, slice(-5, None))
    assert 0 < last < 0.9 * first, (name, first, last)
  _, off = jax.jit(lambda p: loss(p, 0, train=False))(params)
  assert off["denoised_class"] == off["denoised_l1"] == 0 < off["l1"]


def test_model_and_task_agree():
  model = small_detection("encoder").model
  with pytest.raises(UserError, match="for a model with denoise=False"):
    Detection(model, noise=NOISE)
  with pytest.raises(UserError, match="noise: got None for a model with deno"):
    Detection(model.clone(denoise=True))
  with pytest.raises(UserError, match="flip: got 2; expected a part, 0 to 1"):
    dataclasses.replace(NOISE, flip=2)
