"""Mask2Former: its layer, losses and maps against others' statements."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.losses.masks import MaskCriterion
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.detr_layers import DecoderLayer
from vision_jax.models.segmentation.mask2former import Mask2Former, attended
from vision_jax.ops.segments import panoptic_map, segments_of, semantic_map
from vision_jax.tasks.panoptic_segmentation import PanopticSegmentation

MODULE = "transformers.models.mask2former.modeling_mask2former"
THINGS, K = (1, 2), 3


def small(**fields):
  body = ResNet(0, (1, 1), False, 4, "small", zero_init=False)
  sizes = {"features": 8, "heads": 2, "hidden": 16, "num_queries": 6}
  model = Mask2Former(K, body, ("c2", "c3"), decoder_layers=3, **sizes)
  return PanopticSegmentation(model, THINGS, max_objects=3, **fields)


def made_up(size=2, side=16):
  """Squares of two classes on a ground, a part of it ignored."""
  target = np.zeros((size, side, side), np.uint8)
  instances = np.zeros((size, side, side), np.int32)
  for i, (y, x, k) in enumerate([(1, 2, 1), (8, 9, 2), (9, 1, 1)]):
    target[:, y : y + 5, x : x + 5] = k
    instances[:, y : y + 5, x : x + 5] = 7 * i + 4
  target[:, :1] = 255
  image = np.random.default_rng(0).normal(size=(size, side, side, 3))
  return {
    "image": (image * 0.1 + target[..., None] % 255).astype(np.float32),
    **{"target": target, "instances": instances},
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32),
  }


def test_shapes_and_what_is_refused():
  task, batch = small(), made_up()
  key = jax.random.key(0)

  def whole(batch):
    params, stats = task.init(key, batch)
    out = task.net.given(params, stats)(batch["image"], train=False)
    return out, task.predict(params, stats, batch, key)

  out, found = jax.eval_shape(whole, batch)
  assert out["logits"].shape == (4, 2, 6, K + 1)
  assert out["masks"].shape == (4, 2, 6, 16, 16)
  assert found["panoptic"].shape == (2, 16, 16, 2)
  assert (found["target"].shape, found["target"].dtype) == (
    (2, 16, 16),
    jnp.uint8,
  )
  with pytest.raises(UserError, match="things: got 3"):
    PanopticSegmentation(task.model, (1, 3))
  one = task.model.clone(levels=("c2",))
  with pytest.raises(UserError, match="at least two"):
    jax.eval_shape(lambda x: one.init(key, x, train=False), batch["image"])


def test_segments_are_the_objects_and_then_the_stuff():
  batch = made_up(1)
  found = segments_of(batch["target"], batch["instances"], K, THINGS, 4)
  assert found.label.tolist() == [[1, 2, 1, 0, 0]]
  assert found.there.tolist() == [[1, 1, 1, 0, 1]]
  assert found.objects.tolist() == [3]
  masks = np.asarray(found.masks[0], bool)
  for mask, number in zip(masks, (4, 11, 18), strict=False):
    assert np.array_equal(mask, batch["instances"][0] == number)
  assert np.array_equal(masks[-1], batch["target"][0] == 0)


def plain_panoptic(logits, masks, sure, whole):
  """The paper's inference, query by query."""
  probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  score, label = probs.max(-1), probs.argmax(-1)
  masks = 1 / (1 + np.exp(-masks))
  kept = [q for q in range(len(label)) if label[q] < K and score[q] > sure]
  found = np.full((*masks.shape[1:], 2), (K, 0))
  if not kept:
    return found
  owner = np.array(kept)[np.argmax([score[q] * masks[q] for q in kept], 0)]
  for q in kept:
    area, all_of_it = (owner == q).sum(), (masks[q] >= 0.5).sum()
    own = (owner == q) & (masks[q] >= 0.5)
    if own.any() and area / all_of_it >= whole:
      found[own] = label[q], q + 1 if label[q] in THINGS else 0
  return found


@pytest.mark.slow
def test_the_panoptic_map_is_the_plain_statement():
  rng = np.random.default_rng(1)
  logits = 3 * rng.normal(size=(6, 5, K + 1))
  logits[0, :, :K] = -9  # no object at all
  masks = 2 * rng.normal(size=(6, 5, 8, 8))
  found = panoptic_map(
    *(jnp.asarray(x, jnp.float32) for x in (logits, masks)),
    THINGS,
    sure=0.6,
    whole=0.3,
  )
  for got, *each in zip(np.asarray(found), logits, masks, strict=True):
    assert np.array_equal(got, plain_panoptic(*each, 0.6, 0.3))
  best = np.zeros((1, 2, K + 1))
  best[0, 0, 2] = best[0, 1, 1] = 9
  halves = np.full((1, 2, 4, 4), -9.0)
  halves[0, 0, :2] = halves[0, 1, 2:] = 9
  classes = semantic_map(jnp.asarray(best), jnp.asarray(halves))
  assert classes[0].tolist() == [[2] * 4] * 2 + [[1] * 4] * 2


def test_a_query_without_a_mask_looks_everywhere():
  masks = jnp.full((1, 2, 4, 4), -1.0).at[0, 1, :2, :2].set(1.0)
  seen = attended(masks, (2, 2))
  assert seen.tolist() == [[[True] * 4, [True, False, False, False]]]


