"""What devices send each other in a training step, counted in the programs."""

import re

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.tables import labelled_images, small_vit
from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.mapped import mapped
from vision_jax.core.state import create_state
from vision_jax.core.step import make_predict_step, make_train_step
from vision_jax.core.types import NO_NETS
from vision_jax.forms.choice import use_forms
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vit import ViT
from vision_jax.parallel.tensor import Tensor
from vision_jax.planning.collectives import collectives
from vision_jax.tasks.classification import Classification

EXECUTIONS = {
  "jit": Jit,
  "pmap": Pmap,
  "fsdp": lambda: Jit({"data": 2, "fsdp": 4}),
}
NORMS = 3  # of the net below


def small_resnet(dtype=jnp.float32):
  return ResNet(4, (1,), False, 8, "small", dtype=dtype)


def lowered(execution, model):
  """A training step on eight devices."""
  task, batch = Classification(model), labelled_images(32, 0)
  optimizers = {"model": optax.sgd(0.1)}
  state = execution.init(
    lambda: create_state(task, optimizers, jax.random.key(0), batch)
  )
  step = make_train_step(task, optimizers)
  step = execution.train_step(step, state)
  return step.lower(state, execution.put(batch), NO_NETS)


def reduced(text):
  """The shapes of all arrays that are added up over devices."""
  results = re.findall(r"= (.*) all-reduce(?:-start)?\(", text)
  return [shape for r in results for shape in re.findall(r"\w+\[[\d,]*\]", r)]


@pytest.mark.parametrize("name", ["jit", "pmap"])
def test_no_norm_adds_up_the_count_by_itself(name):
  shapes = reduced(
    lowered(EXECUTIONS[name](), small_resnet()).compile().as_text()
  )
  # The count travels with the sums: (first values, 1), (sums, squares, 1), and
  # under pmap what comes back from these.
  assert shapes.count("f32[9]") == NORMS
  assert shapes.count("f32[17]") == NORMS * (2 if name == "pmap" else 1)
  assert shapes.count("f32[]") <= 2  # the loss and its count


@pytest.mark.parametrize("name", EXECUTIONS)
def test_gradients_of_a_bfloat16_net_are_added_up_in_float32(name):
  text = lowered(EXECUTIONS[name](), small_resnet(jnp.bfloat16)).as_text()
  # Of each convolution there is one, asked for before anything can round.
  sums = re.findall(r'"stablehlo.all_reduce".*?-> tensor<(.*?)>', text, re.S)
  kernels = [shape for shape in sums if shape.startswith("3x3x")]
  assert len(kernels) == NORMS
  assert {shape.split("x")[-1] for shape in sums} == {"f32"}


def test_accumulated_gradients_are_added_up_once_under_pmap():
  task, batch = Classification(small_vit()), labelled_images(4, 0)
  optimizers = {"model": optax.sgd(0.1)}
  state = create_state(task, optimizers, jax.random.key(0), batch)
  step = mapped("batch")(make_train_step(task, optimizers, accumulate=2))
  traces = {}
  for name in ("program", "flat"):
    traced = jax.make_jaxpr(lambda *a: step(*a), axis_env=[("batch", 8)])
    with use_forms(nested=name):
      traces[name] = traced(state, batch)
  scans = [e for e in traces["program"].eqns if e.primitive.name == "scan"]
  assert len(scans) == 1 and "psum" not in str(scans[0])
  sums = {name: str(trace).count("psum") for name, trace in traces.items()}
  assert sums["flat"] == sums["program"] > 0


def split_vit(dtype=jnp.float32):
  """A ViT of three blocks that four devices can share."""
  sizes = {"patch": 4, "features": 32, "depth": 3, "heads": 4, "mlp_ratio": 6}
  return ViT(4, **sizes, dtype=dtype)


@pytest.mark.slow
def test_a_forward_pass_adds_up_each_branch_once():
  """Megatron's two sums a block are all that devices send each other."""
  model, batch = split_vit(), labelled_images(8, 0)
  execution = Tensor({"data": 1, "model": 4}, devices=jax.devices()[:4])
  task = Classification(model)
  execution = execution.of(task)
  params, stats = execution.init(lambda: task.init(jax.random.key(0), batch))
  step = execution.eval_step(make_predict_step(task))
  key = execution.place(jax.random.key(0))
  program = step.lower(params, stats, (), execution.put(batch), key).compile()
  (found,) = collectives(program.as_text(), 4)
  assert found.kind == "all-reduce"
  tokens, sums = (8 / 4) ** 2 + 1, 2 * model.depth
  assert found.bytes == sums * 8 * tokens * model.features * 4


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_no_weights_are_gathered_for_a_split_net(dtype):
  model = split_vit(dtype)
  execution = Tensor({"data": 2, "model": 4}).of(Classification(model))
  text = lowered(execution, model).compile().as_text()
  found = collectives(text, 8)
  assert [x.kind for x in found] == ["all-reduce"]
  kernels = {f"f32[{a},{b}]" for a, b in ((32, 32), (32, 192), (192, 32))}
  assert not kernels & set(reduced(text))  # nor are whole gradients sent
