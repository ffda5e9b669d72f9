"""What a trained net gets wrong: examples' parts in the loss, and counts."""

import json

import flax.linen as nn
import jax
import numpy as np
import pytest

from benchmarks import execute, shown
from benchmarks.detections import Detections, average_precision
from benchmarks.page import confusion, detection, left
from benchmarks.suite import row_named
from vision_jax.core.types import as_given
from vision_jax.experiment import Eval
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.metrics.coco import BoxTable
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.segmentation import Segmentation


class Linear(nn.Module):
  """Logits (b, 3) of images."""

  @nn.compact
  def __call__(self, image, *, train, mask=None):
    return nn.Dense(3)(image.reshape(len(image), -1))


class Pointwise(nn.Module):
  """Logits (b, h, w, 3)."""

  @nn.compact
  def __call__(self, image, *, train, mask=None):
    return nn.Dense(3)(image)


def batch_of(rng, label):
  return {
    "image": np.float32(rng.normal(size=(4, 2, 2, 1))),
    "label" if label.ndim == 1 else "target": label,
    "mask": np.float32([1, 1, 1, 0]),
    "index": np.arange(4),
  }


def stepped(task, batch, **options):
  data = Eval((), {}, **options)
  params, stats = task.init(jax.random.key(0), batch)
  step = shown.make_step(task, as_given, data)
  full = data.output or task.predict
  both = lambda *args: (full(*args), *step(*args))
  return jax.jit(both)(params, stats, batch, jax.random.key(0))


def test_a_part_is_the_examples_own_loss():
  label = np.array([0, 2, 1, 1])
  batch = batch_of(np.random.default_rng(0), label)
  full, out, parts = stepped(Classification(Linear()), batch)
  own = softmax_cross_entropy(full["logits"], label)
  np.testing.assert_allclose(parts[:3], own[:3], rtol=1e-5)
  assert parts[3] == 0, "padding has no part in it"
  np.testing.assert_array_equal(out["label"], full["label"])
  assert stepped(Classification(Linear()), batch, losses=False)[2] is None


def test_a_part_of_an_image_is_the_mean_of_its_pixels():
  rng = np.random.default_rng(0)
  batch = batch_of(rng, rng.integers(0, 3, (4, 2, 2)))
  task = Segmentation(Pointwise())
  full, out, parts = stepped(task, batch, output=task.probs)
  logits = np.log(full["probs"])
  own = softmax_cross_entropy(logits, batch["target"]).mean((1, 2))
  np.testing.assert_allclose(parts[:3], own[:3], rtol=1e-4)
  assert out["target"].shape == (4, 2, 2)


def test_counts_and_the_worst_are_by_hand():
  found = shown.Found(["cat", "owl"])
  batch = {"label": np.array([0, 1, 1, 0]), "mask": np.array([1, 1, 1, 0.0])}
  out = {"label": np.array([0, 0, 1, 1])}
  found.add(batch, out, np.array([0.1, 3.0, 0.2, 9.0]))
  found.add(batch, out, np.array([np.nan, 0.0, 5.0, 0.0]))
  assert found.counts.tolist() == [[2, 0], [2, 2]]
  assert [part for part, _ in found.worst] == [5.0, 3.0, 0.2, 0.1]
  assert [int(x["label"]) for _, x in found.worst] == [1, 1, 1, 0]
  boxes = {"label": np.zeros((4, 5), int), "mask": np.ones(4)}
  found.add(boxes, boxes, None)
  assert found.counts.sum() == 6, "boxes are not paired"
  many = shown.Found([str(n) for n in range(100)])
  many.add(batch, out, None)
  assert many.counts is None


def test_a_detectors_errors_are_by_hand():
  """Image 7 is right, 8 has a wrong box and a missed one, 9 is padding."""
  metric = AveragePrecision(("hen", "ox"))
  assert average_precision(Eval((), {"ap": metric})) is metric
  boxes = np.float32([[[0, 0, 9, 9]], [[0, 0, 9, 9]], [[0, 0, 9, 9]]])
  away = boxes + np.float32([0, 50, 0])[:, None, None]
  rows = {
    **{"found_boxes": away, "found_score": np.float32([[0.9], [0.8], [0.7]])},
    **{"found_label": np.array([[0], [1], [0]]), "true_boxes": boxes},
    **{"true_label": np.array([[0], [1], [1]]), "true_mask": np.ones((3, 1))},
  }
  batch = {"index": np.array([7, 8, 9]), "mask": np.array([1, 1, 0])}
  found = Detections(metric)
  assert found.add(batch, rows).tolist() == [0, 2, 0]
  later = batch | {"index": np.array([1, 2, 9])}
  sure = rows | {"found_score": rows["found_score"] * 0.3}  # counts nowhere
  assert found.add(later, sure).tolist() == [1, 1, 0]
  summary = found.summary()
  assert detection.readable(json.loads(json.dumps(summary)))
  errors = {kind: number for kind, number, _ in summary["errors"]}
  assert errors["background"] == errors["missed"] == 2
  assert summary["ap50"] == pytest.approx(0.5)
  assert [name for name, _ in summary["curves"]] == [
    *("IoU 0.5", "IoU 0.75", "ox", "hen"),
  ]


