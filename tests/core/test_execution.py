"""One step, any execution: the same numbers on one device, four and eight."""

import jax
import numpy as np
import optax
import pytest
from jax.sharding import AxisType

from tests.tables import TASKS
from vision_jax.core import mesh as mesh_module
from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.mesh import make_mesh
from vision_jax.core.state import create_state
from vision_jax.core.step import make_eval_step, make_train_step
from vision_jax.core.types import NO_NETS
from vision_jax.metrics.classification import Accuracy
from vision_jax.parallel.named import default_mesh, make_execution, parse_mesh

STEPS, BATCH = 3, 32
EXECUTIONS = {
  "jit4": lambda: Jit(devices=jax.devices()[:4]),
  "jit8": lambda: Jit(),
  "fsdp2x4": lambda: Jit({"data": 2, "fsdp": 4}),
  "pmap8": lambda: Pmap(),
}


def ragged(batch, step):
  """Masks some examples; at step 0 all of the last eighth."""
  rng = np.random.default_rng(step)
  mask = (rng.random(BATCH) < 0.7).astype(np.float32)
  mask[-BATCH // 8 :] = 0.0 if step == 0 else 1.0
  return batch | {"mask": mask}


def train(case, execution, accumulate=1):
  """Three steps of SGD; returns the state and every step's logs."""
  task = case.make()
  optimizers = {
    o.net: optax.chain(
      optax.clip_by_global_norm(1.0), optax.sgd(case.rate, 0.9)
    )
    for o in task.objectives
  }
  first = case.batch(BATCH, 0)
  state = execution.init(
    lambda: create_state(
      task, optimizers, jax.random.key(0), first, ema=case.ema
    )
  )
  step = execution.train_step(
    make_train_step(
      task,
      optimizers,
      augment=case.augment,
      ema=case.ema,
      accumulate=accumulate,
    ),
    state,
  )
  logs = []
  for number in range(STEPS):
    batch = ragged(case.batch(BATCH, number), number)
    with jax.transfer_guard("disallow"):
      state, log = step(state, execution.put(batch), NO_NETS)
    logs.append(jax.device_get(log))
  return state, logs


def worst(a, b):
  """The largest difference between two states' weights, averages and all."""
  pairs = zip(
    jax.tree.leaves((a.params, a.stats, a.ema, a.opt_state)),
    jax.tree.leaves((b.params, b.stats, b.ema, b.opt_state)),
    strict=True,
  )
  return max(
    float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs
  )


@pytest.fixture(scope="module")
def reference():
  """(case, accumulate) -> state and logs on one device, made once."""
  made = {}

  def make(case, accumulate):
    if (case.name, accumulate) not in made:
      one = Jit(devices=jax.devices()[:1])
      made[case.name, accumulate] = train(case, one, accumulate)
    return made[case.name, accumulate]

  return make


# The first task runs everywhere; the others where state and batch are split
# differently from one device, most of the pairs in `pytest -m slow` alone.
COMBINATIONS = [(TASKS[0], name, 1) for name in EXECUTIONS]
COMBINATIONS += [(TASKS[0], name, 2) for name in ("jit8", "pmap8")]
COMBINATIONS += [
  (case, name, 1) for case in TASKS[1:] for name in ("fsdp2x4", "pmap8")
]
SLOW = {
  "classification_resnet-jit4-1",
  "classification_resnet-jit8-1",
  "classification_resnet-jit8-2",
  "classification_resnet-fsdp2x4-1",
  "classification_resnet-pmap8-1",
  "classification_resnet-pmap8-2",
  "classification_vit_mixup-fsdp2x4-1",
  "classification_vit_mixup-pmap8-1",
  "diffusion-fsdp2x4-1",
  "diffusion-pmap8-1",
  "flow_matching-fsdp2x4-1",
  "flow_matching-pmap8-1",
  "segmentation-fsdp2x4-1",
  "segmentation-pmap8-1",
  "detection_learned_queries-fsdp2x4-1",
  "detection_learned_queries-pmap8-1",
  "detection_encoder_queries-fsdp2x4-1",
  "detection_encoder_queries-pmap8-1",
  "dense_detection-fsdp2x4-1",
  "dense_detection-pmap8-1",
  "yolox-fsdp2x4-1",
  "yolox-pmap8-1",
  "yolo-fsdp2x4-1",
  "yolo-pmap8-1",
  "ssd-fsdp2x4-1",
  "ssd-pmap8-1",
  "two_stage_detection-fsdp2x4-1",
  "two_stage_detection-pmap8-1",
  "instance_segmentation-fsdp2x4-1",
  "instance_segmentation-pmap8-1",
  "depth-fsdp2x4-1",
  "depth-pmap8-1",
  "embedding-fsdp2x4-1",
  "embedding-pmap8-1",
  "reading_attention-fsdp2x4-1",
  "reading_attention-pmap8-1",
  "captioning-fsdp2x4-1",
  "captioning-pmap8-1",
  "reading_ctc-fsdp2x4-1",
  "reading_ctc-pmap8-1",
  "temporal-fsdp2x4-1",
  "temporal-pmap8-1",
  "paired_translation-fsdp2x4-1",
  "vae-fsdp2x4-1",
  "vae-pmap8-1",
  "cycle_translation-fsdp2x4-1",
  "cycle_translation-pmap8-1",
  "gan-fsdp2x4-1",
  "gan-pmap8-1",
}


def _label(case, name, accumulate):
  return f"{case.name}-{name}-{accumulate}"


def _case(case, name, accumulate):
  """A case with its marks."""
  label = _label(case, name, accumulate)
  marks = [pytest.mark.slow] if label in SLOW else []
  return pytest.param(case, name, accumulate, id=label, marks=marks)


def test_what_is_slow_exists():
  assert {_label(*x) for x in COMBINATIONS} > SLOW


@pytest.mark.parametrize(
  ("case", "name", "accumulate"), [_case(*x) for x in COMBINATIONS]
)
def test_executions_agree(case, name, accumulate, reference):
  expected, expected_logs = reference(case, accumulate)
  state, logs = train(case, EXECUTIONS[name](), accumulate)
  assert worst(state, expected) < 2e-5
  for log, expected_log in zip(logs, expected_logs, strict=True):
    assert log.keys() == expected_log.keys()
    for key in log:
      np.testing.assert_allclose(log[key], expected_log[key], rtol=1e-4)
  assert int(state.step) == STEPS


def test_fsdp_splits_large_arrays_and_keeps_small_ones_whole():
  import jax.numpy as jnp

  execution = Jit({"data": 2, "fsdp": 4})
  shapes = {"large": (130, 256), "odd": (129, 255), "small": (8, 8)}
  make = lambda: {k: jnp.zeros(shape) for k, shape in shapes.items()}
  state = execution.init(make)
  shards = {k: x.addressable_shards[0].data.shape for k, x in state.items()}
  assert shards == {"large": (130, 64), "odd": (129, 255), "small": (8, 8)}


@pytest.mark.parametrize("name", ["jit8", "pmap8"])
def test_evaluation_adds_over_devices(name):
  case, execution = TASKS[0], EXECUTIONS[name]()
  task = case.make()
  batch = ragged(case.batch(BATCH, 0), 0)
  params, stats = task.init(jax.random.key(0), batch)
  metrics = {"accuracy": Accuracy()}
  step = execution.eval_step(make_eval_step(task, metrics))
  weights = execution.place((params, stats))
  key = execution.place(jax.random.key(0))
  sums, _, means = jax.device_get(
    step(*weights, {"accuracy": ()}, execution.put(batch), key)
  )
  logits = task.predict(params, stats, batch, key)["logits"]
  real = batch["mask"] > 0
  right = np.argmax(logits, -1)[real] == batch["label"][real]
  got = metrics["accuracy"].result(sums["accuracy"], {})
  np.testing.assert_allclose(got["accuracy"], right.mean(), rtol=1e-6)
  assert means["cross_entropy"].count == real.sum()


@pytest.mark.parametrize(
  ("text", "execution", "message"),
  [
    ("data:3", "jit", "takes 3 devices"),
    ("model:16", "tensor", "takes 16 devices, but there are 8"),
    ("pipe:8", "jit", "expected axes out of data, fsdp and model"),
    ("data:x", "jit", "expected axes out of data, fsdp and model"),
    ("data:2,fsdp:4", "jit", "add --execution=fsdp"),
    ("data:2,model:4", "jit", "add --execution=tensor"),
    ("fsdp:2,model:4", "fsdp", "add --execution=tensor"),
  ],
)
def test_a_mesh_that_does_not_fit_is_an_error(text, execution, message):
  with pytest.raises(ValueError, match=message):
    parse_mesh(text, 8, execution)


class Sliced:
  """A device as a mesh sees it, of a machine with several slices."""

  platform = "gpu"

  def __init__(self, number, per_slice, slices):
    self.id, self.slice_index = number, number // per_slice % slices
    self.process_index = number // 2

  def __repr__(self):
    return f"{self.slice_index}:{self.id}"


def sliced(per_slice=4, slices=2):
  """Devices in an order that mixes the slices, as jax may list them."""
  devices = [Sliced(i, per_slice, slices) for i in range(per_slice * slices)]
  return devices[::-1]


@pytest.mark.parametrize(
  "axes", [{"data": 2, "fsdp": 4}, {"data": 4, "fsdp": 2}]
)
def test_inner_axes_stay_within_a_slice(axes):
  mesh = make_mesh(axes, sliced())
  assert dict(mesh.shape) == axes
  for row in mesh.devices:
    assert len({device.slice_index for device in row}) == 1
  assert [d.id for d in mesh.devices.flat] == list(range(8))
  assert set(mesh.axis_types) == {AxisType.Auto}


def test_fsdp_stays_within_a_slice_by_default():
  assert default_mesh(sliced(), "fsdp") == "data:2,fsdp:4"
  assert default_mesh(sliced(), "tensor") == "data:2,model:4"
  assert default_mesh(sliced(), "jit") == ""
  assert default_mesh(sliced(8, 1), "fsdp") == ""


@pytest.mark.parametrize(
  ("axes", "devices"),
  [
    ({"data": 1, "fsdp": 8}, sliced()),
    ({"data": 1, "fsdp": 5}, sliced(3, 2)[:5]),
  ],
)
def test_a_mesh_that_does_not_fill_the_slices_is_an_error(axes, devices):
  with pytest.raises(
    ValueError, match=r"slices of .* devices; expected slices"
  ):
    make_mesh(axes, devices)


@pytest.mark.parametrize("name", ["jit", "fsdp", "pmap"])
def test_a_step_runs_over_several_slices(monkeypatch, name):
  monkeypatch.setattr(mesh_module, "slice_of", lambda d: (d.id + 1) // 4 % 2)
  execution = make_execution(name)
  step = lambda w, s, m, batch, key: (
    jax.lax.psum(batch["x"].sum(), execution.axis)
    if execution.axis
    else batch["x"].sum()
  )
  x = np.arange(16, dtype=np.float32)
  batch = execution.put({"x": x, "mask": np.ones(16, np.float32)})
  total = execution.eval_step(step)((), (), (), batch, ())
  assert float(total) == x.sum()


def test_a_mesh_is_read():
  assert parse_mesh("", 8, "jit") == {"data": 8}
  assert parse_mesh("", 8, "fsdp") == {"data": 1, "fsdp": 8}
  assert parse_mesh("", 8, "tensor") == {"data": 1, "model": 8}
  assert parse_mesh("data:2,fsdp:4", 8, "fsdp") == {"data": 2, "fsdp": 4}
  mixed = parse_mesh("model:2,fsdp:4", 8, "tensor")
  assert [*mixed.items()] == [("data", 1), ("fsdp", 4), ("model", 2)]


@pytest.mark.parametrize("name", ["jit", "fsdp", "pmap"])
def test_a_batch_that_does_not_divide_is_an_error(name):
  execution = make_execution(name)
  with pytest.raises(ValueError, match=r"30 examples .* 8 devices.*32"):
    execution.put({"mask": np.ones(30, np.float32)})


def test_an_unknown_execution_is_an_error():
  with pytest.raises(ValueError, match="expected jit, fsdp, tensor or pmap"):
    make_execution("tpu")
  with pytest.raises(ValueError, match="--execution=pmap"):
    make_execution("pmap", "data:8")


@pytest.mark.parametrize("added", [False, True])
def test_statistics_that_differ_by_device_are_an_error(added):
  """A batch's sum that is not added over the devices is each one's own."""
  execution = Pmap()

  def step(state, batch, fixed):
    total = jax.numpy.sum(batch["mask"])
    total = jax.lax.psum(total, execution.axis) if added else total
    return {"seen": {"sum": state["seen"]["sum"] + total}}, {}

  state = execution.place({"seen": {"sum": np.float32(0)}})
  batch = {"mask": np.arange(8, dtype=np.float32)}
  new, _ = execution.train_step(step, state)(
    state, execution.put(batch), NO_NETS
  )
  if added:
    execution.check_stats(new)
    assert float(new["seen"]["sum"]) == 28
  else:
    with pytest.raises(ValueError, match="devices disagree on seen/sum"):
      execution.check_stats(new)
