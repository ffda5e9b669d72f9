"""Reading: resumed, one's own table, a lexicon, predictions.

That it is the same everywhere is in the table of tasks.
"""

import csv
import json

import numpy as np
import pytest

from tests.experiments.everywhere import assert_resumes
from tests.programs import command
from vision_jax.data.sources.digits import CLASS_NAMES, EnlargedDigits
from vision_jax.data.sources.strings import Strings
from vision_jax.data.text.letters import decoded
from vision_jax.recipe import recipe
from vision_jax.viz.png import write_png

CONFIGS = {
  way: f"configs/reading/mnist_{way}.py" for way in ("crnn", "attention")
}
each = pytest.mark.parametrize("way", CONFIGS)


def build(way, **values):
  """The tiny experiment."""
  texts = {k: str(x) for k, x in values.items()}
  path = str(command.ROOT / f"{CONFIGS[way]}:tiny")
  return recipe.load(path, texts).build()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["crnn", "attention"])
def test_it_resumes(way, tmp_path):
  assert_resumes(lambda: build(way), tmp_path)


def written(folder, count=12):
  """A folder with images of strings, and a table of them."""
  source = Strings(
    *(EnlargedDigits("test", 16, 1), count),
    alphabet="".join(CLASS_NAMES),
    size=(20, 92),
    overlap=(4, 6),
    textures=0.5,
  )
  rows = ["file,text"]
  for i, example in enumerate(source.read(np.arange(count))):
    write_png(folder / "images" / f"{i}.png", example["image"][..., 0])
    rows.append(f"{i}.png,{decoded(example['text'])}")
  (folder / "table.csv").write_text("\n".join(rows))
  return folder


def predict(run, data, output, *flags):
  result = command.call(
    *("--mode=predict", f"--workdir={run}", f"--images={data}/images"),
    *(f"--output={output}", *flags),
    devices=1,
  )
  assert result.code == 0, result.err
  lines = (output / "predictions.jsonl").read_text().splitlines()
  return [json.loads(line) for line in lines]


@pytest.mark.slow
@each
def test_ones_own_table_is_trained_on_and_predicted(tmp_path, way):
  data, run = written(tmp_path / "data"), tmp_path / "run"
  flags = ("--config.dataset=folder", f"--config.data_dir={data}")
  flags += ("--config.steps=2", "--config.batch_size=4")
  command.train(run, *flags, config=f"{CONFIGS[way]}:tiny", devices=1)
  last = command.metrics(run)[-1]
  assert {"val/strings", "val/cer", "val/wer"} <= {*last}
  words = tmp_path / "words.txt"
  words.write_text("123\n4567\n89\n")
  lexicon = f"--config.lexicon={words}"
  formats = "--format=csv,json,overlay,contact_sheet"
  lines = predict(run, data, tmp_path / "out", lexicon, formats)
  assert len(lines) == 12
  assert {line["text"] for line in lines} <= {"123", "4567", "89"}
  assert all(0 <= line["score"] <= 1 for line in lines)
  with (tmp_path / "out/predictions.csv").open() as file:
    rows = list(csv.DictReader(file))
  assert [row["text"] for row in rows] == [line["text"] for line in lines]
  assert (tmp_path / "out/overlays/0.png").is_file()
  assert (tmp_path / "out/contact_sheet_001.png").is_file()
  words.write_text("12e\n")
  foreign = command.call(
    *("--mode=predict", f"--workdir={run}", f"--images={data}/images"),
    *(f"--output={tmp_path / 'again'}", lexicon),
    devices=1,
  )
  assert foreign.code == 2 and "words.txt, line 1: has the text" in foreign.err
