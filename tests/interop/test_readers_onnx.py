"""Initialisers of ONNX graphs, written with the library."""

import ml_dtypes
import numpy as np
import pytest

from tests.interop import tensor_files
from vision_jax.errors import UserError
from vision_jax.interop import files

onnx = pytest.importorskip("onnx", reason="pip install -e '.[onnx]'")

ARRAYS = {
  "2": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
  "half": np.arange(4, dtype=np.float16),
  "bfloat16": np.arange(4, dtype=np.float32).astype(ml_dtypes.bfloat16),
  "shape": np.array([1, -1]),
  "number": np.array(2.5),
  "empty": np.zeros((0, 3), np.float32),
}


def model(tensors):
  graph = onnx.helper.make_graph([], "net", [], [], initializer=tensors)
  return onnx.helper.make_model(graph, producer_name="somebody")


def protos():
  tensors = [
    onnx.numpy_helper.from_array(x, name) for name, x in ARRAYS.items()
  ]
  listed = onnx.helper.make_tensor("listed", 1, [2], [1.5, 2.5])
  text = onnx.helper.make_tensor("text", onnx.TensorProto.STRING, [1], [b"a"])
  return [*tensors, listed, text]


def test_initialisers_are_those_of_the_graph(tmp_path):
  path = tmp_path / "a.bin"
  path.write_bytes(model(protos()).SerializeToString())
  opened = files.open_tensors(path)
  assert opened.kind == "onnx" and opened.metadata["producer"] == "somebody"
  expected = ARRAYS | {"listed": np.array([1.5, 2.5], np.float32)}
  assert list(opened.tensors) == list(expected)
  for name, x in expected.items():
    found = opened.tensors[name].load()
    assert opened.tensors[name].shape == found.shape == x.shape
    assert opened.tensors[name].dtype == found.dtype == x.dtype
    assert found.tobytes() == x.tobytes()


def test_tensors_beside_the_model_are_read(tmp_path):
  path = tmp_path / "a.onnx"
  onnx.save_model(
    model(protos()[:3]),
    path,
    save_as_external_data=True,
    location="a.data",
    size_threshold=0,
  )
  found = tensor_files.read(path)
  for name in ("2", "half", "bfloat16"):
    assert found[name].tobytes() == ARRAYS[name].tobytes()
  (tmp_path / "a.data").write_bytes(b"short")
  refused(path, "a.data.*5 bytes")


def refused(path, match):
  with pytest.raises(UserError, match=match) as caught:
    tensor_files.read(path)
  assert str(path.parent) in str(caught.value)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", ""])
def test_tensor_outside_of_the_folder_is_refused(tmp_path, name):
  proto = onnx.numpy_helper.from_array(np.ones(2, np.float32), "x")
  onnx.external_data_helper.set_external_data(proto, location=name)
  path = tmp_path / "a.onnx"
  path.write_bytes(model([proto]).SerializeToString())
  refused(path, "same folder")


def test_malformed_models_are_errors(tmp_path):
  path = tmp_path / "a.onnx"
  path.write_bytes(model([]).SerializeToString())
  refused(path, "no initialisers")
  first = protos()[0]
  path.write_bytes(model([first, first]).SerializeToString())
  refused(path, "two tensors")
  first.dims[0] = 7
  path.write_bytes(model([first]).SerializeToString())
  refused(path, "96 bytes")
  first.dims[0] = -2
  path.write_bytes(model([first]).SerializeToString())
  refused(path, "shape")


def test_damaged_files_are_errors(tmp_path):
  path = tmp_path / "a.onnx"
  content = model(protos()[:2]).SerializeToString()
  for at in range(len(content)):
    path.write_bytes(content[:at])
    try:
      found = tensor_files.read(path)
    except UserError:
      continue
    for name, x in found.items():  # what follows the graph may be missing
      np.testing.assert_array_equal(x, ARRAYS[name])
