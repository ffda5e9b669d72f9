"""HDF5 of Keras, MATLAB and others, written with h5py."""

import numpy as np
import pytest

from tests.interop import tensor_files
from vision_jax.errors import UserError
from vision_jax.interop import files

h5py = pytest.importorskip("h5py", reason="pip install -e '.[hdf5]'")

KERNEL = np.arange(3 * 2 * 4 * 5, dtype=np.float32).reshape(3, 2, 4, 5)
BIAS = np.arange(5, dtype=np.float32)


def keras(path, *, whole=True, layers=("conv", "empty", "dense")):
  """Writes a file of Keras' old format."""
  with h5py.File(path, "w") as file:
    root = file.create_group("model_weights") if whole else file
    root.attrs["layer_names"] = [x.encode() for x in layers]
    weights = {
      "conv": {"conv/kernel:0": KERNEL, "conv/bias:0": BIAS},
      "dense": {"dense/kernel:0": KERNEL[0, 0]},
      "empty": {},
    }
    for layer, found in weights.items():
      group = root.create_group(layer)
      group.attrs["weight_names"] = [name.encode() for name in found]
      for name, x in found.items():
        group[name] = x
    file["optimizer_weights/iterations"] = np.int64(3)
  return path


def matlab(path, *, single=False):
  """Writes layers as MATLAB does: axes reversed, cells of references."""
  with h5py.File(path, "w", userblock_size=512) as file:
    cells = []
    for i, arrays in enumerate(([KERNEL, BIAS[None]], [], [KERNEL[..., 0]])):
      layer = file.create_group(f"#refs#/{i}")
      layer["stride"] = np.ones((1, 1))
      if arrays and not single:
        found = [file.create_dataset(f"#refs#/{i}_{j}", data=x.T).ref
                 for j, x in enumerate(arrays)]  # fmt: skip
        layer["weights"] = np.array(found, h5py.ref_dtype)[:, None]
      elif arrays:
        layer["filters"] = arrays[0].T
      cells.append(layer.ref)
    file["net/layers"] = np.array(cells, h5py.ref_dtype)[:, None]
  content = bytearray(path.read_bytes())
  content[:10] = b"MATLAB 7.3"
  path.write_bytes(content)
  return path


def check(path, kind, expected):
  opened = files.open_tensors(path)
  assert opened.kind == kind and list(opened.tensors) == list(expected)
  for name, x in expected.items():
    found = opened.tensors[name].load()
    assert opened.tensors[name].shape == found.shape == x.shape
    assert opened.tensors[name].dtype == found.dtype == x.dtype
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("whole", [True, False])
def test_weights_of_keras(tmp_path, whole):
  expected = {
    "conv/kernel:0": KERNEL,
    "conv/bias:0": BIAS,
    "dense/kernel:0": KERNEL[0, 0],
  }
  check(keras(tmp_path / "a.h5", whole=whole), "keras", expected)


def test_weights_of_matlab(tmp_path):
  expected = {
    "net/layers/0/weights/0": KERNEL,
    "net/layers/0/weights/1": BIAS[None],
    "net/layers/2/weights/0": KERNEL[..., 0],
  }
  check(matlab(tmp_path / "a.mat"), "matlab", expected)
  old = {
    "net/layers/0/filters": KERNEL,
    "net/layers/2/filters": KERNEL[..., 0],
  }
  check(matlab(tmp_path / "b.mat", single=True), "matlab", old)


def test_any_hdf5_by_its_paths(tmp_path):
  with h5py.File(tmp_path / "a.h5", "w") as file:
    file["layers/conv/vars/0"] = KERNEL.astype(">f4")
    file["layers/conv/vars/1"] = np.float16(2)
    file["layers/note"] = "text"
    file["optimizer/vars/0"] = BIAS
  expected = {
    "layers/conv/vars/0": KERNEL,
    "layers/conv/vars/1": np.array(2, np.float16),
  }
  check(tmp_path / "a.h5", "hdf5", expected)


def refused(path, match):
  with pytest.raises(UserError, match=match) as caught:
    tensor_files.read(path)
  assert str(path) in str(caught.value)


def test_what_leads_elsewhere_is_refused(tmp_path):
  secret = tmp_path / "secret.h5"
  with h5py.File(secret, "w") as file:
    file["x"] = BIAS
  path = tmp_path / "a.h5"
  with h5py.File(path, "w") as file:
    file["link"] = h5py.ExternalLink(str(secret), "x")
  refused(path, "link to elsewhere")
  with h5py.File(path, "w") as file:
    file["soft"] = h5py.SoftLink("/soft")
  refused(path, "link to elsewhere")
  with h5py.File(path, "w") as file:
    file.create_dataset("x", (5,), "f4", external=[(str(secret), 0, 20)])
  refused(path, "another file")
  layout = h5py.VirtualLayout((5,), "f4")
  layout[:] = h5py.VirtualSource(str(secret), "x", (5,))
  with h5py.File(path, "w") as file:
    file.create_virtual_dataset("x", layout)
  refused(path, "another file")


def test_what_is_missing_or_too_large_is_an_error(tmp_path):
  path = tmp_path / "a.h5"
  refused(keras(path, layers=("conv", "other")), "other")
  with h5py.File(path, "w") as file:
    file.create_dataset("x", (2**40,), "f4", chunks=(2**20,))
  refused(path, "fill memory")
  with h5py.File(path, "w", userblock_size=512) as file:
    file["x"] = BIAS
  content = bytearray(path.read_bytes())
  content[:10] = b"MATLAB 7.3"
  path.write_bytes(content)
  refused(path, r"net\.layers")


@pytest.mark.parametrize("write", [keras, matlab])
def test_damaged_files_are_errors(tmp_path, write):
  content = write(tmp_path / "good").read_bytes()
  step = len(content) // 60
  for at in range(0, len(content), step):
    (tmp_path / "cut").write_bytes(content[:at])
    refused(tmp_path / "cut", "cut")
    flipped = bytearray(content)
    flipped[at] ^= 0xFF
    (tmp_path / "flipped").write_bytes(flipped)
    try:
      tensor_files.read(tmp_path / "flipped")
    except UserError as error:
      assert "flipped" in str(error)
