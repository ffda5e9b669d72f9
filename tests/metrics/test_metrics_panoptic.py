"""Panoptic quality against torchmetrics."""

import jax
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.metrics.panoptic import PanopticQuality

NAMES, THINGS, VOID = ("sky", "road", "cat", "dog", "absent"), (2, 3), 255


def made_up(rng, number=4, size=(24, 32)):
  """Classes and numbers of images: stripes of stuff, rectangles of things."""
  label = rng.integers(0, 2, (number, size[0], 1)).repeat(size[1], 2)
  instances = np.zeros_like(label)
  for i in range(number):
    for name in rng.permutation(60)[: rng.integers(0, 8)] + 1:
      y, x = (int(rng.integers(n - 3)) for n in size)
      h, w = rng.integers(3, 12, 2)
      label[i, y : y + h, x : x + w] = rng.integers(2, 4)
      instances[i, y : y + h, x : x + w] = name
  return label, instances


def changed(rng, label, instances):
  """The maps a little elsewhere, with holes of another class and of void."""
  shift = tuple(rng.integers(-1, 2, 2))
  label, instances = (np.roll(x, shift, (1, 2)) for x in (label, instances))
  label, other = label.copy(), rng.random(label.shape)
  label[:, :8, :8] = np.where(other < 0.1, 3, label)[:, :8, :8]
  return label, instances


def with_void(rng, label):
  label = label.copy()
  for i in range(len(label)):
    y, x = (int(rng.integers(n - 9)) for n in label.shape[1:])
    label[i, y : y + 9, x : x + 9] = VOID
  return label


@pytest.mark.slow
@pytest.mark.parametrize("modified", [False, True])
def test_it_is_torchmetrics(modified):
  torch, detection = library("torch"), library("torchmetrics.detection")
  kind = "ModifiedPanopticQuality" if modified else "PanopticQuality"
  theirs = getattr(detection, kind)
  # Void that is predicted is a class of its own there, and so no excuse.
  stuff = set(range(len(NAMES) + 1)) - set(THINGS)
  metric = PanopticQuality(NAMES, THINGS, modified, per_class=True)
  for seed in range(3):
    rng = np.random.default_rng(seed)
    label, number = made_up(rng)
    found, names = changed(rng, label, number)
    label, found = with_void(rng, label), with_void(rng, found)
    rows = {"true_class": label, "true_number": number}
    got = metric.result(
      {}, rows | {"found_class": found, "found_number": names}
    )
    both = lambda *x: torch.from_numpy(np.stack(x, -1))
    options = {"things": set(THINGS), "stuffs": stuff}
    oracle = theirs(**options, allow_unknown_preds_category=True)
    # torchmetrics knows void of predictions alone: of the truth by its colour.
    void = oracle.void_color
    truth = np.where(label == VOID, void[0], label)
    truth = both(truth, np.where(label == VOID, void[1], number))
    pair = detection_update(
      oracle, both(np.where(found == VOID, len(NAMES), found), names), truth
    )
    iou, right, wrong, missed = (x.numpy()[:-1] for x in pair)
    whole = right + (wrong + missed) / 2
    sq = np.where(right > 0, iou / np.maximum(right, 1), 0)
    rq = np.where(whole > 0, right / np.maximum(whole, 0.5), 0)
    pq, there = sq * rq, whole > 0
    expected = {"pq": pq[there], "sq": sq[there], "rq": rq[there]}
    for name, values in expected.items():
      assert got[name] == pytest.approx(values.mean(), abs=1e-7), (seed, name)
    order = [*sorted(THINGS), *sorted(stuff)][:-1]  # things first
    for k, x, real in zip(order, pq, there, strict=True):
      assert got.get(f"pq_class/{NAMES[k]}") == (
        pytest.approx(x, abs=1e-7) if real else None
      )


def detection_update(oracle, found, truth):
  """Sums of torchmetrics, whose truth may be void; IoU is float32 there."""
  common = "torchmetrics.functional.detection._panoptic_quality_common"
  parts = vars(library(common))
  things, stuffs, void = oracle.things, oracle.stuffs, oracle.void_color
  flat = [
    parts["_prepocess_inputs"](things, stuffs, x, void, True)
    for x in (found, truth)
  ]
  modified = "Modified" in type(oracle).__name__
  return parts["_panoptic_quality_update"](
    *flat,
    oracle.cat_id_to_continuous_id,
    void,
    modified_metric_stuffs=stuffs if modified else None,
  )


def test_the_same_is_perfect_and_names_are_kept():
  label, number = made_up(np.random.default_rng(5))
  metric = PanopticQuality(NAMES, THINGS, per_class=True)
  batch = {"target": label, "instances": number}
  # Other numbers, and numbers of stuff, are the same.
  out = {"panoptic": np.stack([label, 100 - number], -1)}
  sums, rows = metric.measure((), out, batch)
  got = metric.result(sums, jax.device_get(rows))
  assert set(got.values()) == {1.0}
  assert set(metric.names) - set(got) == {"pq_class/absent"}


def test_nothing_found_is_nothing_right():
  label, number = made_up(np.random.default_rng(6))
  rows = {"true_class": label, "true_number": number}
  rows |= {"found_class": np.full_like(label, VOID), "found_number": number}
  assert PanopticQuality(NAMES, THINGS).result({}, rows)["pq"] == 0


def test_without_a_class_there_is_nothing_to_measure():
  nothing = np.full((1, 4, 4), VOID)
  keys = ("true_class", "true_number", "found_class", "found_number")
  with pytest.raises(UserError, match="no pixel has a class"):
    PanopticQuality(NAMES, THINGS).result({}, dict.fromkeys(keys, nothing))
  with pytest.raises(UserError, match="things: got 7"):
    PanopticQuality(NAMES, (2, 7))
