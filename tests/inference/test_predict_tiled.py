"""Large images in windows: masks and boxes as of the whole image."""

import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests.programs.halves import run_halves
from vision_jax.core.types import as_given
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.transforms.boxes import record_size
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference.merging import blend, merge_boxes, place_boxes
from vision_jax.inference.windows import Tiling, Windows, window_of
from vision_jax.ops.tiling import mirror_pad

RNG = np.random.default_rng(0)
SIZES = {"a": (50, 70), "b": (9, 7), "c": (32, 20)}  # b is below a tile


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  """A folder of images of several sizes."""
  folder = tmp_path_factory.mktemp("large")
  for name, (h, w) in SIZES.items():
    pixels = RNG.integers(0, 256, (h, w, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.png")
  return folder


def logits(image):
  """Three classes by a pixel and the one right of it, so that windows show."""
  x = image[..., :1].astype(jnp.float32) / 64
  near = jnp.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0)))[:, :, 1:]
  return jnp.concatenate([x, near, 4 - x], -1)


class Masks:
  """A task of masks with their probabilities."""

  def probs(self, params, stats, batch, key):
    del params, stats, key
    found = jax.nn.softmax(logits(batch["image"]))
    return {"target": found.argmax(-1).astype(jnp.uint8), "probs": found}

  def predict(self, params, stats, batch, key):
    return {"target": self.probs(params, stats, batch, key)["target"]}


def experiment(task, *transforms, formats=()):
  how = Predict([decode(3), *transforms], ("x", "y", "z"), formats)
  return types.SimpleNamespace(task=task, inputs=as_given, predict=how)


def whole(image, tiling):
  """What `Tiles` makes of an image, (h, w, k)."""
  fn = lambda x: jax.nn.softmax(logits(x))
  return np.asarray(tiling.tiles(fn, jnp.asarray(image)[None])[0])


def test_masks_are_those_of_tiles(images, tmp_path):
  tiling = Tiling(16, 6)
  made = experiment(Masks(), formats=("masks", "probs"))
  logged = run_halves(made, images, tmp_path / "out", tiling=tiling)
  assert logged[0] == (
    "Windows of 16x16 pixels, 6 shared; the net sees each pixel."
  )
  for name, size in SIZES.items():
    expected = whole(np.asarray(Image.open(images / f"{name}.png")), tiling)
    probs = np.load(tmp_path / "out" / "probs" / f"{name}.npy")
    assert probs.shape == (*size, 3)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / f"{name}.png"))
    np.testing.assert_array_equal(mask, probs.argmax(-1))
  run_halves(
    experiment(Masks(), formats=("masks",)),
    *(images, tmp_path / "again"),
    tiling=tiling,
  )
  for name in SIZES:
    first, again = (
      np.asarray(Image.open(tmp_path / folder / "masks" / f"{name}.png"))
      for folder in ("out", "again")
    )
    np.testing.assert_array_equal(first, again)


def test_windows_that_the_net_sees_smaller(images, tmp_path):
  made = experiment(Masks(), resize((8, 8)), formats=("masks",))
  logged = run_halves(made, images, tmp_path / "out", tiling=Tiling(16))
  assert "resized to 8x8 (height x width): --tile=8 shows it" in logged[0]
  for name, (h, w) in SIZES.items():
    mask = Image.open(tmp_path / "out" / "masks" / f"{name}.png")
    assert mask.size == (w, h)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (16, 16), (17, 33)])
def test_strips_are_the_mean_of_the_windows(size):
  tiles, (h, w) = Tiling(16, 4).tiles, size
  rows, columns = tiles.axes(h, w)
  starts = [(y, x) for y in rows.starts for x in columns.starts]
  parts = RNG.random((len(starts), 16, 16, 2)).astype(np.float32)
  total, weight = np.zeros((200, 200, 2)), np.zeros((200, 200, 1))
  place = np.minimum(np.arange(16) + 0.5, 15.5 - np.arange(16)) / 8
  for (y, x), part in zip(starts, parts, strict=True):
    total[y : y + 16, x : x + 16] += part * np.outer(place, place)[..., None]
    weight[y : y + 16, x : x + 16] += np.outer(place, place)[..., None]
  strips = np.concatenate([*blend(tiles, size, parts)])
  np.testing.assert_allclose(strips, (total / weight)[:h, :w], rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 4), (5, 5), (9, 30)])
def test_windows_are_mirrored_as_tiles_are(size):
  image = RNG.random((*size, 2))
  got = window_of(image, (0, 2), (12, 40))
  h, w = size
  around = [(0, 12 - h), (0, 42 - w)]
  expected = np.asarray(mirror_pad(jnp.asarray(image)[None], around))[0]
  np.testing.assert_allclose(got, expected[:12, 2:42], rtol=1e-6)


def brute(boxes, score, label, window, cut, least):
  """Greedy suppression by loops, as the docstring has it."""
  area = lambda b: max(b[2] - b[0], 0) * max(b[3] - b[1], 0)
  order = sorted(
    range(len(score)),
    key=lambda i: (not (not cut[i] and score[i] >= least), -score[i], i),
  )
  kept = []
  for i in order:
    gives = False
    for j in kept:
      if label[i] != label[j] or window[i] == window[j]:
        continue
      low, high = (
        np.maximum(boxes[i][:2], boxes[j][:2]),
        np.minimum(boxes[i][2:], boxes[j][2:]),
      )
      both = area([*low, *high])
      union = area(boxes[i]) + area(boxes[j]) - both
      gives |= both > 0.5 * union or (cut[i] and both > 0.7 * area(boxes[i]))
    if not gives:
      kept.append(i)
  return sorted(kept, key=lambda i: -score[i])


