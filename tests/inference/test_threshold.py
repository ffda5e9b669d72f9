"""From which score on: the best of val, or what a user says."""

import json
import types
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from tests.programs.command import call
from vision_jax.core.execution import Jit
from vision_jax.core.types import as_given
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference.predict import predict_folder
from vision_jax.inference.threshold import NONE, Threshold, choose
from vision_jax.viz.png import write_png

LINES = [
  {"step": 10, "val/threshold": 0.1, "val/threshold_f1": 0.5},
  {"step": 20, "train/loss": 1.0, "test/threshold": 0.99},
  {"step": 20, "val/threshold": 0.4, "val/threshold_f1": 0.75,
   "val/ema/threshold": 0.6, "val/ema/threshold_dice": 0.8},
  {"step": 40, "val/threshold": None, "val/threshold_f1": None},
]  # fmt: skip


def write_lines(path, lines):
  path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def experiment(best=None):
  return types.SimpleNamespace(best=best, predict=None)


@pytest.mark.parametrize(
  ("kind", "step", "expected"),
  [
    ("raw", 10, (0.1, "the best on val, step 10, F1 0.50")),
    ("raw", 25, (0.4, "the best on val, step 20, F1 0.75")),
    ("raw", 40, (0.4, "the best on val, step 20, F1 0.75")),  # null is none
    ("ema", 20, (0.6, "the best on val, step 20, Dice 0.80")),
    ("ema", 10, (None, "by default: no val/ema/threshold was measured")),
    ("raw", 5, (None, "by default: no val/threshold was measured")),
  ],
)
def test_the_runs_threshold_is_that_of_val_before_the_step(
  tmp_path, kind, step, expected
):
  write_lines(tmp_path / "metrics.jsonl", LINES)
  folder = epath.Path(tmp_path)
  assert choose(None, experiment(), folder, kind, step)[:2] == expected
  given = choose(0.3, experiment(), folder, kind, step)
  assert given == (0.3, "--threshold", True, ())
  other = choose(None, experiment(("held/ap", "max")), folder, kind, step)
  assert other.value is None and "no held/" in other.source


def test_what_a_later_evaluation_has_measured_counts(tmp_path):
  folder = epath.Path(tmp_path)
  assert choose(None, experiment(), folder, "raw", 9).value is None
  later = {"checkpoint": 9, "val/threshold": 0.7}
  write_lines(tmp_path / "evaluations.jsonl", [later])
  found = choose(None, experiment(), folder, "raw", 9)
  assert found == (0.7, "the best on val, step 9", False, ())


class Task:
  """Gives the same outputs of every image."""

  def __init__(self, **outputs):
    self._outputs = outputs

  def predict(self, params, stats, batch, key):
    b = len(batch["image"])
    tiled = lambda x: jnp.tile(jnp.asarray(x), (b, *[1] * np.ndim(x)))
    return {name: tiled(x) for name, x in self._outputs.items()}


def predicted(tmp_path, task, threshold, names=("no", "yes"), formats=()):
  """Returns the lines of three images, and what is logged."""
  for i in range(3):
    path = tmp_path / "in" / f"{i}.png"
    write_png(path, np.zeros((8, 8, 3), np.uint8))
  logged, output = [], tmp_path / "out"
  predict_folder(
    types.SimpleNamespace(
      task=task, inputs=as_given, predict=Predict([decode(3)], names, formats)
    ),
    ((), ()),
    Jit(devices=jax.devices()[:1]),
    str(tmp_path / "in"),
    epath.Path(output),
    batch_size=2,
    threshold=threshold,
    log=logged.append,
  )
  text = (output / "predictions.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()], logged[
    1:-1
  ]  # without the rate


BOXES = {
  "boxes": np.array([[0, 0, 4, 4], [1, 1, 5, 5]], np.float32),
  "score": np.array([0.75, 0.25], np.float32),
  "label": np.array([1, 0]),
}


