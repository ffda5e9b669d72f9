"""torch's files: bit-equal to what torch has saved, and nothing is run."""

import argparse
import collections
import io
import pathlib
import pickle
import warnings
import zipfile

import numpy as np
import pytest

from tests.interop import tensor_files
from tests.interop.tensor_files import check_damaged, check_equal
from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.interop import files

RAN = []


def run(*arguments):
  """What no file may call."""
  RAN.append(arguments)


class Code:
  """A pickle of it calls `run` when it is read."""

  def __reduce__(self):
    return run, (1,)


def saved(path, content, **options):
  """Saves with torch; returns the path."""
  library("torch").save(content, path, **options)
  return path


OLD = {"_use_new_zipfile_serialization": False}
both = pytest.mark.parametrize("options", [{}, OLD], ids=["zip", "old"])


@both
def test_tensors_are_those_of_torch(tmp_path, options):
  given = tensor_files.torch_tensors() | tensor_files.rare_tensors()
  path = saved(tmp_path / "a.safetensors", given, **options)  # not by its name
  opened = files.open_tensors(path)
  assert opened.kind == "torch"
  check_equal(opened.tensors, given)


def module():
  """Returns a small net, with an optimizer that has made a step."""
  torch = library("torch")
  net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
  optimizer = torch.optim.AdamW(net.parameters())
  net(torch.ones(1, 3, 8, 8)).sum().backward()
  optimizer.step()
  return net, optimizer


@both
def test_the_net_of_a_checkpoint_is_found(tmp_path, options):
  torch = library("torch")
  net, optimizer = module()
  state = net.state_dict()
  checkpoint = {
    "model": state,
    "model_ema": {name: x + 1 for name, x in state.items()},
    "optimizer": optimizer.state_dict(),
    "epoch": 3,
    "best_prec1": torch.tensor(91.5),
    "scores": [np.float64(3), np.ones(3)],
    "args": argparse.Namespace(rate=0.1, path=pathlib.PurePosixPath("a").name),
    "counts": collections.defaultdict(list, {"a": [1, {2}]}),
    "random": torch.get_rng_state(),
  }
  path = saved(tmp_path / "a.pth", checkpoint, **options)
  opened = files.open_tensors(path)
  check_equal(opened.tensors, state)
  assert opened.metadata["path"] == "model"
  average = files.open_tensors(f"{path}::model_ema")
  check_equal(average.tensors, checkpoint["model_ema"])
  with pytest.raises(UserError, match="model_ema"):
    files.open_tensors(f"{path}::teacher")


def test_tensors_of_a_torchscript_program_are_read_without_its_code(tmp_path):
  torch = library("torch")
  net, _ = module()
  net = torch.nn.Sequential(net, torch.nn.ReLU()).half().eval()
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    torch.jit.save(torch.jit.script(net), tmp_path / "a.pt")
  check_equal(files.open_tensors(tmp_path / "a.pt").tensors, net.state_dict())


def test_of_two_nets_one_has_to_be_named(tmp_path):
  torch = library("torch")
  student, teacher = ({"x": torch.full((2,), i)} for i in (1.0, 2.0))
  path = saved(tmp_path / "a.pth", {"student": student, "teacher": teacher})
  refused(path, r"student \(1 tensors\), teacher")
  check_equal(files.open_tensors(f"{path}::teacher").tensors, teacher)


@both
def test_code_is_refused_by_its_name_and_not_run(tmp_path, options):
  torch = library("torch")
  content = {"x": torch.ones(2), "epoch": Code()}
  path = saved(tmp_path / "a.pth", content, **options)
  refused(path, r"test_readers_torch\.run")
  whole = saved(tmp_path / "b.pth", torch.nn.Conv2d(1, 1, 1), **options)
  refused(whole, "(conv.Conv2d|whole module).*state.dict")
  assert not RAN


def rewritten(path, target, change):
  """Copies a zip file; `change` maps name and content to another, or None."""
  with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
    for name in old.namelist():
      if changed := change(name, old.read(name)):
        new.writestr(*changed)
  return target


def refused(path, match):
  with pytest.raises(UserError, match=match) as caught:
    tensor_files.read(path)
  assert str(path) in str(caught.value)


def test_zip_that_is_not_as_torch_writes_it_is_an_error(tmp_path):
  torch = library("torch")
  good = saved(tmp_path / "good.pth", {"x": torch.arange(4.0)})
  bad = tmp_path / "bad.pth"
  rewritten(good, bad, lambda n, x: (n.replace("good/data/0", "../0"), x))
  refused(bad, "outside")
  rewritten(good, bad, lambda n, x: (n.replace("good/data/0", "/etc/0"), x))
  refused(bad, "outside")
  rewritten(good, bad, lambda n, x: None if n == "good/data/0" else (n, x))
  refused(bad, "data/0")
  rewritten(good, bad, lambda n, x: (n, x[:8] if n == "good/data/0" else x))
  refused(bad, "8 bytes")
  with (
    zipfile.ZipFile(good) as old,
    zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as new,
  ):
    for name in old.namelist():
      new.writestr(name, old.read(name))
  refused(bad, "compressed")


