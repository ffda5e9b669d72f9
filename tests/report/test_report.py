"""What a run says at its beginning and at its end."""

import types

import numpy as np

from vision_jax.report.beginning import beginning, parameters
from vision_jax.report.ending import ending, table


def loader(examples, batch_size):
  return types.SimpleNamespace(source=range(examples), batch_size=batch_size)


def test_parameters_by_part():
  conv = {"kernel": np.zeros((3, 3, 4, 10)), "bias": np.zeros(10)}
  tree = {
    "stem": conv,
    "block0": conv,
    "block1": conv,
    "f6": {"w": np.ones(7)},
  }
  assert parameters({"model": tree, "critic": {"out": np.zeros(1500)}}) == [
    "Parameters of model: 1,117",
    "  stem                  370",
    "  block* (2)            740",
    "  f6                      7",
    "Parameters of critic: 1,500",
    "  out          1,500",
  ]


def test_the_beginning_names_data_devices_and_types():
  experiment = types.SimpleNamespace(
    train_data=loader(5000, 32),
    evals={"val": types.SimpleNamespace(data=loader(40, 8))},
  )
  params = {"model": {"w": np.zeros(3, np.float32)}}
  lines = beginning(experiment, params, {"dtype": "bfloat16"}, 2)
  assert lines[2:] == [
    "Data: train 5,000 images in batches of 32, val 40 images",
    "Devices: 2 cpus",
    "Precision: parameters float32; computed in bfloat16",
  ]


METRICS = {
  "train/loss": 0.5,
  "time/step_p50_ms": 3.0,
  "val/loss": 0.25,
  "val/miou": 0.81234,
  "val/ema/miou": 0.9,
  "val/iou/car": 0.1,
  "val/iou/sky": 0.2,
  "test/loss": 1.0,
}


def test_metrics_are_a_short_table():
  assert table(METRICS) == [
    "         val  val/ema  test",
    "loss    0.25              1",
    "miou  0.8123      0.9",
    "and 2 more (of single classes, ...) in metrics.jsonl",
  ]
  assert table({"train/loss": 1.0}) == []
  assert len(table({f"val/m{i}": i for i in range(40)})) == 1 + 12 + 1


def test_the_end_names_the_files_and_the_next_command():
  lines = ending(METRICS, workdir="out/my run", next_mode="predict")
  assert lines[-2].startswith("Written: out/my run/ ")
  assert lines[-1] == (
    "Next: python -m vision_jax.main --mode=predict --images=FILES "
    "--workdir='out/my run'"
  )
  assert ending({}, workdir=None, next_mode="eval") == []
