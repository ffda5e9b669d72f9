"""The detection task: its losses against transformers', what it predicts."""

import dataclasses
import types
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests.box_files import write_voc
from tests.marks import with_slow
from tests.oracles import library
from tests.tables import boxed_images, small_detection
from vision_jax.errors import UserError
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones import resnet
from vision_jax.models.detection.detr import Detr, variant
from vision_jax.models.detection.detr_positions import anchor_boxes
from vision_jax.pipelines.fit import fit
from vision_jax.recipe import recipe
from vision_jax.tasks.detection import Detection
from vision_jax.train.initial import begin_anew, check_trainable

K, Q = 4, 6


class Fixed(nn.Module):
  """A model whose outputs are its parameters."""

  layers: int = 3
  size: int = 8
  background: bool = True
  prefixes = ("", "aux_")

  @nn.compact
  def __call__(self, x, *, train, mask=None, image_mask=None) -> Any:
    del x, train, mask, image_mask
    normal, shape = nn.initializers.normal(1.0), (self.layers, self.size, Q)
    boxes = self.param("boxes", normal, (*shape, 4))
    return {
      "logits": self.param("logits", normal, (*shape, K + self.background)),
      "boxes": jax.nn.sigmoid(boxes) * 0.5 + 0.2,
    }


def fixed_case(background, size=8):
  """A task with fixed outputs, its parameters and a batch."""
  task = Detection(Fixed(background=background))
  batch = boxed_images(size, 0)
  params, stats = task.init(jax.random.key(1), batch)
  return task, params, stats, batch


def terms_of(task, params, stats, batch):
  (objective,) = task.objectives
  loss = jax.jit(
    lambda *args: objective.loss(*args, step=0, train=False)[0],
  )
  terms = loss(params, stats, batch, jax.random.key(0))
  return {name: float(term.divide()) for name, term in terms.items()}


@pytest.mark.parametrize("background", [True, False])
def test_losses_equal_transformers(background):
  torch = library("torch")
  library("transformers")
  from transformers.loss import loss_deformable_detr as deformable
  from transformers.loss import loss_for_object_detection as plain

  task, params, stats, batch = fixed_case(background)
  batch["box_mask"][:, 0] = 1  # the oracle's mean over boxes is at least one
  got = terms_of(task, params, stats, batch)
  if background:
    matcher = plain.HungarianMatcher(1, 5, 2)
    criterion = plain.ImageLoss(matcher, K, 0.1, ["labels", "boxes"])
  else:
    matcher = deformable.DeformableDetrHungarianMatcher(1, 5, 2)
    criterion = deformable.DeformableDetrImageLoss(
      matcher, K, 0.25, ["labels", "boxes"]
    )
  out = task.model.apply({"params": params["model"]}, None, train=True)
  tensor = lambda x: torch.from_numpy(np.array(x))
  targets = [
    {
      "class_labels": tensor(batch["label"][i][real]).long(),
      "boxes": tensor(batch["boxes"][i][real]),
    }
    for i, real in enumerate(batch["box_mask"] > 0)
  ]
  expected = [
    criterion({"logits": tensor(logits), "pred_boxes": tensor(b)}, targets)
    for logits, b in zip(out["logits"], out["boxes"], strict=True)
  ]
  names = {"class": "loss_ce", "l1": "loss_bbox", "giou": "loss_giou"}
  for ours, theirs in names.items():
    values = [float(e[theirs]) for e in expected]
    np.testing.assert_allclose(got[ours], values[-1], rtol=1e-4)
    np.testing.assert_allclose(got[f"aux_{ours}"], sum(values[:-1]), rtol=1e-4)


@pytest.mark.parametrize("background", [True, False])
def test_padding_and_crowds_do_not_count(background):
  task, params, stats, batch = fixed_case(background)
  plain = terms_of(task, params, stats, batch)
  hidden = batch["box_mask"] == 0
  batch["boxes"][hidden], batch["label"][hidden] = np.nan, 3
  same = terms_of(task, params, stats, batch)
  crowd = {"crowd": hidden.astype(np.float32), "box_mask": np.ones_like(hidden)}
  again = terms_of(task, params, stats, {**batch, **crowd})
  for name, value in plain.items():
    assert np.isclose(value, same[name]) and np.isclose(value, again[name])


@pytest.mark.parametrize("background", [True, False])
def test_the_model_says_whether_there_is_a_background(background):
  """A task that thought otherwise trained and predicted a class too many."""
  task, params, stats, batch = fixed_case(background)
  assert task.background == background
  assert "background" not in {f.name for f in dataclasses.fields(Detection)}
  out = jax.jit(task.predict)(params, stats, batch, None)
  assert set(np.unique(out["label"])) == set(range(K))


class Seen(Exception):
  """What a model was given."""


class Looking:
  """A model that shows what it is given."""

  background, prefixes = False, ("",)

  def apply(self, variables, image, **options):
    raise Seen(np.asarray(image))


