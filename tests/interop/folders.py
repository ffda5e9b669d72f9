"""Folders of weights as Hugging Face has them."""

import hashlib
import json
import types

import numpy as np
import pytest
from safetensors.numpy import save_file

ABSENT = "pip install -e '.[hub]'"
ONES, TWOS = np.ones(2, np.float32), np.full((1, 2), 2, np.float16)


def shards(folder, places=None, *, write=True):
  """Writes an index of two files; returns the index."""
  folder.mkdir(exist_ok=True)
  if write:
    save_file({"a": ONES}, folder / "model-1.safetensors")
    save_file({"b": TWOS}, folder / "model-2.safetensors")
  if places is None:
    places = {"b": "model-2.safetensors", "a": "model-1.safetensors"}
  path = folder / "model.safetensors.index.json"
  path.write_text(json.dumps({"metadata": {}, "weight_map": places}))
  return path


def repository(folder):
  """Writes a folder as Hugging Face has it."""
  folder.mkdir(parents=True)
  (folder / "config.json").write_text('{"model_type": "vit"}')
  (folder / "preprocessor_config.json").write_text('{"size": 32}')
  save_file({"a": ONES}, folder / "model.safetensors")
  (folder / "pytorch_model.bin").write_bytes(b"not taken")
  return folder


def check_repository(opened):
  assert opened.config == {"model_type": "vit"}
  assert opened.preprocessor == {"size": 32}
  np.testing.assert_array_equal(opened.tensors["a"].load(), ONES)


def constants():
  """Returns the settings of the hub's library; skips without it."""
  return pytest.importorskip("huggingface_hub.constants", reason=ABSENT)


def fake_hub(monkeypatch, folder):
  """Serves a folder in the place of the hub, with its hashes."""
  hub = pytest.importorskip("huggingface_hub", reason=ABSENT)

  def sibling(path):
    content = path.read_bytes()
    sha = types.SimpleNamespace(sha256=hashlib.sha256(content).hexdigest())
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    lfs = sha if path.suffix == ".safetensors" else None
    return types.SimpleNamespace(rfilename=path.name, lfs=lfs, blob_id=git)

  info = types.SimpleNamespace(
    sha="123abc", siblings=[sibling(path) for path in folder.iterdir()]
  )

  class Api:
    def model_info(self, name, *, revision, files_metadata):
      assert files_metadata
      return info

  def get(name, file, *, revision):
    assert revision == "123abc"
    return str(folder / file)

  monkeypatch.setattr(constants(), "HF_HUB_OFFLINE", False)
  monkeypatch.setattr(constants(), "HF_HUB_CACHE", "/nowhere")
  monkeypatch.setattr(hub, "HfApi", Api)
  monkeypatch.setattr(hub, "hf_hub_download", get)
