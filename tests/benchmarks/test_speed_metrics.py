"""The metric rows of the speed benchmark run, and measure what they say."""

import json

import numpy as np
import pytest

from benchmarks.accelerator.states import NotHere
from benchmarks.speed import (
  command,
  detector_parts,
  metrics,
  small_maps,
  table,
)
from tests.oracles import torchvision


def test_metric_rows():
  rows = metrics.metric_rows(
    images=6, detections=5, classes=3, masks=3, mask_size=(8, 12), turns=2
  )
  names = ["metrics/coco_ap", "metrics/miou", "metrics/miou/device"]
  assert [row["row"] for row in rows] == names
  for row in rows:
    assert 0 < row["best_seconds"] <= row["seconds"]
  assert "6 images x 5 detections x 3 classes" in table.line(rows[0])
  assert "3 masks of 12 x 8, 11 classes" in table.line(rows[1])


def test_the_forms_of_miou_agree():
  truth, guess = metrics.random_masks(3, (8, 12))
  host = metrics.host_miou(truth, guess)
  assert host == metrics.device_miou(truth, guess, batch=2)
  assert 0.5 < host["miou"] < 0.95


def test_the_detections_are_worth_scoring():
  rows = metrics.detection_rows(40, 20, 3)
  metric = metrics.AveragePrecision("abc", per_class=False)
  assert 0.01 < metric.result({}, rows)["ap50"] < 0.9


def test_matching_rows():
  rows = metrics.matching_rows(images=8, queries=6, boxes=4, repeats=1, turns=1)
  names = [row["row"].removeprefix("matching/") for row in rows]
  assert names == ["vmap", "lax_map", "shard_map", "local"]
  assert all(row["seconds"] > 0 for row in rows)


def test_rows_of_small_maps():
  (row,) = small_maps.rows([(2, 2, 8, 8, 3, 1, 1, 1)], turns=1)
  assert row["row"] == "convolution/2x2/k3s1p1/8-8"
  row["form_ms"] = {"convolution": 260.0, "patches": 4.5}
  assert table.numbers(row) == "convolution 0.26 s, patches 4.50 ms"


@pytest.mark.slow
def test_parts_of_detectors_are_the_same_as_their_peers():
  torchvision()
  nms = detector_parts.suppression(50, 5)
  (places,), _ = nms["ours"]()
  np.testing.assert_array_equal(places, nms["vectorised"]())
  aligned = detector_parts.aligned(8, 20, 4)
  (found,) = np.asarray(aligned["ours"]())
  expected = aligned["vectorised"]().numpy().transpose(0, 2, 3, 1)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  pasted = detector_parts.pasted(5, (60, 80))
  expected = pasted["torchvision"]().numpy()[:, 0]
  np.testing.assert_array_equal(pasted["ours"](), expected)
  row = detector_parts.row("paste", pasted, turns=1, calls=1)
  assert row["times_as_long_as"]["torchvision"] > 0


def test_a_part_without_its_peer_says_so(monkeypatch):
  def absent(name):
    raise NotHere(f"{name} is not installed")

  monkeypatch.setattr(detector_parts, "library", absent)
  row = detector_parts.measured("nms", 1)
  assert table.numbers(row) == "torch is not installed"


def test_a_duration_has_a_unit():
  row = {"row": "r", "work": "w", "seconds": 1.234}
  row |= {"best_seconds": 0.00123, "cpu_seconds": 0.05}
  assert table.numbers(row) == "1.23 s, best 1.23 ms, CPU 50.00 ms (w)"


GAN = "configs/generation/digits_gan.py:tiny"


@pytest.mark.parametrize(
  ("words", "message"),
  [
    (["--models=unet"], "got 'unet'; expected one of mlp"),
    ([f"--configs={GAN}", "--config.widht=8"], "did you mean --config.width"),
    (["--configs=configs/generation/digit_gan.py"], "digits_gan.py"),
    (["--config.width=8"], "expected --configs=PATH beside it"),
    ([f"--configs={GAN}", "--mode=infer"], "a config trains"),
    (["--config=x"], "got '--config=x'; expected one of the flags"),
    (["--rows=loops"], "--rows: got ['loops']; expected models"),
  ],
)
def test_what_cannot_be_timed_is_refused(words, message, capsys):
  with pytest.raises(SystemExit) as left:
    command.main(words)
  assert left.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.slow
def test_a_config_is_timed_by_its_whole_step(tmp_path, capsys):
  words = [f"--configs={GAN}", "--config.width=4", "--batch_sizes=8"]
  words += ["--rows=models", "--turns=1", f"--output={tmp_path}"]
  assert command.main(words) == 0
  screen, report = capsys.readouterr().out, (tmp_path / "report.md").read_text()
  assert " images/s; " in screen and " images/s; " in report
  (row,) = map(json.loads, (tmp_path / "results.jsonl").open())
  assert row["row"] == "digits_gan:tiny/width=4/step/b8"
  assert row["images_per_s"] > 0 and row["flops_per_step"] > 0
  assert row["plain_images_per_s"] > 0 and row["dispatch_ms"] > 0
