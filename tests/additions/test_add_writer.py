"""A form of predictions is one file: its writer."""

import json

import pytest

import vision_jax.writers
from tests.programs.command import call, train
from tests.programs.files import write_folder

WRITER = '''
"""The names of classes, as a table."""

import csv


class TableWriter:
  """Writes table.csv with each image's file and likeliest class."""

  needs = ("logits",)

  def __init__(self, about):
    self.about, self.rows = about, []

  def __call__(self, file, row, name):
    label = self.about.name(row["logits"].argmax())
    self.rows.append((file.name, label))
    return {"table": label}

  def close(self):
    with (self.about.output / "table.csv").open("w") as lines:
      csv.writer(lines).writerows(self.rows)
'''


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """A run that has predicted nothing yet, and images."""
  folder = tmp_path_factory.mktemp("writer")
  files = write_folder(folder / "images", each=2)
  train(folder / "run", "--config.steps=1", "--config.eval_every=0", devices=1)
  return folder / "run", files[0].parent


def predict(workdir, output, *flags):
  run, images = workdir
  return call(
    *("--mode=predict", f"--workdir={run}", f"--images={images}"),
    *(f"--output={output}", *flags),
    devices=1,
  )


def test_a_writer_is_one_file(workdir, tmp_path, monkeypatch):
  """In a folder that stands for `vision_jax/writers` of a checkout."""
  folder = tmp_path / "writers"
  folder.mkdir()
  (folder / "table.py").write_text(WRITER)
  places = [*vision_jax.writers.__path__, str(folder)]
  monkeypatch.setattr(vision_jax.writers, "__path__", places)
  done = predict(workdir, tmp_path / "out", "--format=table,csv")
  assert done.code == 0, done.err
  lines = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
  rows = (tmp_path / "out/table.csv").read_text().split()
  written = [json.loads(line) for line in lines]
  assert len(written) == 2 and {"file", "class", "table"} <= {*written[0]}
  names = [x["file"].rpartition("/")[2] for x in written]
  assert rows == [
    f"{n},{x['table']}" for n, x in zip(names, written, strict=True)
  ]


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("mask", "--format: got 'mask'; expected one of coco, "
     "contact_sheet, crops, csv, cvat, depth, instances, json, label_studio, "
     "masks, overlay, prob_images, probs, restored, translated, voc, yolo, "
     "yolo_scores, or several"),
    ("csv,line", "--format: got 'line'; expected one of coco, "),
    ("csv,masks", "--format: masks writes target, which this task does not "
     "predict; expected some of contact_sheet, csv, json, label_studio."),
    ("overlay", "--format: overlay writes boxes or target or instances or "
     "text, which this task"),
    ("probs", "--format: probs writes probs, which this task does not"),
  ],
)  # fmt: skip
def test_writers_that_do_not_fit(workdir, tmp_path, name, message):
  done = predict(workdir, tmp_path / "out", f"--format={name}")
  assert done.code == 2 and message in done.err, done.err