@pytest.mark.parametrize(
  ("threshold", "above", "start"),
  [
    (NONE, 3, "Threshold 0.3 (by default): "),
    (Threshold(0.25, "the best"), 6, "Threshold 0.25 (the best): "),
    (Threshold(0.8, "given", True), 0, "Threshold 0.8 (given): "),
  ],
)
def test_boxes_above_and_below_are_counted(tmp_path, threshold, above, start):
  lines, logged = predicted(tmp_path, Task(**BOXES), threshold)
  assert [len(line["boxes"]) for line in lines] == [above // 3] * 3
  assert logged == [
    f"{start}{above} boxes lie above it and {6 - above} below; the best score "
    "is 0.75."
  ]


def test_no_box_at_all_has_no_best_score(tmp_path):
  none = {name: value[:0] for name, value in BOXES.items()}
  _, logged = predicted(tmp_path, Task(**none), NONE)
  assert logged == [
    "Threshold 0.3 (by default): 0 boxes lie above it and 0 below."
  ]


@pytest.mark.parametrize(
  ("least", "label"), [(None, 0), (0.3, 1), (0.4, 1), (0.5, 0)]
)
def test_two_classes_are_told_apart_by_it(tmp_path, least, label):
  task = Task(logits=np.log(np.float32([0.58, 0.42])))
  lines, logged = predicted(tmp_path, task, Threshold(least, "x"))
  assert {line["label"] for line in lines} == {label}
  name, score = (("no", 0.58), ("yes", 0.42))[label]
  assert lines[0]["class"] == name
  assert lines[0]["score"] == pytest.approx(score, abs=1e-6)
  assert [x["class"] for x in lines[0]["top"]] == ["no", "yes"]
  assert logged == (
    []
    if least is None
    else [
      f"Threshold {least} (x): {3 * label} images lie above it and "
      f"{3 - 3 * label} below; the best probability of yes is 0.42."
    ]
  )


def test_pixels_of_two_classes_are_told_apart_by_it(tmp_path):
  second = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
  probs = np.stack([1 - second, second], -1)
  plain = {"target": probs.argmax(-1).astype(np.uint8)}
  task = Task(**plain)
  task.probs = Task(**plain, probs=probs).predict
  lines, logged = predicted(tmp_path, task, Threshold(0.75, "x"))
  count = int((second >= 0.75).sum())
  assert lines[0]["share"]["yes"] == count / 64
  assert logged[0].startswith(
    f"Threshold 0.75 (x): {3 * count} pixels lie above it and "
  )


@pytest.mark.parametrize(
  ("threshold", "found", "head"),
  [
    (NONE, ["b"], "Threshold 0.5 (by default): 3 labels lie above it and 6"),
    (Threshold(0.2, "x"), ["b", "a"], "Threshold 0.2 (x): 6 labels lie above"),
    (
      Threshold(0.2, "x", by_class=(0.5, 0.2, 0.05)),
      ["b", "c"],
      "Thresholds of each class (x): 6 labels lie above them and 3",
    ),
  ],
)
def test_each_label_of_several_is_told_apart_by_it(
  tmp_path, threshold, found, head
):
  """Probabilities are by a sigmoid: 0.3, 0.8 and 0.1, which add up to 1.2."""
  probs = np.float32([0.3, 0.8, 0.1])
  task = Task(logits=np.log(probs / (1 - probs)), label=probs >= 0.5)
  run = (tmp_path, task, threshold, ("a", "b", "c"), ("csv", "label_studio"))
  lines, logged = predicted(*run)
  for line in lines:
    assert line["classes"] == found and "label" not in line
    assert line["scores"] == pytest.approx({"a": 0.3, "b": 0.8, "c": 0.1})
  assert logged[0].startswith(head) and "best probability is 0.8" in logged[0]
  table = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
  assert [row.split(",")[1] for row in table[1:]] == found * 3
  studio = json.loads((tmp_path / "out" / "label_studio.json").read_text())
  for entry in studio:
    result = entry["predictions"][0]["result"]
    assert [x["value"]["choices"] for x in result] == [[x] for x in found]


def test_thresholds_of_labels_are_those_of_val(tmp_path):
  parts = types.SimpleNamespace(
    best=("val/auc", "max"), predict=Predict([], ("a", "b"))
  )
  measured = {"val/threshold": 0.5, "val/threshold/a": 0.25}
  for more, expected in (({}, ()), ({"val/threshold/b": 0.75}, (0.25, 0.75))):
    measured |= more
    lines = [{"step": 4} | measured]
    write_lines(tmp_path / "metrics.jsonl", lines)
    found = choose(None, parts, epath.Path(tmp_path), "raw", 9)
    assert found.value == 0.5 and found.by_class == expected


def test_one_logit_is_of_the_second_of_two_classes(tmp_path):
  task = Task(logits=np.log(np.float32([0.8 / 0.2])))
  lines, _ = predicted(tmp_path, task, NONE)
  assert lines[0]["class"] == "yes"
  assert lines[0]["score"] == pytest.approx(0.8)


@pytest.mark.parametrize("threshold", [NONE, Threshold(0.4, "x", True)])
def test_a_format_that_does_not_fit_is_refused_before_anything(
  tmp_path, threshold
):
  """Nothing is compiled, made or written: the task is only traced."""
  task, made = Task(logits=np.zeros(2, np.float32)), []
  refused = mock.patch.object(Jit, "eval_step", made.append)
  with (
    refused,
    pytest.raises(
      UserError, match=r"coco writes .* some of contact_sheet, csv"
    ),
  ):
    predicted(tmp_path, task, threshold, formats=("csv", "coco"))
  assert not made and not (tmp_path / "out").exists()


def test_a_threshold_without_a_use_is_refused(tmp_path):
  task = Task(logits=np.zeros(3, np.float32))
  measured = Threshold(0.5, "the best on val")  # of labels, not logged
  predicted(tmp_path, task, measured, ("a", "b", "c"))
  (tmp_path / "out" / "predictions.jsonl").unlink()
  with pytest.raises(UserError, match=r"--threshold: got 0.5; expected none"):
    given = Threshold(0.5, "--threshold", given=True)
    predicted(tmp_path, task, given, ("a", "b", "c"))


@pytest.mark.parametrize("value", ["2", "-0.1", "nan", "some"])
def test_what_is_no_threshold_is_named(tmp_path, value):
  flags = (f"--threshold={value}", "--images=x", "--output=y")
  result = call("--mode=predict", f"--workdir={tmp_path}", *flags)
  assert result.code == 2
  assert f"--threshold: got {value!r}; expected a score from" in result.err


def test_results_among_the_images_are_refused(tmp_path):
  task = Task(logits=np.zeros(2, np.float32))
  write_png(tmp_path / "0.png", np.zeros((8, 8, 3), np.uint8))
  how = Predict([decode(3)])
  parts = types.SimpleNamespace(task=task, inputs=as_given, predict=how)
  run = (parts, ((), ()), Jit(devices=jax.devices()[:1]))
  with pytest.raises(UserError, match=r"is in the folder of the images, .* ou"):
    folders = (str(tmp_path), epath.Path(tmp_path / "out"))
    predict_folder(*run, *folders, batch_size=1)
