"""What devices send each other in a training step, counted in the programs."""

import re

import jax
import optax
import pytest

from tests.tables import labelled_images
from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.models.resnet import ResNet
from vision_jax.tasks.classification import Classification

EXECUTIONS = {"jit": Jit, "pmap": Pmap}
NORMS = 3  # of the net below


def compiled(execution, **options):
  """A training step on eight devices."""
  task = Classification(ResNet(4, (1,), False, 8, "small"))
  optimizers, batch = {"model": optax.sgd(0.1)}, labelled_images(32, 0)
  state = execution.init(
    lambda: create_state(task, optimizers, jax.random.key(0), batch)
  )
  step = make_train_step(task, optimizers, axis=execution.axis, **options)
  step = execution.train_step(step, state)
  return step.lower(state, execution.put(batch)).compile().as_text()


def reduced(text):
  """The shapes of all arrays that are added up over devices."""
  results = re.findall(r"= (.*) all-reduce(?:-start)?\(", text)
  return [shape for r in results for shape in re.findall(r"\w+\[[\d,]*\]", r)]


@pytest.mark.parametrize("name", EXECUTIONS)
def test_no_norm_adds_up_the_count_by_itself(name):
  shapes = reduced(compiled(EXECUTIONS[name]()))
  # The count travels with the sums: (first values, 1), (sums, squares, 1), and
  # under pmap what comes back from these.
  assert shapes.count("f32[9]") == NORMS
  assert shapes.count("f32[17]") == NORMS * (2 if name == "pmap" else 1)
  assert shapes.count("f32[]") <= 2  # the loss and its count
