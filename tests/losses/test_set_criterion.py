"""Detection's loss as an object: its parts can be others, and must fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tables import boxed_images, small_detection
from vision_jax.core.types import Mean
from vision_jax.errors import UserError
from vision_jax.losses.detection import SigmoidFocal, Softmax, giou, l1
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