STRENGTHS = ("brightness", "contrast", "saturation", "noise", "translation")


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_a_letterboxed_image_is_the_same_everywhere(tmp_path, jitter):
  """In training, evaluation and prediction; augmentation spares padding."""
  pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
  for split in ("train", "val"):
    write_voc(tmp_path, [("dog", 6, 4, 30, 20)], name=split, split=split)
    path = tmp_path / "JPEGImages" / f"{split}.jpg"
    Image.fromarray(pixels).save(path.with_suffix(".png"))
    path.unlink()
  values = {"data_dir": str(tmp_path), "batch_size": "1"}
  values |= {f"augment.{k}": str(jitter) for k in STRENGTHS}
  values |= {"augment.crop": "0", "augment.flip": "", "on_shared": "keep"}
  experiment = recipe.load("configs/detection/voc_detr.py", values).build()
  task, empty = Detection(Looking()), {"model": {}}
  train = experiment.inputs(experiment.train_data.batch(0))
  if jitter:
    train = experiment.augment(train, jax.random.key(0))
  val = experiment.inputs(next(experiment.evals["val"].data.epoch()))
  image = {"image": path.with_suffix(".png").read_bytes(), "name": "val"}
  for transform in experiment.predict.transforms:
    image = transform(image, None)
  mine = {k: np.asarray(v)[None] for k, v in image.items() if k != "name"}
  mine = experiment.inputs(mine)
  images = []
  (objective,) = task.objectives
  with pytest.raises(Seen) as seen:
    objective.loss(empty, empty, train, None, step=0, train=True)
  images.append(seen.value.args[0][0])
  for batch in (val, mine):
    with pytest.raises(Seen) as seen:
      task.predict(empty, empty, batch, None)
    images.append(seen.value.args[0][0])
  mask = val["image_mask"][0] > 0
  assert all((image[~mask] == 0).all() for image in images) and (~mask).any()
  np.testing.assert_allclose(images[1], images[2], atol=1e-6)
  if not jitter:
    np.testing.assert_allclose(images[0], images[1], atol=1e-6)


def test_images_without_boxes_still_teach_background():
  for background in (True, False):
    task, params, stats, batch = fixed_case(background)
    batch["box_mask"][:] = 0
    terms = terms_of(task, params, stats, batch)
    assert terms["class"] > 0 and terms["l1"] == terms["giou"] == 0


@pytest.mark.parametrize("background", [True, False])
def test_predictions_are_sorted_pixels(background):
  task, params, stats, batch = fixed_case(background)
  batch["size"] = np.tile(np.array([[100, 200]], np.int32), (8, 1))
  out = jax.jit(task.predict)(params, stats, batch, None)
  count = Q if background else Q * K
  assert out["boxes"].shape == (8, count, 4)
  assert (np.diff(out["score"], axis=1) <= 0).all()
  assert out["label"].min() >= 0 and out["label"].max() < K
  boxes = np.asarray(out["boxes"])
  assert (boxes[..., 2:] >= boxes[..., :2]).all()
  assert boxes[..., ::2].max() > 100 and boxes[..., ::2].max() <= 200
  assert boxes[..., 1::2].max() <= 100


def perfect(batch):
  """What a perfect detector would predict."""
  boxes = batch["boxes"] * 16
  corners = [boxes[..., :2] - boxes[..., 2:] / 2]
  corners.append(boxes[..., :2] + boxes[..., 2:] / 2)
  return {
    "boxes": jnp.concatenate(corners, -1),
    "score": jnp.asarray(batch["box_mask"]),
    "label": jnp.asarray(batch["label"]),
  }


def test_a_perfect_detector_has_an_average_precision_of_one():
  batch, metric = boxed_images(16, 0), AveragePrecision("abcd", voc=True)
  _, rows = metric.measure((), perfect(batch), batch)
  rows = jax.device_get(rows) | {"index": batch["index"]}
  metrics = metric.result({}, rows)
  assert metrics["ap"] > 0.999 and metrics["voc_ap"] > 0.999
  truth = metric.truth(rows, rows["index"])
  joined = AveragePrecision("abcd", annotations=lambda: truth)
  rows = {k: v for k, v in rows.items() if not k.startswith("true")}
  assert joined.result({}, rows)["ap"] == metrics["ap"]
  rows["found_label"] = (rows["found_label"] + 1) % 4
  assert joined.result({}, rows)["ap"] < 0.2


@pytest.mark.parametrize(
  "queries", with_slow(["learned", "encoder"], "learned")
)
def test_padding_of_an_image_changes_nothing(queries):
  """Tokens of padding are neither attended to nor chosen as queries."""
  task = small_detection(queries)
  batch = boxed_images(2, 0, padded=True)
  batch["image_mask"][:] = 0
  batch["image_mask"][:, :8, :8] = 1
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  predict = jax.jit(task.predict)
  out = predict(params, stats, batch, None)
  # The backbone sees two pixels across the edge at most: shift far ones only.
  other = dict(batch, image=batch["image"].copy())
  other["image"][:, 14:, 14:] += 5.0
  again = predict(params, stats, other, None)
  for name, value in out.items():
    np.testing.assert_allclose(again[name], value, atol=1e-4)
  assert np.asarray(out["boxes"]).max() <= 8 + 1e-4


