"""Where arrays live on a mesh, and which examples each process feeds."""

import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from tests.tables import labelled_images, small_resnet
from vision_jax.core.execution import Jit
from vision_jax.core.state import create_state
from vision_jax.layers.splits import Split
from vision_jax.models.backbones.vit import ViT
from vision_jax.parallel.tensor import Tensor, check_splits, shares
from vision_jax.planning.liveness import size_of
from vision_jax.planning.program import share_of
from vision_jax.tasks.classification import Classification

SPLITS = {
  "first/(kernel|bias)$": Split(-1, 8, "heads"),
  "second/kernel$": Split(0, 8, "heads"),
}
MESH = {"data": 2, "fsdp": 2, "model": 2}


class Net:
  """A net with rules."""

  def splits(self):
    """Two layers of heads."""
    return SPLITS


def spec(path, shape):
  """Where an array lives."""
  execution = Tensor(MESH).of(types.SimpleNamespace(model=Net()))
  names = path.split("/")
  tree = jax.ShapeDtypeStruct(shape, jnp.float32)
  for name in names[::-1]:
    tree = {name: tree}
  make = lambda: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)
  (leaf,) = jax.tree.leaves(execution.abstract(make))
  return leaf.sharding.spec


@pytest.mark.parametrize(
  ("path", "shape", "expected"),
  [
    ("params/first/kernel", (16, 8), P(None, "model")),
    ("params/first/bias", (8,), P("model")),
    ("params/second/kernel", (8, 16), P("model")),
    ("params/second/bias", (8,), P()),
    ("opt_state/model/0/mu/first/kernel", (16, 8), P(None, "model")),
    ("opt_state/model/0/v_row/first/kernel", (1,), P()),
    ("params/first/kernel", (512, 256), P("fsdp", "model")),
    ("params/second/kernel", (256, 512), P("model", "fsdp")),
    ("params/other/kernel", (512, 256), P("fsdp")),
    ("key", (), P()),
  ],
)
def test_an_array_is_split_as_rules_and_size_say(path, shape, expected):
  assert spec(path, shape) == expected


def vit(**fields):
  """A ViT of two blocks."""
  sizes = {"patch": 4, "features": 32, "depth": 2, "heads": 8}
  return ViT(4, **sizes | fields)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
  "fields",
  [
    {},
    pytest.param({"mlp": "swiglu", "features": 48}, marks=SLOW),
    pytest.param({"head": "map"}, marks=SLOW),
  ],
)
def test_the_rules_of_a_vit_split_all_of_its_blocks(fields):
  """Of each block what one device holds is a quarter, but norms and two biases.

  Adam's two moments of a parameter lie where it does.
  """
  model = vit(**fields)
  task, batch = Classification(model), labelled_images(8, 0)
  execution = Tensor({"data": 2, "model": 4}).of(task)
  state = execution.abstract(
    lambda: create_state(
      task, {"model": optax.adam(0.1)}, jax.random.key(0), batch
    )
  )
  block = state.params["model"]["block1"]
  whole = 8 * model.features * 4  # two norms and two biases, some of them
  kept = share_of(block, size_of)
  total = sum(map(size_of, jax.tree.leaves(block)))
  assert total / 4 < kept < total / 4 + whole
  moments = state.opt_state["model"][0]
  places = lambda tree: jax.tree.map(lambda x: x.sharding, tree)
  expected = places(state.params["model"])
  assert places(moments.mu) == places(moments.nu) == expected
  assert state.params["model"]["head"]["kernel"].sharding.spec == P()
  if "head" in fields:
    query = state.params["model"]["map"]["attention"]["query"]["kernel"]
    assert query.sharding.spec == P(None, "model")


def test_every_rule_of_a_vit_is_of_some_array():
  names = set()
  for kind in ("gelu", "swiglu"):
    init = lambda x, kind=kind: vit(mlp=kind).init(
      jax.random.key(0), x, train=False
    )
    shapes = jax.eval_shape(init, np.zeros((1, 8, 8, 3)))
    for path, _ in jax.tree_util.tree_leaves_with_path(shapes):
      name = jax.tree_util.keystr(path, simple=True, separator="/")
      names |= {x for x in vit().splits() if re.search(x, name)}
  assert names == set(vit().splits())


@pytest.mark.parametrize(
  ("splits", "axes", "message"),
  [
    (None, {"data": 1, "model": 8}, r"without rules .* --execution=fsdp"),
    (
      vit(heads=4).splits(),
      {"data": 1, "model": 8},
      r"got model:8 for a net of 4 heads; .* --mesh=data:2,model:4\.",
    ),
    (
      vit(heads=1, mlp_ratio=3).splits(),
      {"data": 1, "fsdp": 4, "model": 2},
      r"got model:2 for a net of 1 heads; .* Use --execution=fsdp\.",
    ),
    (
      vit(mlp_ratio=2.125).splits(),
      {"data": 1, "fsdp": 1, "model": 8},
      r"of 68 features within the MLP; .* --mesh=data:2,fsdp:1,model:4\.",
    ),
  ],
)
def test_a_net_that_does_not_split_is_an_error(splits, axes, message):
  with pytest.raises(ValueError, match=message):
    check_splits(splits, axes)


def test_an_execution_without_the_axis_takes_any_net():
  execution, task = Jit(), Classification(small_resnet())
  assert execution.of(task) is execution
  with pytest.raises(ValueError, match="without rules"):
    Tensor({"data": 2, "model": 4}).of(task)


def test_a_batch_divides_by_the_groups_of_devices():
  execution = Tensor({"data": 2, "model": 4})
  assert (execution.devices, execution.divisor) == (8, 2)
  assert execution.share == (0, 1)
  batch = {"mask": np.ones(3, np.float32)}
  with pytest.raises(ValueError, match=r"3 examples .* 2 groups of devices"):
    execution.put(batch)


def of_processes(data, model, each):
  """A mesh of devices, of which each process has so many."""
  numbers = np.arange(data * model).reshape(data, model)
  device = np.vectorize(
    lambda n: types.SimpleNamespace(process_index=n // each), otypes="O"
  )
  shape = {"data": data, "model": model}
  return types.SimpleNamespace(devices=device(numbers), shape=shape)


@pytest.mark.parametrize(
  ("data", "model", "each", "expected"),
  [
    (4, 2, 4, {0: (0, 2), 1: (1, 2)}),
    (4, 2, 2, {0: (0, 4), 1: (1, 4), 2: (2, 4), 3: (3, 4)}),
    (2, 4, 2, {0: (0, 2), 1: (0, 2), 2: (1, 2), 3: (1, 2)}),
    (1, 4, 1, {0: (0, 1), 1: (0, 1), 2: (0, 1), 3: (0, 1)}),
  ],
)
def test_processes_of_one_group_feed_the_same(data, model, each, expected):
  assert shares(of_processes(data, model, each)) == expected


def test_groups_that_cut_processes_are_an_error():
  with pytest.raises(ValueError, match=r"model:3 over processes of 2 devices"):
    shares(of_processes(2, 3, 2))