def test_bytes_of_a_big_endian_machine_are_read(tmp_path):
  torch = library("torch")
  good = saved(tmp_path / "good.pth", {"x": torch.arange(4.0)})

  def change(name, content):
    if name == "good/byteorder":
      return name, b"big"
    big = np.arange(4, dtype=">f4").tobytes()
    return name, big if name == "good/data/0" else content

  found = tensor_files.read(rewritten(good, tmp_path / "big.pth", change))
  np.testing.assert_array_equal(found["x"], np.arange(4, dtype=np.float32))


def test_damaged_zip_is_an_error(tmp_path):
  torch = library("torch")
  given = {"x": torch.arange(4.0), "y": torch.ones(2, 3).T}
  path = saved(tmp_path / "a.pth", given)
  content = path.read_bytes()
  arrays = {name: x.numpy() for name, x in given.items()}
  with zipfile.ZipFile(path) as file:
    pickled = file.getinfo("a/data.pkl").header_offset
    after = file.getinfo("a/byteorder").header_offset
  positions = {*range(pickled, after, 7), *range(0, len(content), 307)}
  data = {
    at
    for at in positions
    for start in content_starts(path)
    if start <= at < start + 64
  }
  check_damaged(path, content, sorted(positions - data), arrays=arrays)


def test_damaged_old_file_is_an_error(tmp_path):
  torch = library("torch")
  path = tmp_path / "a.pth"
  content = saved(path, {"x": torch.arange(4.0)}, **OLD).read_bytes()
  check_damaged(path, content, range(0, len(content), 3))


def test_old_file_of_views_is_read(tmp_path):
  """Before 0.4 a part of a storage had a key of its own."""
  path = tmp_path / "a.pth"
  whole = b"X\x05\x00\x00\x00whole"
  key = lambda text: b"X" + len(text).to_bytes(4, "little") + text
  storage = (
    b"(" + key(b"storage") + b"ctorch\nFloatStorage\n" + whole + key(b"cpu")
    + b"K\x06(" + key(b"part") + b"K\x02K\x03tt"
  )  # fmt: skip
  tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage
  tensor += b"QK\x01K\x02\x85K\x01\x85tR"
  old = io.BytesIO()
  library("torch").save({}, old, **OLD)
  start = old.getvalue()[: old.getvalue().index(b"\x80\x02}q\x00.")]
  content = b"\x80\x02}" + key(b"x") + tensor + b"s."
  keys = b"\x80\x02]" + whole + b"a."
  data = (6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes()
  path.write_bytes(start + content + keys + data)
  np.testing.assert_array_equal(tensor_files.read(path)["x"], [3, 4])


def content_starts(path):
  """Returns where the storages of a file may lie: their bits have no sum."""
  with zipfile.ZipFile(path) as file:
    return [
      file.getinfo(f"a/data/{i}").header_offset + gap
      for i in (0, 1)
      for gap in (0, 64)
    ]


def test_strange_pickles_are_errors(tmp_path):
  """None of them fills memory, hangs or ends the process."""
  torch = library("torch")
  good = saved(tmp_path / "good.pth", {"x": torch.arange(4.0)})
  nested = b"\x80\x02)" + b"\x86" * 0 + b"2\x86" * 60  # tuples of tuples
  made = b"c__torch__\nA\n)\x81q\x00"
  twice = b"c__torch__\nA\n)\x81}(U\x01ah\x00U\x01bh\x00ubq\x00"
  strange = {
    "huge memo": b"\x80\x02Nr\xff\xff\xff\xff.",
    "huge text": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fabc.",
    "key to hash": nested + b"}" + nested[2:] + b"Ns.",
    "pop of nothing": b"\x80\x020.",
    "no stop": b"\x80\x02}",
    "call of a number": b"\x80\x02K\x01)R.",
    "attributes of a name": b"\x80\x02ctorch\nSize\n}b.",
    "extension": b"\x80\x02\x82\x01.",
    "modules of modules": b"\x80\x02" + made + twice * 30 + b".",
    "itself": b"\x80\x02]q\x00h\x00a.",
  }
  for name, text in strange.items():
    change = lambda n, x, text=text: (n, text if n.endswith("data.pkl") else x)
    refused(rewritten(good, tmp_path / "bad.pth", change), "bad.pth")
    assert name


def test_plain_pickle_is_no_file_of_torch(tmp_path):
  path = tmp_path / "a.pth"
  stream = io.BytesIO()
  pickle.dump({"x": Code()}, stream)
  path.write_bytes(stream.getvalue())
  refused(path, "a.pth")
  assert not RAN