def test_tables_with_areas_are_joined_and_annotations_are_read_once():
  calls = []

  def annotations():
    calls.append(1)
    one = np.zeros(1, int)
    return BoxTable(one, one, np.ones((1, 4)), area=np.ones(1))

  metric = average_precision(
    Eval((), {"ap": AveragePrecision(("hen",), annotations=annotations)})
  )
  found = Detections(metric)
  rows = {
    "found_boxes": np.ones((1, 1, 4)),
    "found_score": np.ones((1, 1)),
    "found_label": np.zeros((1, 1), int),
  }
  for i in (0, 1):
    found.add({"index": np.array([i]), "mask": np.ones(1)}, rows)
  summary = found.summary()
  assert calls == [1] and summary["ap50"] == 1
  assert {x[0]: x[1] for x in summary["errors"]}["background"] == 1


def test_an_unknown_evaluation_names_those_that_there_are(capsys, monkeypatch):
  class Run:
    class experiment:
      evals = {"test": None, "val": None}

  monkeypatch.setattr(shown.trained, "load", lambda *_, **__: Run)
  words = ["--workdir=w", "--evaluation=tset", "--output=o"]
  assert shown.main(words) == 2
  assert "'tset'; expected one of ['test', 'val']" in capsys.readouterr().err


def test_a_row_stands_without_its_images(tmp_path, monkeypatch, capsys):
  (tmp_path / "workdir" / "checkpoints").mkdir(parents=True)

  def call(module, arguments, log):
    assert module == "benchmarks.shown" and "--evaluation=set5" in arguments
    raise execute.RunFailed("exit code 1, log in log.txt:\nno such data")

  monkeypatch.setattr(execute, "call", call)
  execute.draw(row_named("t91_srcnn_x3"), tmp_path)
  assert capsys.readouterr().out == (
    "t91_srcnn_x3: no images of what it gets wrong: no such data\n"
  )


@pytest.mark.slow
def test_a_run_is_drawn_and_its_images_are_found(tmp_path):
  seed = tmp_path / "digits_cnn" / "seed0"
  log = tmp_path / "log.txt"
  words = ["--config=configs/classification/digits_cnn.py:tiny"]
  execute.call_main([*words, f"--workdir={seed / 'workdir'}"], log)
  execute.draw(row_named("digits_cnn"), seed)
  counted = json.loads((seed / "shown" / "confusion.json").read_text())
  assert confusion.readable(counted)
  lines = (seed / "workdir" / "metrics.jsonl").read_text().splitlines()
  last = json.loads(lines[-1])
  counts = np.array(counted["counts"])
  right = np.trace(counts) / counts.sum()
  assert right == pytest.approx(last["test/accuracy"])
  names = [name for name, _ in left.images_of(seed)]
  assert names[0].startswith("test/labels") and "largest loss: labels" in names


@pytest.mark.slow
def test_a_detectors_run_is_drawn(tmp_path):
  seed = tmp_path / "digit_scenes_detr" / "seed0"
  words = ["--config=configs/detection/digit_scenes_detr.py:tiny"]
  place = f"--workdir={seed / 'workdir'}"
  execute.call_main([*words, place], tmp_path / "log.txt")
  execute.draw(row_named("digit_scenes_detr"), seed)
  summary = json.loads((seed / "shown" / "detection.json").read_text())
  assert detection.readable(summary)
  lines = (seed / "workdir" / "metrics.jsonl").read_text().splitlines()
  last = json.loads(lines[-1])
  assert summary["ap50"] == pytest.approx(last["test/ap50"], abs=1e-6)
  assert "most errors: boxes" in [name for name, _ in left.images_of(seed)]
