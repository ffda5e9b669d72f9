"""Tensors of all kinds that a file may hold, and files that are damaged."""

import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.interop import files


def torch_tensors():
  """Returns tensors of torch by name: dtypes, views, empty and 0-d ones."""
  torch = library("torch")
  torch.manual_seed(0)
  base = torch.randn(4, 5, 6)
  whole = {
    str(dtype).removeprefix("torch."): torch.randn(3, 4).to(dtype)
    for dtype in (
      *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
      *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
      torch.bool,
    )
  }
  return whole | {
    "transposed": base.transpose(0, 2),
    "part": base[1:, ::2],
    "expanded": torch.ones(1).expand(4, 3),
    "shared": base,
    "number": torch.tensor(3.5),
    "empty": torch.empty(0, 3),
    "parameter": torch.nn.Parameter(torch.randn(2)),
  }


def rare_tensors():
  """Returns those of torch's dtypes that its old format does not have."""
  torch = library("torch")
  return {
    "float8_e4m3fn": torch.randn(5).to(torch.float8_e4m3fn),
    "float8_e5m2": torch.randn(5).to(torch.float8_e5m2),
    "uint16": torch.arange(4).to(torch.uint16),
    "complex64": torch.randn(3, dtype=torch.complex64),
  }


def check_equal(tensors, expected):
  """Asserts that a file's tensors are torch's, bit by bit."""
  torch = library("torch")
  assert set(tensors) == set(expected)
  for name, x in expected.items():
    found = tensors[name].load()
    bits = x.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    assert tensors[name].shape == found.shape == tuple(x.shape), name
    assert tensors[name].dtype == found.dtype, name
    assert found.dtype.name == str(x.dtype).removeprefix("torch."), name
    assert np.ascontiguousarray(found).tobytes() == bits.tobytes(), name


def check_damaged(path, content, positions, *, arrays=None):
  """Asserts that each damage is a `UserError` or leaves the arrays right.

  Args:
    path: where to write the damaged files.
    content: bytes of a good one.
    positions: at which it is cut, and at which its bits are flipped.
    arrays: name -> what a flipped file must still hold, where it is read; None
      where a flipped bit may make another file that is as good.
  """
  for at in positions:
    path.write_bytes(content[:at])
    with pytest.raises(UserError, match=path.name):
      read(path)
    for bits in (0x01, 0x80, 0xFF):
      flipped = bytearray(content)
      flipped[at] ^= bits
      path.write_bytes(flipped)
      try:
        found = read(path)
      except UserError:
        continue
      if arrays is not None:
        assert set(found) == set(arrays), at
        for name, x in arrays.items():
          np.testing.assert_array_equal(found[name], x)


def read(path):
  """Returns all arrays of a file."""
  tensors = files.open_tensors(path).tensors
  return {name: x.load() for name, x in tensors.items()}
