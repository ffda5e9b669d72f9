"""Captions: resumed, one's own table, a search, predictions.

That they are the same everywhere is in the table of tasks.
"""

import csv
import dataclasses
import json

import jax
import numpy as np
import pytest

from tests.experiments.everywhere import assert_resumes, train
from tests.programs import command
from vision_jax.data.sources.captioned_scenes import CaptionedScenes
from vision_jax.data.text.letters import decoded
from vision_jax.errors import UserError
from vision_jax.recipe import recipe
from vision_jax.viz.png import write_png

CONFIG = f"{command.ROOT}/configs/captions/scenes_coca.py:tiny"


def build(**values):
  texts = {k: str(x) for k, x in values.items()}
  return recipe.load(CONFIG, texts).build()


def measuring(*names):
  """The tiny experiment with some of its evaluations."""
  made = build()
  evals = {name: made.evals[name] for name in names}
  return dataclasses.replace(made, evals=evals, best=None)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(measuring, tmp_path)


@pytest.mark.slow
def test_it_learns_sixteen_captions_by_heart():
  """And reads them back, and finds them."""
  values = {"scenes": "16,0,0", "lr": "1e-2", "steps": "150"}
  made = dataclasses.replace(build(**values), best=None)
  outcome = train(lambda: made, steps=150, log_every=150)
  assert outcome.metrics["train/captioning"] < 0.2
  assert outcome.metrics["train/contrastive"] < 0.5
  batch = made.inputs(made.train_data.batch(0))
  weights = outcome.state.weights()
  out = jax.jit(made.task.pairs)(*weights, batch, jax.random.key(0))
  texts = [[decoded(x) for x in which["text"]] for which in (out, batch)]
  assert np.mean([a == b for a, b in zip(*texts, strict=True)]) > 0.8
  cosine = np.asarray(out["features"] @ out["text_features"].T)
  captions = np.array(texts[1])
  assert np.mean(captions[cosine.argmax(1)] == captions) > 0.8


def test_microbatches_are_refused():
  with pytest.raises(UserError, match=r"one of 2 parts .* Use --config.accum"):
    train(build, accumulate=2)


def test_weights_are_two():
  with pytest.raises(UserError, match=r"got \(1.0,\); expected two numbers"):
    build(loss_weights="1.0")


def test_a_prompt_of_other_words_is_refused():
  with pytest.raises(UserError, match="'photo'; expected those of the vocab"):
    build(prompts="a photo of a {}")


def written(folder, count=12):
  """A folder with images of scenes, and a table of their captions."""
  source, rows = CaptionedScenes("test", count), ["file,caption"]
  for i, example in enumerate(source.read(np.arange(count))):
    write_png(folder / "images" / f"{i}.png", example["image"])
    rows.append(f"{i}.png,{decoded(example['text']).capitalize()}.")
  (folder / "table.csv").write_text("\n".join(rows))
  return folder


def call(*flags, code=0):
  done = command.call(*flags, devices=1)
  assert done.code == code, done.err
  return done


@pytest.mark.slow
def test_ones_own_table_is_trained_on_predicted_and_searched(tmp_path):
  data, run = written(tmp_path / "data"), tmp_path / "run"
  flags = ("--config.dataset=folder", f"--config.data_dir={data}")
  flags += ("--config.steps=2", "--config.batch_size=4")
  command.train(run, *flags, config=CONFIG, devices=1)
  last = command.metrics(run)[-1]
  recalls = {"image_to_text_recall_at_1", "text_to_image_recall_at_5"}
  assert {f"val/{x}" for x in ("captions", "wer", *recalls)} <= {*last}
  words = json.loads((run / "config.json").read_text())["values"]["vocabulary"]
  assert {"a", "circle"} <= {*words}
  there = (f"--workdir={run}", f"--images={data}/images")
  out = tmp_path / "out"
  formats = "--format=csv,json,overlay,contact_sheet"
  call("--mode=predict", *there, f"--output={out}", formats)
  lines = (out / "predictions.jsonl").read_text().splitlines()
  lines = [json.loads(line) for line in lines]
  assert len(lines) == 12
  assert all({*line["text"].split()} <= {*words} for line in lines)
  with (out / "predictions.csv").open() as file:
    rows = list(csv.DictReader(file))
  assert [row["text"] for row in rows] == [line["text"] for line in lines]
  assert (out / "overlays/0.png").is_file()
  assert (out / "contact_sheet_001.png").is_file()
  query = (f"--query={data}/images/3.png", "--neighbours=2")
  call("--mode=search", *there, *query, f"--output={tmp_path / 'found'}")
  assert (tmp_path / "found/search.csv").is_file()
  (data / "table.csv").write_text("file,caption\n0.png,A striped circle\n")
  evaluated = call("--mode=eval", f"--workdir={run}", code=2)
  assert "has the word 'striped'; expected those of the vocab" in evaluated.err
