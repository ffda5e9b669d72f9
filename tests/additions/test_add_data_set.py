"""A data set of one's own is two files: its source, and a config with it."""

import sys

from tests.data_fixtures import encode, picture
from tests.programs.command import call, metrics

SOURCE = '''
"""Pictures that a table names: lines of FILE,LABEL."""

import csv
import functools
import pathlib

import numpy as np

from vision_jax.data.files import files_hash, read_image


class Table:
  """The examples of SPLIT.csv in a folder."""

  def __init__(self, folder, split):
    self.file = pathlib.Path(folder) / f"{split}.csv"

  @functools.cached_property
  def rows(self):
    lines = csv.reader(self.file.read_text().splitlines())
    return [(self.file.parent / name, int(label)) for name, label in lines]

  def __len__(self):
    return len(self.rows)

  def read(self, indices):
    return [
      {"name": str(path), "image": read_image(path), "label": np.int32(label)}
      for path, label in (self.rows[i] for i in indices)
    ]

  def fingerprint(self):
    return files_hash(self.file.parent, [self.file, *dict(self.rows)])
'''

CONFIG = '''
"""A small CNN on pictures that a table names."""

from table import Table

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.cnn import CNN
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import GREY
from vision_jax.pipelines.data import Loading
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(steps=2, batch_size=4, eval_batch_size=4, log_every=1)


def build(config):
  names = ("cat", "dog")
  data = classification(
    train=Table(config.data_dir, "train"),
    evals={"val": Table(config.data_dir, "val")},
    class_names=names,
    colours=GREY,
    crop=resize((8, 8)),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy()},
  )
  return Experiment(
    task=Classification(CNN(len(names), stages=((4,),))),
    optimizers={"model": sgd(lambda step: 0.1)},
    **data.fields(),
  )
'''


def write_table(folder, split, number):
  """Pictures of several sizes; the table has to tell their labels."""
  lines = []
  for i in range(number):
    name = f"{split}{i}.png"
    (folder / name).write_bytes(encode(picture(9 + i, 12, seed=i), "PNG"))
    lines.append(f"{name},{i % 2}\n")
  (folder / f"{split}.csv").write_text("".join(lines))


def test_a_layout_of_ones_own_trains_from_the_command(tmp_path, monkeypatch):
  """From the folder of the two files, which is none of ours."""
  data = tmp_path / "data"
  data.mkdir()
  write_table(data, "train", 6)
  write_table(data, "val", 5)
  (tmp_path / "table.py").write_text(SOURCE)
  (tmp_path / "table_cnn.py").write_text(CONFIG)
  monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does by itself
  monkeypatch.delitem(sys.modules, "table", raising=False)
  flags = ("--workdir=run", "--config.data_dir=data")
  done = call("--config=table_cnn.py", *flags, devices=1, cwd=tmp_path)
  assert done.code == 0, done.err
  (first, *_, last) = metrics(tmp_path / "run")
  assert (first["step"], last["step"]) == (1, 2)
  assert last["val/accuracy"] in {i / 5 for i in range(6)}