@pytest.mark.slow
def test_a_layer_of_the_decoder_is_transformers():
  torch, theirs = library("torch"), library(MODULE)
  config = library("transformers").Mask2FormerConfig(
    hidden_dim=16, num_attention_heads=4, dim_feedforward=32, dropout=0.0
  )
  torch.manual_seed(0)
  module = theirs.Mask2FormerMaskedAttentionDecoderLayer(config).eval()
  for p in module.parameters():
    torch.nn.init.normal_(p, std=0.3)
  weights = {k: v.detach().numpy() for k, v in module.state_dict().items()}
  dense = lambda w, b: {"kernel": w.T, "bias": b}
  of = lambda name: dense(weights[f"{name}.weight"], weights[f"{name}.bias"])
  norm = lambda name: {
    "scale": weights[f"{name}.weight"],
    "bias": weights[f"{name}.bias"],
  }
  packed = zip(
    np.split(weights["cross_attn.in_proj_weight"], 3),
    np.split(weights["cross_attn.in_proj_bias"], 3),
    strict=True,
  )
  names = ("query", "key", "value")
  cross = {n: dense(*pair) for n, pair in zip(names, packed, strict=True)}
  own = {n: of(f"self_attn.{n[0]}_proj") for n in names}
  params = {
    "cross_attention": cross | {"out": of("cross_attn.out_proj")},
    "self_attention": own | {"out": of("self_attn.out_proj")},
    **{"dense1": of("fc1"), "dense2": of("fc2")},
    "norm1": norm("cross_attn_layer_norm"),
    "norm2": norm("self_attn_layer_norm"),
    "norm3": norm("final_layer_norm"),
  }
  rng = np.random.default_rng(0)
  x, query = rng.normal(size=(2, 2, 5, 16)).astype(np.float32)
  memory, places = rng.normal(size=(2, 2, 9, 16)).astype(np.float32)
  seen = rng.random((2, 5, 9)) < 0.5
  seen[..., 0] = True
  layer = DecoderLayer(4, 32, 0.0, image_first=True)
  got = layer.apply({"params": params}, x, query, memory, places, seen, False)
  swap = lambda a: torch.from_numpy(a).transpose(0, 1)
  with torch.no_grad():
    expected = module(
      swap(x),
      level_index=0,
      position_embeddings=[swap(places)],
      query_position_embeddings=swap(query),
      encoder_hidden_states=[swap(memory)],
      encoder_attention_mask=torch.from_numpy(~seen).repeat_interleave(4, 0),
    )[0].transpose(0, 1)
  np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.slow
def test_losses_are_transformers_of_the_best_matching():
  torch, theirs = library("torch"), library(MODULE)
  rng = np.random.default_rng(2)
  b, q, n, size = 2, 6, 4, (5, 7)
  logits = rng.normal(size=(2, b, q, K + 1)).astype(np.float32)
  masks = rng.normal(size=(2, b, q, *size)).astype(np.float32)
  truth = (rng.random((b, n, *size)) < 0.4).astype(np.float32)
  label = rng.integers(0, K, (b, n))
  there = np.float32([[1, 1, 1, 0], [1, 1, 0, 0]])
  batch = {"masks": truth, "label": label, "box_mask": there}
  batch["mask"] = np.ones(b, np.float32)
  terms = MaskCriterion()({"logits": logits, "masks": masks}, batch)
  tensor = torch.from_numpy
  for layer, prefix in ((1, ""), (0, "aux_")):
    classes, pairs = [], []
    wanted = np.full((b, q), K)
    for i in range(b):
      real = there[i] > 0
      given = tensor(masks[layer, i].reshape(q, -1))
      own = tensor(truth[i, real].reshape(real.sum(), -1))
      probs = tensor(logits[layer, i]).softmax(-1)[:, label[i, real]]
      cost = 5 * theirs.pair_wise_sigmoid_cross_entropy_loss(given, own)
      cost = cost + 5 * theirs.pair_wise_dice_loss(given, own) - 2 * probs
      rows, columns = linear_sum_assignment(cost.numpy())
      wanted[i, rows] = label[i, real][columns]
      pairs.append((given[rows], own[columns]))
      classes.append(tensor(logits[layer, i]))
    given, own = (torch.cat(x) for x in zip(*pairs, strict=True))
    number = int(there.sum())
    weight = torch.tensor([1.0] * K + [0.1])
    expected = {
      "class": torch.nn.functional.cross_entropy(
        torch.cat(classes), tensor(wanted.ravel()), weight
      ),
      "mask": theirs.sigmoid_cross_entropy_loss(given, own, number),
      "mask_dice": theirs.dice_loss(given, own, number),
    }
    for name, value in expected.items():
      mean = terms[prefix + name]
      assert float(mean.total / mean.count) == pytest.approx(
        float(value), rel=1e-5
      ), prefix + name


@pytest.mark.slow
def test_masks_of_another_size_are_averaged():
  batch = {
    "masks": np.zeros((1, 1, 8, 8), np.float32),
    "label": np.zeros((1, 1), np.int32),
    **{"box_mask": np.ones((1, 1)), "mask": np.ones(1)},
  }
  batch["masks"][..., :4] = 1
  sharp = np.where(np.arange(4) < 2, 20.0, -20.0) * np.ones((1, 1, 1, 4, 1))
  logits = np.float32([[[[9, 0, 0, 0]]]])
  terms = MaskCriterion()({"logits": logits, "masks": sharp}, batch)
  assert float(terms["mask_dice"].total) < 0.1
  assert float(terms["class"].total / terms["class"].count) < 1e-2