@pytest.mark.parametrize("seed", range(8))
def test_boxes_are_merged_as_by_loops(seed):
  rng = np.random.default_rng(seed)
  n = 60
  low = rng.uniform(0, 20, (n, 2))
  boxes = np.concatenate([low, low + rng.uniform(3, 12, (n, 2))], 1)
  given = {
    "boxes": boxes,
    "score": rng.permutation(n) / n,
    "label": rng.integers(0, 2, n),
    "window": rng.integers(0, 3, n),
    "cut": rng.random(n) < 0.4,
    "least": 0.3,
  }
  kept = merge_boxes(**given)
  assert kept.tolist() == brute(**given)
  assert 0 < len(kept) < n
  none = {k: x[:0] for k, x in given.items() if k != "least"}
  assert len(merge_boxes(**none, least=0.3)) == 0


def test_a_cut_box_gives_way_to_the_whole_one():
  merged = lambda score: merge_boxes(
    np.array([[0, 0, 10, 10], [0, 0, 4, 10], [50, 0, 54, 10]], float),
    np.array(score),
    *(np.zeros(3, int), np.array([0, 1, 1]), np.array([False, True, True])),
    least=0.3,
  )
  assert merged([0.4, 0.9, 0.8]).tolist() == [2, 0]
  # One that does not count leaves it alone.
  assert merged([0.1, 0.9, 0.8]).tolist() == [1, 2, 0]


def test_boxes_come_to_their_place():
  row = {
    "boxes": np.float32([[0, 5, 9, 9], [4, 4, 8, 8], [8, 12, 12, 31]]),
    "score": np.float32([0.9, 0.8, 0.7]),
    "label": np.arange(3),
  }
  found = place_boxes(row, (20, 40), 32, (36, 80))
  # The third lies in what is mirrored below the image's last row.
  assert found["label"].tolist() == [0, 1]
  assert found["boxes"].tolist() == [[40, 25, 49, 29], [44, 24, 48, 28]]
  assert found["cut"].tolist() == [True, False]
  first = place_boxes(row, (0, 0), 32, (36, 80))
  assert first["cut"].tolist() == [False, False, True]
  assert first["label"].tolist() == [0, 1, 2]


class Bright:
  """A detector of what is bright: its box, in pixels of `size`."""

  def predict(self, params, stats, batch, key):
    del params, stats, key
    bright = batch["image"][..., 0] > 128
    score = bright.any((1, 2)).astype(jnp.float32) * 0.9
    sides = []
    for axis in (1, 2):  # over rows leaves columns
      line, n = bright.any(axis), bright.shape[3 - axis]
      first, last = line.argmax(-1), n - line[:, ::-1].argmax(-1)
      sides.append((first, last))
    (x1, x2), (y1, y2) = sides
    boxes = jnp.stack([x1, y1, x2, y2], -1).astype(jnp.float32)
    scale = batch["size"][:, None, ::-1] / jnp.array(bright.shape[2:0:-1])
    boxes = boxes[:, None] * jnp.tile(scale, 2)
    label = jnp.zeros((len(score), 1), jnp.int32)
    return {"boxes": boxes, "score": score[:, None], "label": label}


@pytest.mark.parametrize("tile", [32, 400])
def test_an_object_is_found_once(tmp_path, tile):
  """In tiles that cut it and in one larger than the image."""
  pixels = np.zeros((100, 130, 3), np.uint8)
  pixels[50:60, 60:74] = 255
  (tmp_path / "in").mkdir()
  Image.fromarray(pixels).save(tmp_path / "in" / "a.png")
  if tile == 400:  # what is mirrored is bright, too
    pixels[:] = 0
    pixels[95:100] = 255
    Image.fromarray(pixels).save(tmp_path / "in" / "a.png")
  made = experiment(Bright(), record_size(), resize((tile, tile)))
  run_halves(
    made, tmp_path / "in", tmp_path / "out", tiling=Tiling(tile, tile // 2)
  )
  text = (tmp_path / "out" / "predictions.jsonl").read_text()
  boxes = [box["xyxy"] for box in json.loads(text)["boxes"]]
  if tile == 32:
    assert boxes == [[60, 50, 74, 60]]
  else:
    assert len(boxes) <= 1


class Classes:
  """A classifier."""

  def predict(self, params, stats, batch, key):
    return {"logits": jnp.zeros((len(batch["image"]), 3))}


def test_a_classifier_has_no_tiles(images, tmp_path):
  made = experiment(Classes(), resize((8, 8)))
  with pytest.raises(UserError, match="--tile: Classes predicts logits of an"):
    run_halves(made, images, tmp_path / "out", tiling=Tiling(8))
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
  ("given", "message"),
  [((0,), "--tile: got 0"), ((8, 8), "--overlap: got 8 of tiles of 8; expec")],
)
def test_tilings_that_are_none(given, message):
  with pytest.raises(UserError, match=message):
    Tiling(*given)


def test_an_unreadable_image_is_one_line(images, tmp_path):
  folder = tmp_path / "in"
  folder.mkdir()
  data = (images / "a.png").read_bytes()
  (folder / "a.png").write_bytes(data)
  (folder / "b.png").write_bytes(b"nothing")
  (folder / "c.png").write_bytes(data[: len(data) // 2])
  made = experiment(Masks(), formats=("masks",))
  logged = run_halves(made, folder, tmp_path / "out", tiling=Tiling(16))
  text = (tmp_path / "out" / "predictions.jsonl").read_text()
  lines = [json.loads(line) for line in text.splitlines()]
  assert ["error" in line for line in lines] == [False, True, True]
  assert any("2 of 3 images could not be read" in line for line in logged)
  windows = Windows(ImageList(folder), decode(3), Tiling(16).tiles)
  assert sum(at.image == 1 for at in windows.places) == 1