@pytest.mark.parametrize(
  "queries", with_slow(["learned", "encoder"], "encoder")
)
def test_half_precision_computes_and_keeps_float32_results(queries):
  task = small_detection(queries)
  body = task.model.backbone.clone(dtype=jnp.bfloat16)
  model = task.model.clone(dtype=jnp.bfloat16, backbone=body)
  batch = boxed_images(4, 0)
  run = lambda: model.init_with_output(
    jax.random.key(0), batch["image"], train=False
  )
  out, variables = jax.jit(run)()
  types = {str(x.dtype) for x in jax.tree.leaves((out, variables))}
  assert types == {"float32"}
  assert all(np.isfinite(x).all() for x in out.values())


def test_anchors_are_at_the_pixels_of_the_image():
  mask = jnp.zeros((1, 4, 6)).at[:, :2, :4].set(1)
  anchors = anchor_boxes(mask)[0]
  np.testing.assert_allclose(anchors[0, 0, :2], [1 / 8, 1 / 4])
  np.testing.assert_allclose(anchors[1, 3, :2], [7 / 8, 3 / 4])


@pytest.mark.parametrize(
  ("name", "millions"),
  [("R50", 41.302368), ("R50-DC5", 41.302368), ("R101", 60.242272)],
)
def test_parameters_are_the_papers(name, millions):
  """Trained ones: neither BatchNorm nor the stem and the first stage."""
  model = variant(name, 91)
  image = jnp.zeros((1, 64, 64, 3))
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), image, train=False)
  )["params"]
  body = shapes["backbone"]
  fixed = {k for k in body if k.startswith(("conv1", "conv2_", "bn1"))}
  shapes["backbone"] = {k: v for k, v in body.items() if k not in fixed}
  leaves = jax.tree_util.tree_flatten_with_path(shapes)[0]
  norm = lambda path: any("bn" in str(key) for key in path)
  count = sum(x.size for path, x in leaves if not norm(path))
  assert count == round(millions * 1e6)


def test_dilation_keeps_the_resolution_of_the_last_stage():
  def shapes(dilated):
    model = resnet.ResNet(
      0, (1, 1, 2), False, 4, zero_init=False, dilated=dilated
    )
    image = jnp.ones((1, 64, 64, 3))
    run = lambda: model.init_with_output(
      jax.random.key(0), image, train=False, features=True
    )
    maps, variables = jax.eval_shape(run)
    return maps["c4"].shape, jax.tree.map(jnp.shape, variables)

  plain, dilated = shapes(False), shapes(True)
  assert plain[0] == (1, 4, 4, 16) and dilated[0] == (1, 8, 8, 16)
  assert plain[1] == dilated[1]


def test_frozen_norm_keeps_its_moments():
  model = resnet.ResNet(3, (1,), False, 4, "small", frozen_norm=True)
  image = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
  variables = model.init(jax.random.key(1), image, train=False)
  out, new = model.apply(variables, image, train=True, mutable=["batch_stats"])
  same = jax.tree.map(
    lambda a, b: bool((a == b).all()),
    new["batch_stats"],
    variables["batch_stats"],
  )
  assert jax.tree.all(same)
  np.testing.assert_allclose(out, model.apply(variables, image, train=False))


def test_frozen_norms_do_not_train_from_a_random_start():
  """Their scales of zero would take every gradient away."""
  message = r"ResNet \(model/backbone\): .*--init_from=model/backbone=PATH"
  task = Detection(variant("R50", 3))
  for elsewhere in ((), {"model/class_head"}, {"model/backbone/block1_1"}):
    with pytest.raises(UserError, match=message):
      check_trainable(task, elsewhere)
  for part in ("", "model", "model/backbone"):
    check_trainable(task, {part})
  check_trainable(Detection(variant("R50", 3, frozen_norm=False)))
  # A run that begins asks, and tells of the nets that are fixed.
  run = lambda fixed: begin_anew(
    types.SimpleNamespace(task=task, starts=lambda given: {}, fixed=fixed),
    types.SimpleNamespace(init=lambda make: "state"),
    *(None, None),
  )
  with pytest.raises(UserError, match="frozen norms"):
    run({})
  assert run({"model": None}) == "state"
  with pytest.raises(UserError, match="frozen norms"):
    fit(types.SimpleNamespace(task=task), steps=1)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: variant("R7", 3), "expected one of"),
    (lambda: variant("R50-DC4", 3), "expected one of"),
  ],
)
def test_an_unknown_variant_is_an_error(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_a_level_that_the_backbone_has_not_is_an_error():
  model = Detr(3, resnet.ResNet(0, (1, 1), False, 4, "small"), ("c9",))
  with pytest.raises(UserError, match="has no 'c9'; expected some of c2, c3"):
    jax.eval_shape(
      lambda: model.init(
        jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False
      )
    )
