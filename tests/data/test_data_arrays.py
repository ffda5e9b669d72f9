"""Arrays: types and ranges of pixels, labels of one class and of several."""

import struct
import zipfile

import numpy as np
import pytest

from tests.data_fixtures import random_image
from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource, NpzSource
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.data.transforms.image import decode, resize
from vision_jax.ops.inputs import normalize

BYTES = np.stack([random_image(12, 10, seed=i) for i in range(4)])
LABEL = np.array([0, 1, 2, 1])
PIXELS = {
  "uint8": BYTES,
  "int32": BYTES.astype(np.int32),
  "int64": BYTES.astype(np.int64),
  "uint16": BYTES.astype(np.uint16),
  "float 0..255": BYTES.astype(np.float64),
  "float32 0..255": BYTES.astype(np.float32),
  "fractions 0..255": BYTES + np.float32(1e-4) * (BYTES < 255),
  "float 0..1": BYTES / 255,
  "float32 0..1": (BYTES / 255).astype(np.float32),
  "float16 0..1": (BYTES / 255).astype(np.float16),
}


def first(image, *transforms):
  source = ArraySource({"image": image, "label": LABEL})
  batch = Loader(source, transforms, 4, shuffle=False).batch(0)
  return batch["image"]


@pytest.mark.parametrize("kind", PIXELS)
def test_pixels_of_every_type_mean_the_same(kind):
  inputs = normalize((0.5,), (0.5,))
  signed = lambda *args: inputs({"image": first(*args)})["image"]
  expected = BYTES / 127.5 - 1
  got = signed(PIXELS[kind])
  assert got.dtype == np.float32
  np.testing.assert_allclose(got, expected, atol=2e-3)
  for transform in (
    resize((6, 5)),
    resize((15, 20), "bicubic"),
    random_resized_crop(8),
  ):
    steps = (decode(3), transform)
    size = signed(BYTES, *steps)
    np.testing.assert_allclose(signed(PIXELS[kind], *steps), size, atol=0.03)


def test_booleans_are_black_and_white():
  image = BYTES > 100
  np.testing.assert_array_equal(first(image), 255 * image)


@pytest.mark.parametrize(
  ("image", "message"),
  [
    (BYTES.astype(np.uint16) * 257, "uint16 and values from 0 to 65535"),
    (BYTES / 127.5 - 1, r"values from -1\.0 to 1\.0; .*\(image \+ 1\) / 2"),
    (np.full(BYTES.shape, np.nan), "from nan to nan"),
    (BYTES * 1j, "complex128"),
    (BYTES.astype(str), "<U3"),
    (BYTES.astype(object), "object"),
  ],
)
def test_pixels_that_say_no_brightness_are_an_error(image, message):
  with pytest.raises(DataError, match=message):
    first(image)


SEVERAL = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]])


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float64])
def test_labels_of_several_classes_reach_loss_and_metric(kind):
  from vision_jax.losses.classification import sigmoid_cross_entropy
  from vision_jax.metrics.classification import Accuracy

  arrays = {"image": BYTES, "label": SEVERAL.astype(kind)}
  source = ArraySource(arrays, num_classes=3)
  for data in (source, split_train(source, 1)[0]):
    batch = Loader(data, (), 3, shuffle=False).batch(0)
    assert batch["label"].dtype == np.float32
    assert batch["label"].shape == (3, 3)
  batch = Loader(source, (), 4, shuffle=False).batch(0)
  np.testing.assert_array_equal(batch["label"], SEVERAL)
  logits = 20.0 * SEVERAL - 10
  assert sigmoid_cross_entropy(logits, batch["label"]).max() < 1e-3
  metric = Accuracy()
  sums, rows = metric.measure((), {"logits": logits}, batch)
  assert metric.result(sums, rows)["accuracy"] == 0.75  # one has no class


@pytest.mark.parametrize(
  ("label", "options"),
  [
    (LABEL[:, None], {}),  # a column of classes
    (LABEL[:, None], {"num_classes": 3}),
    (SEVERAL, {"num_classes": 4}),
    (SEVERAL * 2, {}),
    (SEVERAL - 0.5, {}),
    (SEVERAL * np.nan, {}),
    (SEVERAL[..., None], {}),
    (SEVERAL.astype(str), {}),
  ],
)
def test_labels_that_are_neither_are_an_error(label, options):
  source = ArraySource({"image": BYTES, "label": label}, **options)
  with pytest.raises(DataError, match=r"classes \(n,\), or indicators"):
    len(source)


def npz(path, shape, kind="<f8"):
  """Writes an npz file whose only array has a header and three bytes."""
  header = {"descr": kind, "fortran_order": False, "shape": shape}
  text = repr(header).encode().ljust(117) + b"\n"
  with zipfile.ZipFile(path, "w") as file:
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text))
    file.writestr("image.npy", start + text + b"abc")
  return path


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_npz_files_that_are_broken_are_named(tmp_path):
  claims = {
    (10**6, 224, 224, 2490): r"Unable to allocate 909\. TiB",
    (3, 4, 4, 1): "EOF: reading array data",
    (2**63, 2**62): "Maximum allowed dimension",
    (-1,): "negative dimensions",
  }
  for shape, message in claims.items():
    path = npz(tmp_path / "a.npz", shape)
    with pytest.raises(DataError, match=rf"a\.npz: cannot be read .*{message}"):
      len(NpzSource(path))
  np.save(tmp_path / "one.npy", BYTES)
  with pytest.raises(DataError, match="is one array, without names"):
    len(NpzSource(tmp_path / "one.npy"))


def test_npz_files_with_flipped_bytes_are_read_or_named(tmp_path):
  path = tmp_path / "a.npz"
  np.savez_compressed(path, image=BYTES, label=LABEL)
  whole, rng = path.read_bytes(), np.random.default_rng(0)
  failed = 0
  for i in range(200):
    data = bytearray(whole)
    if i % 4:
      data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    else:
      del data[rng.integers(len(data)) :]
    path.write_bytes(data)
    try:
      len(NpzSource(path))
    except DataError as error:
      assert str(path) in str(error) or "arrays: " in str(error)
      failed += 1
  assert failed > 100
