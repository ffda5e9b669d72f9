"""Folders of weights as Hugging Face has them."""

import json

import numpy as np
from safetensors.numpy import save_file

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
