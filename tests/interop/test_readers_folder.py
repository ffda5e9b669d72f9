"""Folders and shards; what is no file of tensors."""

import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.interop import tensor_files
from tests.interop.folders import (
  ONES,
  TWOS,
  check_repository,
  repository,
  shards,
)
from vision_jax.errors import UserError
from vision_jax.interop import files


def refused(path, match):
  with pytest.raises(UserError, match=match) as caught:
    tensor_files.read(path)
  assert len(str(caught.value)) < 700


def test_shards_are_one(tmp_path):
  opened = files.open_tensors(shards(tmp_path))
  assert opened.kind == "sharded" and list(opened.tensors) == ["b", "a"]
  np.testing.assert_array_equal(opened.tensors["b"].load(), TWOS)
  assert list(files.open_tensors(tmp_path).tensors) == ["b", "a"]


@pytest.mark.parametrize(
  "name",
  ["../model-1.safetensors", "/etc/passwd", "a/../../b", "..", "", "a\\b"],
)
def test_shard_outside_of_the_folder_is_refused(tmp_path, name):
  refused(shards(tmp_path / "x", {"a": name}), "own folder")


def test_shards_that_are_not_those_of_the_index_are_errors(tmp_path):
  one, two = "model-1.safetensors", "model-2.safetensors"
  refused(shards(tmp_path, write=False), f"2 are missing: {one}, {two}")
  refused(shards(tmp_path, {"a": one, "b": one}), r"1 tensors too few.*\(b")
  refused(shards(tmp_path, {"a": one, "c": two}), "1 too many")
  refused(shards(tmp_path, {}), "weight_map")
  refused(shards(tmp_path, {"a": 3}), "weight_map")
  index = shards(tmp_path)
  for text in ("", "[]", "{", "[" * 100_000, '{"weight_map": []}'):
    index.write_text(text)
    refused(index, "index.json")


def test_folder_gives_its_config_too(tmp_path):
  folder = repository(tmp_path / "a b ü")
  check_repository(files.open_tensors(folder))
  assert files.open_tensors(folder / "model.safetensors").config is None
  (folder / "config.json").write_text("[]")
  refused(folder, "JSON object")


def test_folder_without_one_file_of_weights_is_an_error(tmp_path):
  refused(tmp_path, "no weights")
  save_file({"a": ONES}, tmp_path / "one.safetensors")
  assert list(files.open_tensors(tmp_path).tensors) == ["a"]
  save_file({"a": ONES}, tmp_path / "two.safetensors")
  refused(tmp_path, "one.safetensors, two.safetensors")
  pipeline = tmp_path / "pipeline"
  repository(pipeline / "unet")
  (pipeline / "model_index.json").write_text("{}")
  refused(pipeline, "folders unet.*several nets")


OTHERS = {
  "empty": (b"", "empty"),
  "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
  "page": (b"<!DOCTYPE html><html>", "web page"),
  "gzip": (b"\x1f\x8b\x08", "gunzip"),
  "array": (b"\x93NUMPY\x01\x00", "savez"),
  "old MATLAB": (b"MATLAB 5.0 MAT-file", "-v7.3"),
  "tar": (bytes(257) + b"ustar" + bytes(300), "tar archive"),
  "noise": (b"abcdefghijkl", "safetensors, .pth"),
  "pickle": (b"\x80\x04}.", "torch.save has not written"),
  "zip of nothing": (b"PK\x05\x06" + bytes(18), "zip file of nothing"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_file_of_tensors_is_an_error(tmp_path, name):
  content, match = OTHERS[name]
  path = tmp_path / "a.pth"
  path.write_bytes(content)
  refused(path, match)


def test_paths_that_lead_to_nothing(tmp_path):
  refused(tmp_path / "nothing.pth", "no such file")
  refused("a\0b", "cannot be read")
  os.mkfifo(tmp_path / "pipe.pth")
  refused(tmp_path / "pipe.pth", "no file")
  refused(f"{shards(tmp_path)}::ema", "Leave it out")
  if os.getuid():
    path = tmp_path / "secret.pth"
    path.write_bytes(b"abc")
    path.chmod(0)
    refused(path, "cannot be read")
