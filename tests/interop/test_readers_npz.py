"""numpy's archives: bit-equal to numpy's own reader, and no pickles."""

import io
import re
import zipfile

import ml_dtypes
import numpy as np
import pytest

from tests.interop import tensor_files
from vision_jax.errors import UserError
from vision_jax.interop import files

ARRAYS = {
  "Transformer/encoderblock_0/LayerNorm_0/scale": np.arange(6.0),
  "half": np.arange(4, dtype=np.float16).reshape(2, 2),
  "big": np.arange(4, dtype=">i4"),
  "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
  "number": np.float32(2.5),
  "empty": np.zeros((0, 3), np.int8),
  "bool": np.array([True, False]),
  "complex": np.array([1 + 2j]),
  "text": np.array(["left", "out"]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_of_numpy(tmp_path, save):
  short = np.arange(5, dtype=np.float32).astype(ml_dtypes.bfloat16)
  save(tmp_path / "a.npz", **ARRAYS, bfloat16=short)
  opened = files.open_tensors(tmp_path / "a.npz")
  assert opened.kind == "npz"
  assert set(opened.tensors) == {*ARRAYS, "bfloat16"} - {"text"}
  for name, x in opened.tensors.items():
    expected = short if name == "bfloat16" else np.asarray(ARRAYS[name])
    found = x.load()
    assert x.shape == found.shape == expected.shape
    assert x.dtype == found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, expected)


def refused(path, match):
  with pytest.raises(UserError, match=match) as caught:
    tensor_files.read(path)
  assert str(caught.value).startswith(str(path))


def test_pickled_arrays_are_refused(tmp_path):
  path = tmp_path / "a.npz"
  np.savez(path, x=np.array([{"a": 1}], object))
  refused(path, "pickle")
  np.savez(path, x=np.zeros(2, [("a", "O")]))
  refused(path, "pickle")


def test_archives_that_harm_are_refused(tmp_path):
  path = tmp_path / "a.npz"
  stream = io.BytesIO()
  np.save(stream, np.zeros(2**25))
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr("x.npy", stream.getvalue())
  refused(path, "fill memory")
  with zipfile.ZipFile(path, "w") as file:
    file.writestr("../../x.npy", stream.getvalue()[:1000])
  refused(path, "outside")
  with zipfile.ZipFile(path, "w") as file:
    file.writestr("x.npy", stream.getvalue()[:1000])
  refused(path, "1000 bytes")
  with zipfile.ZipFile(path, "w") as file:
    file.writestr("x.txt", "text")
  refused(path, "zip file of x.txt")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_files_are_errors(tmp_path, save):
  path = tmp_path / "a.npz"
  arrays = {"x": np.arange(3.0), "y": np.ones((2, 2), np.int16)}
  save(path, **arrays)
  content = path.read_bytes()
  names = re.finditer(rb"[xy]\.npy", content)
  named = {i for match in names for i in range(*match.span())}
  positions = {*range(0, len(content), 5)} - named
  tensor_files.check_damaged(path, content, sorted(positions), arrays=arrays)
