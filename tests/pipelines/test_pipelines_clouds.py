"""From a classifier to a map, by the command, on an npz of one's own."""

import numpy as np
import pytest

from benchmarks import clouds as side_by_side
from tests.data.test_data_clouds import MASKS, saved
from tests.programs.command import call, metrics, train
from vision_jax.data.sources.clouds import CloudCutouts, CloudTiles
from vision_jax.recipe import recipe

CONFIGS = "configs/segmentation/clouds_{}.py:tiny"


def own(path):
  return "--config.dataset=npz", f"--config.data_dir={path}"


def toy(folder, masks):
  """Writes generated clouds as one's own."""
  small = {
    k: CloudCutouts(k, 16, size=32).read(range(16)) for k in ("train", "test")
  }
  tiles = CloudTiles("test", 3, size=48).read(range(3))
  of = lambda examples, key: np.stack([x[key] for x in examples])
  arrays = {
    f"{split}_{name}s": of(examples, name)
    for split, examples in small.items()
    for name in ("image", "label")
  }
  arrays["eval_tiles"] = of(tiles, "image")
  if masks:
    arrays["train_masks"] = of(small["train"], "target")
    arrays["eval_masks"] = of(tiles, "target")
  return saved(folder, **arrays)


@pytest.mark.parametrize("name", ["classifier", "fcn", "unet"])
@pytest.mark.parametrize("masks", [False, True])
def test_what_is_measured_of_ones_own(tmp_path, name, masks):
  """Tiles without masks are not, and training takes no pixel of a tile."""
  path = toy(tmp_path, masks)
  given = {"dataset": "npz", "data_dir": str(path)}
  experiment = recipe.load(CONFIGS.format(name), given).build()
  maps = {"slid", "convolutional"} if name == "classifier" else {"test"}
  always = {"test"} if name == "classifier" else set()
  assert {*experiment.evals} == always | (maps if masks else set())
  batch = experiment.train_data.batch(0)
  assert batch["image"].shape[1:] == (32, 32, 3)
  if name != "classifier":
    whole = batch["target"].reshape(len(batch["target"]), -1)
    mixed = (whole.min(1) != whole.max(1)).any()
    assert mixed == masks, "a label stands for each of its pixels"


def test_a_file_of_another_form_is_refused_by_the_command(tmp_path):
  path = saved(tmp_path, train_labels=np.array([0, 1, 3, 0, 1, 0]), **MASKS)
  result = call(
    f"--config={CONFIGS.format('unet')}",
    *own(path),
    f"--workdir={tmp_path / 'out'}",
  )
  assert result.code == 2 and "train_labels has the type" in result.err
  assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_stages_one_after_the_other(tmp_path, capsys):
  """The U-Net begins with the classifier's blocks, and all are compared."""
  path, runs = toy(tmp_path, True), tmp_path / "runs"
  given = (*own(path), "--config.steps=2", "--config.log_every=1")
  place = lambda row: runs / row / "seed0" / "workdir"
  begun = {}
  for row, name in (
    ("clouds_classifier", "classifier"),
    ("clouds_unet_finetuned", "unet"),
  ):
    start = (f"--init_from={place('clouds_classifier')}",) * bool(begun)
    out = train(
      place(row), *given, *start, config=CONFIGS.format(name), devices=1
    )
    begun[row] = out
  found = metrics(place("clouds_classifier"))[-1]
  for metric in ("iou/cloudy", "dice/cloudy", "auc", "global_accuracy"):
    assert found[f"slid/{metric}"] == pytest.approx(
      found[f"convolutional/{metric}"], abs=0.1
    )
  assert (
    side_by_side.main([f"--runs={runs}", f"--output={tmp_path / 'maps'}"]) == 0
  )
  written = {x.name for x in (tmp_path / "maps").iterdir()}
  assert written == {
    *("maps.md", "maps.json", "side_by_side.png"),
    *("clouds_classifier_slid.png", "clouds_classifier_convolutional.png"),
    "clouds_unet_finetuned.png",
  }
  table = capsys.readouterr().out
  assert "| clouds_unet_finetuned | 0." in table
