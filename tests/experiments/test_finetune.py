"""A run that goes on from another's weights, by folder_finetune.py."""

import json

import numpy as np
import pytest
import safetensors.numpy as safetensors

from tests.programs.command import call, stored, train
from tests.programs.files import write_folder

CONFIG = "configs/classification/folder_finetune.py"
VIT = json.dumps(
  {
    **{"model": "backbones.vit.ViT", "num_classes": 10, "patch": 16},
    **{"features": 8, "depth": 2, "heads": 2},
  }
)
BRIEF = ("--config.steps=3", "--config.eval_every=0", "--config.log_every=1")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
  """A run on all ten digits."""
  folder = tmp_path_factory.mktemp("base") / "run"
  train(folder, *BRIEF, "--config.mean=0.25", config=f"{CONFIG}:tiny")
  return folder


def moved(workdir, base):
  """Returns path -> whether an array differs from the base's."""
  new, old = stored(workdir), stored(base)
  names = [x for x in new if x.startswith(("params/", "stats/"))]
  return {
    x: x not in old
    or new[x].shape != old[x].shape
    or not np.array_equal(new[x], old[x])
    for x in names
  }


@pytest.mark.slow
def test_net_is_the_weights_and_frozen_leaves_stay_bitwise(base, tmp_path):
  """Neither its parameters nor the moments of its norms move."""
  result = train(
    tmp_path,
    *(f"--init_from={base}", "--config.classes=7,8,9", *BRIEF),
    *("--config.freeze=^(conv1|bn1|conv2_)", "--config.batch_norm=frozen"),
    *("--config.net=", "--config.class_names=", "--config.weight_decay=0.1"),
    config=f"{CONFIG}:tiny",
  )
  assert "new: model/fc" in result.err, result.err
  values = json.loads((tmp_path / "config.json").read_text())["values"]
  net = json.loads(values["net"])
  assert net["stages"] == [1, 1] and net["width"] == 4
  assert values["class_names"] == ["7", "8", "9"]
  assert values["preprocess"]["size"] == [32, 32]
  np.testing.assert_allclose(values["mean"], 0.25, atol=1e-5)
  np.testing.assert_allclose(values["std"], (0.229, 0.224, 0.225), atol=1e-5)
  changed = moved(tmp_path, base)
  frozen = ("conv1", "bn1", "conv2_1")
  for path, differs in changed.items():
    trained = path.startswith("params/") and path.split("/")[2] not in frozen
    assert differs == trained, path
  assert stored(tmp_path)["params/model/fc/kernel"].shape[-1] == 3


@pytest.mark.slow
def test_low_rank_updates_and_the_head_alone_are_trained(tmp_path):
  train(
    tmp_path / "base", *BRIEF, f"--config.net={VIT}", config=f"{CONFIG}:tiny"
  )
  result = train(
    tmp_path / "run",
    *(f"--init_from={tmp_path / 'base'}", "--config.classes=1,2", *BRIEF),
    *("--config.lora=2", "--config.net=", "--config.class_names="),
    config=f"{CONFIG}:tiny",
  )
  assert "new:" in result.err and "head" in result.err
  changed = moved(tmp_path / "run", tmp_path / "base")
  assert any("lora_a" in path for path in changed)
  for path, differs in changed.items():
    assert differs == ("lora_" in path or "/head/" in path), path
  result = call(
    *("--mode=probe", f"--workdir={tmp_path / 'run'}", "--shots=2"),
    *("--episodes=2", "--dataset=digits"),
  )
  assert result.code == 0, result.err
  result = call(
    *("--mode=export", f"--workdir={tmp_path / 'run'}"),
    *("--format=safetensors", f"--output={tmp_path / 'out'}"),
  )
  assert result.code == 0, result.err
  file = safetensors.load_file(next((tmp_path / "out").rglob("*.safetensors")))
  own = stored(tmp_path / "run")
  layer = "params/model/block1/mlp/dense1"
  update = own[f"{layer}/lora_a"] @ own[f"{layer}/lora_b"]
  kernel = own[f"{layer}/kernel"] + update / 2  # alpha / rank
  assert np.abs(update).max() > 0
  np.testing.assert_allclose(file[f"{layer}/kernel"], kernel, atol=1e-6)
  assert not any("lora" in name for name in file)


@pytest.mark.parametrize(
  "flags, message",
  [
    ([], "--init_from: got none; expected the workdir whose weights"),
    (["--init_from={0}/data"], "data is of no workdir; expected the workdir"),
    (["--config.source=torchvision:resnet51"], "torchvision:resnet50"),
    (["--init_from={1}", "--config.batch_norm=no"], "expected train (by"),
    (["--init_from={1}", "--config.freeze=cnov1"], "finds none of"),
    (["--init_from={1}", "--config.layer_decay=0.5"], "layer_decay: the pat"),
    (["--init_from={1}", "--config.lora=2"], "finds no linear layer of fc"),
    (["--init_from={1}", "--config.optimizer=adm"], "adamw"),
  ],
)
def test_bad_input_ends_with_2(base, tmp_path, flags, message):
  write_folder(tmp_path / "data", each=3)
  result = call(
    f"--config={CONFIG}",
    *(f"--config.data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'w'}"),
    *(flag.format(tmp_path, base) for flag in flags),
  )
  assert result.code == 2 and message in result.err, result.err
