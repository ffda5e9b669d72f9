"""Detection's loss as an object: its parts can be others, and must fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from tests.tables import boxed_images, small_detection
from vision_jax.core.types import Mean
from vision_jax.errors import UserError
from vision_jax.losses.detection import (
  SigmoidFocal,
  Softmax,
  Varifocal,
  giou,
  l1,
)
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.tasks.detection import Detection

BOXES = np.array([[[0.25, 0.5, 0.2, 0.2], [0.75, 0.5, 0.2, 0.4]]], np.float32)
BATCH = {
  "boxes": BOXES,
  "label": np.array([[0, 1]], np.int32),
  "box_mask": np.ones((1, 2), np.float32),
  "mask": np.ones(1, np.float32),
}
# The first query lies on the second box with the first box's class.
OUTPUTS = {
  "logits": jnp.array([[[[9.0, -9, -9], [-9, 9, -9], [-9, -9, 9]]]]),
  "boxes": jnp.array([[[*BOXES[0, ::-1], BOXES[0, 0]]]]),
}


def terms_of(criterion):
  terms = criterion(OUTPUTS, BATCH)
  return {k: float(v.divide()) for k, v in terms.items()}


def test_costs_of_matching_are_not_those_of_the_loss():
  """By boxes alone the classes are wrong, by classes alone the boxes."""
  by_box = terms_of(SetCriterion(cost={"l1": 1.0}))
  assert by_box["l1"] == 0 and by_box["class"] > 9
  by_class = terms_of(SetCriterion(cost={"class": 1.0}))
  assert by_class["class"] < 1e-3
  np.testing.assert_allclose(by_class["l1"], 0.7, rtol=1e-6)


def test_a_term_of_boxes_is_one_function():
  """A term of its own is computed of matched boxes, and matches by its cost."""
  height = lambda boxes, target: jnp.abs(boxes[..., 3] - target[..., 3])
  box = {"l1": l1, "giou": giou, "height": height}
  logged = terms_of(SetCriterion(box=box, cost={"class": 1.0}))
  np.testing.assert_allclose(logged["height"], 0.2, rtol=1e-6)
  assert {"aux_height", "height"} < logged.keys()
  weights = {"class": 1.0, "l1": 5.0, "giou": 2.0, "height": 1e3}
  matched = terms_of(SetCriterion(box=box, weights=weights))
  assert matched["height"] == 0 and matched["class"] > 9


def test_further_sets_are_those_that_the_outputs_hold():
  more = {k: v[0] for k, v in OUTPUTS.items()}
  outputs = OUTPUTS | {f"proposal_{k}": v for k, v in more.items()}
  terms = SetCriterion()(outputs, BATCH)
  for name in ("class", "l1", "giou"):
    np.testing.assert_allclose(terms[f"proposal_{name}"], terms[name])
  assert len(terms) == 9


@pytest.mark.slow
def test_a_set_of_one_class_is_of_any_object():
  logits = jnp.array([[[9.0], [9.0], [-9.0]]])
  more = {"token_logits": logits, "token_boxes": OUTPUTS["boxes"][0]}
  sigmoid = SetCriterion(SigmoidFocal())
  terms = sigmoid(OUTPUTS | more, BATCH)
  anything = BATCH | {"label": np.zeros((1, 2), np.int32)}
  for name in ("class", "l1", "giou"):
    other = sigmoid(OUTPUTS | more, anything)[f"token_{name}"]
    np.testing.assert_allclose(terms[f"token_{name}"], other)
  assert float(terms["token_class"].divide()) < 1e-3


RT_DETR = SetCriterion(Varifocal(), cost={"class": 2.0, "l1": 5.0, "giou": 2.0})


@pytest.mark.slow
def test_a_class_that_learns_how_its_box_fits_is_transformers():
  """Of every layer of RT-DETR, and of the tokens that became queries."""
  torch, transformers = library("torch"), library("transformers")
  from transformers.loss.loss_rt_detr import RTDetrForObjectDetectionLoss

  rng = np.random.default_rng(0)
  i, b, q, k, n = 3, 2, 7, 4, 3
  logits = rng.normal(size=(i + 1, b, q, k)).astype(np.float32)
  boxes = rng.uniform(0.2, 0.5, size=(i + 1, b, q, 4)).astype(np.float32)
  batch = {
    "boxes": rng.uniform(0.2, 0.5, size=(b, n, 4)).astype(np.float32),
    "label": rng.integers(k, size=(b, n)).astype(np.int32),
    "box_mask": np.array([[1, 1, 1], [1, 1, 0]], np.float32),
    "mask": np.ones(b, np.float32),
  }

  def terms(boxes):
    outputs = {"logits": logits[:i], "boxes": boxes[:i]}
    outputs |= {"token_logits": logits[i], "token_boxes": boxes[i]}
    got = RT_DETR(outputs, batch)
    return got["class"].total, {k: v.divide() for k, v in got.items()}

  slope, got = jax.jit(jax.grad(terms, has_aux=True))(boxes)
  assert not np.any(slope)  # a class does not draw its box
  tensor = lambda x: torch.from_numpy(np.array(x))
  layers = lambda x: tensor(x[:i]).transpose(0, 1)
  targets = [
    {
      "class_labels": tensor(batch["label"][j][real]).long(),
      "boxes": tensor(batch["boxes"][j][real]),
    }
    for j, real in enumerate(batch["box_mask"] > 0)
  ]
  total, want, _ = RTDetrForObjectDetectionLoss(
    *(tensor(logits[i - 1]), targets, "cpu", tensor(boxes[i - 1])),
    transformers.RTDetrConfig(num_labels=k),
    *(layers(logits), layers(boxes)),
    *(tensor(logits[i]), tensor(boxes[i])),
  )
  names = {"class": "loss_vfl", "l1": "loss_bbox", "giou": "loss_giou"}
  for name, theirs in names.items():
    aux = [float(want[f"{theirs}_aux_{j}"]) for j in range(i)]
    sums = {"": float(want[theirs]), "aux_": sum(aux[:-1]), "token_": aux[-1]}
    for prefix, value in sums.items():  # theirs are weighted
      ours = RT_DETR.weights[name] * got[prefix + name]
      np.testing.assert_allclose(ours, value, rtol=1e-4)
  ours = sum(RT_DETR.weights[k.rpartition("_")[2]] * v for k, v in got.items())
  np.testing.assert_allclose(ours, float(total), rtol=1e-4)


def test_a_class_aims_at_the_overlap_of_its_box():
  """There it has no slope, and its least value."""
  label = jnp.array([[1, 3]])  # the second shows nothing
  fit, loss = jnp.array([[0.6, 0.0]]), Varifocal().loss
  aim = jnp.log(0.6 / 0.4)
  logits = jnp.array([[[-30.0, aim, -30.0], [-30.0, -30.0, -30.0]]])
  values, weights = loss(logits, label, fit)
  entropy = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
  np.testing.assert_allclose(values, [[0.6 * entropy, 0]], rtol=1e-5)
  np.testing.assert_array_equal(weights, 1)
  slope = jax.grad(lambda x: loss(x, label, fit)[0].sum())(logits)
  np.testing.assert_allclose(slope, 0, atol=1e-6)


@pytest.mark.parametrize("field", ["weights", "cost"])
def test_a_weight_of_no_term_is_an_error(field):
  with pytest.raises(UserError, match=f"{field}: got 'l2'; expected some of"):
    SetCriterion(**{field: {"class": 1.0, "l2": 5.0}})


@pytest.mark.parametrize(
  ("queries", "classify"), [("learned", SigmoidFocal()), ("encoder", Softmax())]
)
def test_a_criterion_that_does_not_fit_the_model_is_an_error(queries, classify):
  model = small_detection(queries).model
  with pytest.raises(UserError, match="expected the same"):
    Detection(model, SetCriterion(classify))


class Dense:
  """A criterion of another kind: every query learns the first box."""

  background, weights = True, {"distance": 2.0}

  def __call__(self, outputs, batch):
    first = batch["boxes"][:, :1]
    values = l1(outputs["boxes"][-1], first).mean(-1)
    return {"distance": Mean.of(values, batch["mask"])}


def test_another_criterion_takes_its_place():
  class Detector(type(small_detection("learned").model)):
    prefixes = ("",)

  given = small_detection("learned").model
  fields = {k: getattr(given, k) for k in given.__dataclass_fields__}
  fields = {k: v for k, v in fields.items() if k not in ("parent", "name")}
  task, batch = Detection(Detector(**fields), Dense()), boxed_images(4, 0)
  (objective,) = task.objectives
  assert objective.weights == {"distance": 2.0}
  params, stats = jax.eval_shape(task.init, jax.random.key(0), batch)
  terms, _ = jax.eval_shape(
    lambda *args: objective.loss(*args, step=0, train=True),
    *(params, stats, batch, jax.random.key(0)),
  )
  assert terms.keys() == {"distance"}
