"""Learning from generated digits: what is trained on, and what is refused."""

import json

import numpy as np
import pytest

from tests.programs import command
from tests.programs.command import metrics, train
from vision_jax.data.errors import DataError
from vision_jax.errors import UserError
from vision_jax.recipe import recipe

CONFIG = "configs/classification/mnist_generated.py"


def built(folder, **values):
  values = {"generated": str(folder), **values}
  return recipe.load(f"{CONFIG}:tiny", values).build()


def write(folder, number=30, size=8, **arrays):
  """Samples as --mode=sample leaves them: grey, by their class."""
  folder.mkdir(exist_ok=True)
  label = np.arange(number, dtype=np.int32) % 10
  image = np.broadcast_to(label[:, None, None, None], (number, size, size, 1))
  arrays = {"image": image.astype(np.uint8), "label": label} | arrays
  kept = {k: x for k, x in arrays.items() if x is not None}
  np.savez(folder / "samples.npz", **kept)
  return folder


@pytest.mark.parametrize("only", [True, False])
def test_what_is_trained_on(tmp_path, only):
  data = built(write(tmp_path), only_generated=str(only)).train_data
  source, real = data.source, 0 if only else 1437
  assert len(source) == real + 30
  np.testing.assert_array_equal(source.labels()[real:], np.arange(30) % 10)
  drawn = source.gather(np.arange(real, real + 30))
  np.testing.assert_array_equal(drawn["image"].max((1, 2, 3)), drawn["label"])
  assert data.batch(0)["image"].shape == (16, 8, 8, 1)


def test_without_samples_it_is_the_data_set():
  found = built("")
  assert len(found.train_data.source) == 1437
  assert len(found.evals["test"].data.source) == 360


def test_nothing_to_train_on_is_refused():
  with pytest.raises(UserError, match="only_generated: got true without"):
    built("", only_generated="true")


@pytest.mark.parametrize(
  ("arrays", "message"),
  [
    (None, "generated: .* has no samples.npz; expected the --output of"),
    ({"label": None}, "has image and no label; .*a generator with classes"),
    ({"size": 10}, r"shape \(10, 10, 1\); expected \(8, 8, 1\)"),
    ({"label": np.arange(30)}, "20 labels out of range, the first 10"),
    ({"image": None}, "images of the shape None"),
  ],
)
def test_samples_that_cannot_be_learned_from(tmp_path, arrays, message):
  if arrays is not None:
    write(tmp_path, **arrays)
  data = built(tmp_path).train_data  # a workdir predicts without its data
  with pytest.raises(DataError, match=message):
    data.batch(0)


@pytest.mark.slow
def test_a_gan_teaches_a_classifier(tmp_path):
  """The whole chain by the command: a GAN, its samples, what learns of them.

  The samples are one's own data, too: as a folder of any config they keep their
  classes.
  """
  gan, samples = tmp_path / "gan", tmp_path / "samples"
  config = "configs/generation/digits_gan.py:tiny"
  train(gan, config=config, devices=1)
  flags = (f"--workdir={gan}", f"--output={samples}", "--num_samples=40")
  result = command.call("--mode=sample", *flags, devices=1)
  assert result.code == 0, result.err
  run = tmp_path / "run"
  flags = (f"--config.generated={samples}", "--config.only_generated=true")
  train(run, *flags, config=f"{CONFIG}:tiny", devices=1)
  assert 0 <= metrics(run)[-1]["test/accuracy"] <= 1
  kept = json.loads((run / "config.json").read_text())["values"]
  assert kept["generated"] == str(samples)
  folder = "configs/classification/folder_resnet18.py:tiny"
  values = {"dataset": "folder", "data_dir": str(samples), "holdout": "0"}
  found = recipe.load(folder, values | {"class_names": ""})
  assert found.config.class_names == tuple("0123456789")
  labels = found.build().train_data.source.labels()
  assert len(labels) == 36 and set(labels) == set(range(10))  # and val has 4
