"""Nets of clips, skeletons and sequences: published sizes, others' numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import oracles
from vision_jax.errors import UserError
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.transformer import Block
from vision_jax.models.skeletons.graph import spatial_partition
from vision_jax.models.skeletons.stgcn import STGCN
from vision_jax.models.temporal.mstcn import MSTCN
from vision_jax.models.video.factorised_vit import FactorisedViT
from vision_jax.models.video.r2plus1d import R2Plus1D, R2Plus1D18
from vision_jax.models.video.r3d import R3D, R3D18

KEY = jax.random.key(0)
# NTU's skeleton, as the authors of ST-GCN have it, counted from 1.
NTU = (
  *((1, 2), (2, 21), (3, 21), (4, 3), (5, 21), (6, 5), (7, 6), (8, 7)),
  *((9, 21), (10, 9), (11, 10), (12, 11), (13, 1), (14, 13), (15, 14)),
  *((16, 15), (17, 1), (18, 17), (19, 18), (20, 19), (22, 23), (23, 8)),
  *((24, 25), (25, 12)),
)


def parameters(model, *shapes):
  given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
  init = lambda *x: model.init(KEY, *x, train=False)["params"]
  found = jax.eval_shape(init, *given)
  return sum(x.size for x in jax.tree.leaves(found))


@pytest.mark.parametrize(
  ("model", "shapes", "count"),
  [
    (R3D18(400), [(1, 16, 112, 112, 3)], 33_371_472),  # torchvision
    (R2Plus1D18(400), [(1, 16, 112, 112, 3)], 31_505_325),  # torchvision
    # 115.1M in the paper's table, of B/16x2 and 32 frames.
    (FactorisedViT(400), [(1, 32, 224, 224, 3)], 115_062_928),
    # 0.80 million: by the layers' sizes, of 50Salads' features and classes.
    (
      MSTCN(19),
      [(1, 50, 2048), (1, 50)],
      (2048 + 1) * 64 + 3 * (19 + 1) * 64 + 4 * (10 * 4 * 64**2 + 20 * 64)
      + 4 * (64 + 1) * 19,
    ),
  ],
  ids=["r3d18", "r2plus1d18", "factorised_vit", "mstcn"],
)  # fmt: skip
def test_parameters_are_the_published_ones(model, shapes, count):
  assert parameters(model, *shapes) == count


def test_parameters_of_the_papers_skeletons():
  """By the layers' sizes: 3.1M of NTU's 25 joints and 60 classes."""
  edges = tuple((i - 1, j - 1) for i, j in NTU)
  sizes = ((3, 64), *((64, 64),) * 3, (64, 128), *((128, 128),) * 2,
           (128, 256), *((256, 256),) * 2)  # fmt: skip
  count = 2 * 75 + (256 + 1) * 60
  for i, (c, d) in enumerate(sizes):
    count += (c + 1) * 3 * d + 3 * 25**2 + (9 * d + 1) * d + 4 * d
    count += (c + 1) * d + 2 * d if i and c != d else 0
  assert parameters(STGCN(60, edges, 20), (1, 300, 25, 3)) == count
  assert round(count / 1e6, 1) == 3.1


def test_clips_that_are_no_tubelets_are_refused():
  model = FactorisedViT(3, patch=4, features=8, depth=1, temporal_depth=1)
  expected = r"got clips of 5 frames of 8 x 8 pixels; expected multiples"
  with pytest.raises(UserError, match=expected):
    parameters(model, (1, 5, 8, 8, 1))


# Those of a fork, 0 - 1 - 2, and 3 at 1; the centre is 1.
FORK = ((0, 1), (1, 2), (1, 3))


def test_the_graph_is_parted_by_distance_to_the_centre():
  itself, inwards, outwards = spatial_partition(FORK, 4, 1)
  np.testing.assert_allclose(itself, np.diag([1 / 2, 1 / 4, 1 / 2, 1 / 2]))
  expected = np.zeros((4, 4))
  expected[[0, 2, 3], 1] = 1 / 4  # from the ends to the centre
  np.testing.assert_allclose(inwards, expected)
  expected = np.zeros((4, 4))
  expected[1, [0, 2, 3]] = 1 / 2
  np.testing.assert_allclose(outwards, expected)
  whole = spatial_partition(((0, 1), (1, 2), (2, 0)), 3, 0)
  np.testing.assert_allclose(whole.sum((0, 1)), 1)
  assert whole[1][1, 2] == whole[1][2, 1] == np.float32(1 / 3)  # as far away


@pytest.mark.parametrize(
  ("edges", "joints", "centre", "message"),
  [
    (FORK, 3, 1, r"got the edge \(1, 3\); expected two of the joints 0 to 2"),
    (FORK, 5, 1, r"no edge leads from joint 1 to \[4\]; expected one skel"),
    (FORK, 4, 4, "got the centre 4; expected one of the joints 0 to 3"),
  ],
)
def test_what_is_no_skeleton_is_refused(edges, joints, centre, message):
  with pytest.raises(UserError, match=message):
    spatial_partition(edges, joints, centre)


# ---- the numbers of others, all with random weights


def draw(variables, seed=0):
  """Random parameters and moments of the shapes given, moments positive."""
  rng = np.random.default_rng(seed)
  at = jax.tree_util.tree_map_with_path
  return at(
    lambda path, x: (
      rng.uniform(0.5, 1.5, x.shape).astype(np.float32)
      if path[-1].key in ("var", "scale")
      else (0.2 * rng.normal(size=x.shape)).astype(np.float32)
    ),
    variables,
  )


def initial(model, *inputs):
  shapes = jax.eval_shape(lambda *x: model.init(KEY, *x, train=False), *inputs)
  return draw(dict(shapes))


def conv(torch, ours, layer):
  """Copies a kernel (..., c, d), and a bias, to torch's layer."""
  kernel = ours["kernel"]
  axes = (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
  moved = torch.tensor(np.ascontiguousarray(kernel.transpose(axes)))
  layer.weight.data = moved.reshape(layer.weight.shape)
  if "bias" in ours:
    layer.bias.data = torch.tensor(ours["bias"])


def norm(torch, params, stats, layer):
  layer.weight.data = torch.tensor(params["scale"])
  layer.bias.data = torch.tensor(params["bias"])
  layer.running_mean.data = torch.tensor(stats["mean"])
  layer.running_var.data = torch.tensor(stats["var"])


def copy_block(torch, params, stats, block, factorised):
  for i in ("1", "2"):
    layers = getattr(block, f"conv{i}")
    mine, moments = params[f"conv{i}"], stats.get(f"conv{i}")
    if factorised:
      unit = layers[0]
      conv(torch, mine["spatial"], unit[0])
      norm(torch, mine["bn"], moments["bn"], unit[1])
      conv(torch, mine["temporal"], unit[3])
    else:
      conv(torch, mine, layers[0])
    norm(torch, params[f"bn{i}"], stats[f"bn{i}"],
         layers[1])  # fmt: skip
  if block.downsample is not None:
    conv(torch, params["projection"], block.downsample[0])
    norm(torch, params["projection_bn"], stats["projection_bn"],
         block.downsample[1])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("factorised", [False, True])
def test_outputs_equal_torchvisions(factorised):
  """Of a block in each of two stages, on short and small clips."""
  torch = oracles.library("torch")
  video = oracles.torchvision().models.video
  net = (video.r2plus1d_18 if factorised else video.r3d_18)(num_classes=5)
  net.layer3 = net.layer4 = torch.nn.Identity()
  net.layer1, net.layer2 = net.layer1[:1], net.layer2[:1]
  net.fc = torch.nn.Linear(128, 5)
  model = (R2Plus1D if factorised else R3D)(5, (1, 1))
  x = np.random.default_rng(1).normal(size=(2, 4, 14, 12, 3))
  x = x.astype(np.float32)
  variables = initial(model, x)
  params, stats = variables["params"], variables["batch_stats"]
  conv(torch, params["conv1"], net.stem[0])
  if factorised:
    norm(torch, params["spatial_bn"], stats["spatial_bn"], net.stem[1])
    conv(torch, params["temporal"], net.stem[3])
  norm(torch, params["bn1"], stats["bn1"], net.stem[4 if factorised else 1])
  for stage, layer in ((2, net.layer1), (3, net.layer2)):
    name = f"conv{stage}_1"
    copy_block(torch, params[name], stats[name], layer[0], factorised)
  conv(torch, params["fc"], net.fc)
  with torch.no_grad():
    expected = net.eval()(torch.tensor(x.transpose(0, 4, 1, 2, 3).copy()))
  got = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
  expected = expected.numpy()
  scale = np.abs(expected).max()
  np.testing.assert_allclose(got / scale, expected / scale, atol=2e-5)


@pytest.mark.slow
def test_a_factorised_vit_is_a_vit_of_frames_and_one_of_time():
  model = FactorisedViT(3, 2, 4, 8, depth=1, temporal_depth=1, heads=2)
  x = np.random.default_rng(2).normal(size=(2, 4, 8, 4, 3))
  x = x.astype(np.float32)
  variables = initial(model, x)
  params = variables["params"]

  def encoder(name, x):
    mine = params[name]
    cls = jnp.broadcast_to(mine["cls"], (len(x), 1, 8))
    x = jnp.concatenate([cls, x], 1) + mine["positions"]
    x = Block(2, 32).apply({"params": mine["block0"]}, x, False)
    return LayerNorm().apply({"params": mine["norm"]}, x)[:, 0]

  kernel, bias = params["embedding"]["kernel"], params["embedding"]["bias"]
  times = []
  for t in (0, 2):
    patches = [x[:, t : t + 2, :4], x[:, t : t + 2, 4:]]
    tokens = [jnp.einsum("bthwc,thwcd->bd", p, kernel) + bias for p in patches]
    times.append(encoder("spatial", jnp.stack(tokens, 1)))
  out = encoder("temporal", jnp.stack(times, 1))
  expected = out @ params["head"]["kernel"] + params["head"]["bias"]
  got = model.apply(variables, x, train=False)
  np.testing.assert_allclose(got, expected, atol=2e-5)


def stgcn_by_hand(torch, variables, x, graph, layers):
  """ST-GCN from the paper's equations, in torch and float64, for testing."""
  f = torch.nn.functional
  as64 = lambda tree: jax.tree.map(
    lambda a: torch.tensor(np.asarray(a, np.float64)), tree
  )
  params, stats = as64(variables["params"]), as64(variables["batch_stats"])

  def bn(y, p, s):  # of the last axis
    y = (y - s["mean"]) / torch.sqrt(s["var"] + 1e-5)
    return y * p["scale"] + p["bias"]

  n, t, v, c = x.shape
  seen = x[..., -1:] > 0
  y = torch.where(seen, x, 0.0).reshape(n, t, v * c)
  y = bn(y, params["input_bn"], stats["input_bn"]).reshape(n, t, v, c)
  y = torch.where(seen, y, 0.0)
  for i, (d, stride) in enumerate(layers):
    p, s = params[f"block{i}"], stats[f"block{i}"]
    z = 0
    for part in range(3):
      columns = slice(part * d, part * d + d)
      w, b = p["joints"]["kernel"][:, columns], p["joints"]["bias"][columns]
      adjacency = graph[part] * p["importance"][part]
      z = z + torch.einsum("ntvd,vw->ntwd", y @ w + b, adjacency)
    z = torch.relu(bn(z, p["bn1"], s["bn1"]))
    kernel = p["temporal"]["kernel"][:, 0, 0].permute(2, 1, 0)[..., None]
    z = f.conv2d(
      *(z.permute(0, 3, 1, 2), kernel, p["temporal"]["bias"], (stride, 1)),
      padding=(kernel.shape[2] // 2, 0),
    )
    z = bn(z.permute(0, 2, 3, 1), p["bn2"], s["bn2"])
    if i and "projection" in p:
      q = p["projection"]
      y = bn(y[:, ::stride] @ q["kernel"] + q["bias"], p["projection_bn"],
             s["projection_bn"])  # fmt: skip
    y = torch.relu(z + y if i else z)
  return y.mean((1, 2)) @ params["head"]["kernel"] + params["head"]["bias"]


@pytest.mark.slow
def test_stgcn_equals_its_equations_and_sees_no_missing_joint():
  torch = oracles.library("torch")
  layers = ((4, 1), (4, 1), (6, 2))
  model = STGCN(3, FORK, 1, layers=layers, kernel=3)
  rng = np.random.default_rng(3)
  x = rng.normal(size=(2, 8, 4, 3)).astype(np.float32)
  x[..., 2] = rng.random((2, 8, 4)) > 0.3
  variables = initial(model, x)
  graph = torch.tensor(spatial_partition(FORK, 4, 1).astype(np.float64))
  given = torch.tensor(x.astype(np.float64))
  expected = stgcn_by_hand(torch, variables, given, graph, layers).numpy()
  run = jax.jit(lambda x: model.apply(variables, x, train=False))
  np.testing.assert_allclose(run(x), expected, rtol=1e-4, atol=1e-4)
  other = np.where(x[..., 2:] > 0, x, x + np.float32([7, -9, 0]))
  np.testing.assert_array_equal(run(other), run(x))


@pytest.mark.slow
def test_mstcn_equals_its_layers_and_sees_no_padding():
  torch = oracles.library("torch")
  f = torch.nn.functional
  model = MSTCN(3, stages=2, layers=3, features=4)
  rng = np.random.default_rng(4)
  x = rng.normal(size=(2, 12, 5)).astype(np.float32)
  frames = (np.arange(12) < np.array([[12], [7]])).astype(np.float32)
  variables = initial(model, x, frames)
  as64 = lambda a: torch.tensor(np.asarray(a, np.float64))
  params = jax.tree.map(as64, variables["params"])
  counts = as64(frames)[:, None]
  dense = lambda y, p: f.conv1d(y, p["kernel"].T[..., None], p["bias"])
  y, expected = as64(x).transpose(1, 2) * counts, []
  for stage in ("stage0", "stage1"):
    p = params[stage]
    y = dense(y, p["input"])
    for i in range(3):
      q = p[f"layer{i}_dilated"]
      kernel = q["kernel"][:, 0, 0].permute(2, 1, 0)
      z = torch.relu(
        f.conv1d(y, kernel, q["bias"], padding=2**i, dilation=2**i)
      )
      y = (y + dense(z, p[f"layer{i}_out"])) * counts
    logits = dense(y, p["head"]) * counts
    expected.append(logits.transpose(1, 2).numpy())
    y = torch.softmax(logits, 1) * counts
  run = jax.jit(lambda x: model.apply(variables, x, frames, train=False))
  got = run(x)
  np.testing.assert_allclose(got, np.stack(expected, 1), rtol=1e-4, atol=1e-5)
  other = np.where(frames[..., None] > 0, x, 9)
  np.testing.assert_array_equal(run(other), got)
  with pytest.raises(UserError, match=r"got features \(2, 12, 5\) of frames"):
    model.apply(variables, x, frames[:, :6], train=False)
