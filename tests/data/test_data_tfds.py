"""Prepared TFDS sets, read without TensorFlow."""

import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.image import decode


@pytest.mark.parametrize(
  "name, train, test, shape",
  [
    ("mnist", 60000, 10000, (28, 28, 1)),
    ("cifar10", 50000, 10000, (32, 32, 3)),
  ],
)
def test_sets_have_their_examples(data_root, name, train, test, shape):
  sources = [TfdsSource(name, s, data_root) for s in ("train", "test")]
  assert [len(s) for s in sources] == [train, test]
  assert sources[0].num_classes == 10 and len(sources[0].class_names) == 10
  assert len({s.fingerprint() for s in sources}) == 2
  examples = sources[1].read(np.array([9999, 0, 5000]))
  for example in examples:
    assert isinstance(example["image"], bytes)
    expected = np.asarray(Image.open(io.BytesIO(example["image"])))
    got = decode(shape[-1])(example, None)["image"]
    assert got.shape == shape
    # OpenCV and Pillow bring their own JPEG libraries.
    difference = np.abs(got - expected.reshape(shape).astype(int))
    assert difference.max() <= (0 if name == "mnist" else 1)
    assert example["label"].dtype == np.int32
  assert examples[0]["name"] == f"{name} test [9999]"


@pytest.mark.parametrize(
  "split, size, start",
  [
    ("train[:55000]", 55000, 0),
    ("train[55000:]", 5000, 55000),
    ("train[90%:]", 6000, 54000),
    ("test+train[:10]", 10010, None),
  ],
)
def test_own_parts_of_splits(data_root, split, size, start):
  source = TfdsSource("mnist", split, data_root)
  assert len(source) == size
  if start is not None:
    whole = TfdsSource("mnist", "train", data_root)
    rows = [s.read([i])[0] for s, i in ((source, 7), (whole, start + 7))]
    assert rows[0]["image"] == rows[1]["image"]


def test_finds_the_folder(data_root, monkeypatch):
  tfds = data_root / "tfds"
  for place in (data_root, tfds, tfds / "mnist", tfds / "mnist" / "3.0.1"):
    for name in ("mnist", "mnist:3.0.1"):
      folder = TfdsSource(name, "test", place).folder
      assert folder == tfds / "mnist" / "3.0.1"
  monkeypatch.setenv("VISION_JAX_DATA", str(data_root))
  assert len(TfdsSource("mnist", "test", "")) == 10000


def test_errors_of_a_set_that_is_there(data_root):
  cases = {
    "split 'val'": TfdsSource("mnist", "val", data_root),
    r"train\[": TfdsSource("mnist", "train[", data_root),
    "no feature depth; it has image, label": TfdsSource(
      "mnist", "test", data_root, {"image": "depth"}
    ),
    "1.0.0/dataset_info.json": TfdsSource("mnist:1.0.0", "test", data_root),
  }
  for message, source in cases.items():
    with pytest.raises(DataError, match=message):
      len(source)


def test_errors_of_a_set_that_is_not_there(tmp_path, monkeypatch):
  monkeypatch.delenv("VISION_JAX_DATA", raising=False)
  with pytest.raises(DataError, match=r"no folder given; .*VISION_JAX_DATA"):
    len(TfdsSource("mnist", "train"))
  with pytest.raises(DataError, match="gone does not exist"):
    len(TfdsSource("mnist", "train", tmp_path / "gone"))
  with pytest.raises(DataError, match="mnist: not prepared in "):
    len(TfdsSource("mnist", "train", tmp_path))


def test_first_use_in_several_threads(data_root):
  source = TfdsSource("mnist", "test", data_root)
  got, barrier = {}, threading.Barrier(4)

  def work(i):
    barrier.wait()
    rows = source.read(np.arange(i * 100, i * 100 + 100))
    got[i] = [row["image"] for row in rows]

  threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  expected = [row["image"] for row in source.read(np.arange(400))]
  assert [image for i in range(4) for image in got[i]] == expected


def test_memory_and_reading_agree(data_root):
  source = TfdsSource("cifar10", "train", data_root)
  memory = Loader(InMemory(source, [decode()]), (), 32, seed=1)
  direct = Loader(source, [decode()], 32, seed=1, threads=2)
  for step in (0, 1562):
    a, b = memory.batch(step), direct.batch(step)
    assert a.keys() == b.keys()
    for key in a:
      np.testing.assert_array_equal(a[key], b[key])


def test_held_out_examples_share_one_memory(data_root):
  whole = InMemory(TfdsSource("mnist", "train", data_root), [decode(1)])
  train, val = split_train(whole, 5000)
  assert (len(train), len(val)) == (55000, 5000)
  assert train.source is val.source
  assert Loader(val, (), 100).batch(0)["image"].shape == (100, 28, 28, 1)


def test_the_first_batch_comes_at_once(data_root):
  """Reading 60,000 examples first would take seconds."""
  code = """
import resource, sys
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.transforms.image import decode
read = []
class Printing(TfdsSource):
  def read(self, indices):
    read.extend(indices)
    return super().read(indices)
Loader(InMemory(Printing("mnist", "train"), [decode(1)]), (), 128).batch(0)
print(len(set(read)), "jax" in sys.modules, "tensorflow" in sys.modules)
print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
"""
  run = subprocess.run(
    [sys.executable, "-c", code],
    capture_output=True,
    text=True,
    check=True,
    env=os.environ | {"VISION_JAX_DATA": str(data_root)},
  )
  *printed, seconds = run.stdout.split()
  assert printed == ["128", "False", "False"]
  assert float(seconds) < 10  # of CPU; 1 is usual
