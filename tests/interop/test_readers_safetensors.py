"""safetensors: bit-equal to the library's, and no header is believed."""

import json

import numpy as np
import pytest

from tests.interop import tensor_files
from tests.interop.tensor_files import check_damaged, check_equal
from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.interop import files


def written(header, data=b"", size=None):
  """Returns a file of a header, as text or a dict, and data."""
  text = header if isinstance(header, bytes) else json.dumps(header).encode()
  size = len(text) if size is None else size
  return size.to_bytes(8, "little") + text + data


def entry(shape, begin, end, dtype="F32"):
  return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_tensors_are_those_of_the_library(tmp_path):
  library("torch")
  from safetensors.torch import save_file

  given = tensor_files.torch_tensors() | tensor_files.rare_tensors()
  given = {name: x.detach().contiguous().clone() for name, x in given.items()}
  save_file(given, tmp_path / "a.bin", {"format": "pt"})  # whatever its name
  opened = files.open_tensors(tmp_path / "a.bin")
  assert opened.kind == "safetensors" and opened.metadata == {"format": "pt"}
  assert list(opened.tensors) == list(dict.fromkeys(opened.tensors))
  check_equal(opened.tensors, given)


LIES = {
  "longer header": (written({}, size=10**6), "header"),
  "huge header": (written({}, size=2**63), "header"),
  "no JSON": (written(b"{nothing}"), "JSON"),
  "no text": (written(b"{\xff\xfe}"), "JSON"),
  "deep": (written(b'{"a":' + b"[" * 100_000), "JSON"),
  "huge number": (written(b'{"a":' + b"9" * 10_000 + b"}"), "JSON"),
  "name twice": (written(b'{"a": 1, "a": 2}'), "twice"),
  "overlap": (
    written({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "overlaps",
  ),
  "hole": (
    written({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
    "hole",
  ),
  "past the end": (written({"a": entry([4], 0, 16)}, bytes(8)), "8 bytes"),
  "more behind": (written({"a": entry([1], 0, 4)}, bytes(8)), "8 bytes"),
  "begins late": (written({"a": entry([1], 4, 8)}, bytes(8)), "hole"),
  "other size": (written({"a": entry([3], 0, 8)}, bytes(8)), "12 bytes"),
  "backwards": (written({"a": entry([1], 8, 4)}, bytes(8)), "4 bytes"),
  "negative shape": (written({"a": entry([-1, -1], 0, 4)}, bytes(4)), "shape"),
  "boolean shape": (written({"a": entry([True], 0, 4)}, bytes(4)), "shape"),
  "overflow": (written({"a": entry([2**62, 4], 0, 4)}, bytes(4)), "shape"),
  "no shape": (written({"a": entry("2", 0, 8)}, bytes(8)), "shape"),
  "float offsets": (written({"a": entry([1], 0.0, 4.0)}, bytes(4)), "4 bytes"),
  "dtype": (written({"a": entry([1], 0, 4, "Q4")}, bytes(4)), "Q4"),
  "dtype list": (written({"a": entry([1], 0, 4, [])}, bytes(4)), "dtype"),
  "no entry": (written({"a": 3}), "data_offsets"),
  "more keys": (written({"a": entry([0], 0, 0) | {"x": 1}}), "data_offsets"),
  "metadata": (written({"__metadata__": {"a": 1}}), "metadata"),
}


@pytest.mark.parametrize("name", LIES)
def test_header_that_lies_is_an_error(tmp_path, name):
  content, match = LIES[name]
  path = tmp_path / "a.safetensors"
  path.write_bytes(content)
  with pytest.raises(UserError, match=match) as caught:
    files.open_tensors(path)
  assert (
    str(caught.value).startswith(str(path)) and len(str(caught.value)) < 600
  )


def test_damaged_files_are_errors(tmp_path):
  arrays = {"a": np.arange(6, dtype=np.float32), "b": np.ones(2, np.int64)}
  header = {"a": entry([2, 3], 0, 24), "b": entry([2], 24, 40, "I64")}
  data = b"".join(x.tobytes() for x in arrays.values())
  content = written(header, data)
  path = tmp_path / "a.safetensors"
  path.write_bytes(content)
  found = tensor_files.read(path)
  np.testing.assert_array_equal(found["a"].ravel(), arrays["a"])
  check_damaged(path, content, range(len(content)))


def test_file_written_over_after_it_was_opened_is_an_error(tmp_path):
  path = tmp_path / "a.safetensors"
  path.write_bytes(written({"a": entry([2], 0, 8)}, bytes(8)))
  tensors = files.open_tensors(path).tensors
  path.write_bytes(written({"a": entry([2], 0, 8)}, bytes(4)))
  with pytest.raises(UserError, match="changed"):
    tensors["a"].load()


def test_hash_is_checked(tmp_path):
  path = tmp_path / "a.safetensors"
  path.write_bytes(written({}))
  with pytest.raises(UserError, match="SHA-256"):
    files.open_tensors(path, sha256="0" * 64)
