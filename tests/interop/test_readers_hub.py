"""Repositories in the cache, and what is downloaded: without a network."""

import pytest

from tests.interop.folders import (
  check_repository,
  constants,
  fake_hub,
  repository,
  shards,
)
from vision_jax.errors import UserError
from vision_jax.interop import files


def cache(root, name):
  """Lays a repository into a cache as the library does."""
  folder = root / f"models--{name.replace('/', '--')}"
  repository(folder / "snapshots" / "123abc")
  (folder / "refs").mkdir()
  (folder / "refs" / "main").write_text("123abc")


def test_repository_in_the_cache_is_opened(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(constants(), "HF_HUB_CACHE", str(tmp_path))
  cache(tmp_path, "owner/name")
  check_repository(files.open_tensors("owner/name"))
  check_repository(files.open_tensors("owner/name", download=True))
  with pytest.raises(UserError, match=r"local cache.*--download"):
    files.open_tensors("owner/other")
  monkeypatch.setattr(constants(), "HF_HUB_OFFLINE", True)
  with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
    files.open_tensors("owner/other", download=True)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_what_is_downloaded_has_the_hash_of_the_hub(
  tmp_path, monkeypatch, file
):
  folder = repository(tmp_path / "hub")
  fake_hub(monkeypatch, folder)
  check_repository(files.open_tensors("owner/name", download=True))
  with (folder / file).open("ab") as stream:
    stream.write(b" ")
  with pytest.raises(UserError, match=rf"{file}.*hash.*hub"):
    files.open_tensors("owner/name", download=True)


def test_downloaded_shards(tmp_path, monkeypatch):
  index = shards(tmp_path / "hub")
  fake_hub(monkeypatch, index.parent)
  opened = files.open_tensors("owner/name", download=True)
  assert list(opened.tensors) == ["b", "a"]
  assert opened.files[0] == index and len(opened.files) == 3
