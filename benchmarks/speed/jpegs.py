"""Speed of the input pipeline: JPEGs in, random 224x224 crops out.

`python -m benchmarks.speed.jpegs` prints one JSON object a row. The rate
depends on the images' size, so each row says it. Threads and workers that do
not find a core of their own measure the machine's load, not the pipeline: the
rows are measured in turns, and both the median and the best turn are given.
`input/decode_alone` is libjpeg-turbo by as many threads, and nothing else: no
pipeline that decodes whole images can be faster.
"""

import itertools
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import simplejpeg

from vision_jax.data.loader import Loader
from vision_jax.data.sources.folders import ImageFolder
from vision_jax.data.transforms.crops import random_resized_crop

HEIGHT, WIDTH, QUALITY, CROP = 256, 341, 85, 224
Batches = Iterator[int]  # of how many examples each was


def decode_rows(
  seconds: float = 3.0,
  *,
  images: int = 512,
  threads: int = 2,
  batch_size: int = 128,
  turns: int = 3,
  torch: Sequence[str] = ("cv2", "pil"),
) -> list[dict[str, Any]]:
  """Measures decoding with a random resized crop, examples a second.

  Args:
    seconds: how long to time each row in each turn, after one batch to warm up.
    images: JPEGs generated, read again and again (from the file cache).
    threads: number of our loader's threads, and of torch's workers.
    batch_size: examples in a batch.
    turns: how often the rows are measured, one after another.
    torch: also measure torch's DataLoader, where it is installed, with each
      of these decoders.

  Returns:
    A dict a row: `row`, `examples_per_s` (median of the turns), `best`, and
    the conditions. A row that cannot run has None, and says why in `note`.
  """
  conditions = {"threads": threads, "batch_size": batch_size}
  with tempfile.TemporaryDirectory() as folder:
    size = write_images(pathlib.Path(folder), images)
    conditions["images"] = f"{HEIGHT}x{WIDTH} quality {QUALITY}, {size} bytes"
    rows = {
      "input/decode_crop": ours(folder, threads, batch_size),
      "input/decode_alone": decoder(folder, threads, batch_size),
    }
    notes = {}
    for name in torch:
      row = f"input/decode_crop/torch_{name}"
      try:
        rows[row] = torchs(folder, threads, batch_size, name)
      except ImportError:
        notes[row] = "torch is not installed"
    taken: dict[str, list[float]] = {row: [] for row in rows}
    for _, row in itertools.product(range(turns), rows):
      taken[row].append(measure(rows[row], seconds))
  done = [
    {
      "row": row,
      "examples_per_s": round(statistics.median(rates)),
      "best": round(max(rates)),
    }
    | conditions
    for row, rates in taken.items()
  ]
  return done + [
    {"row": row, "examples_per_s": None, "note": note} | conditions
    for row, note in notes.items()
  ]


def measure(make: Callable[[], Batches], seconds: float) -> float:
  """Returns examples a second, after one batch that does not count."""
  batches = make()
  next(batches)
  count, start = 0, time.perf_counter()
  for size in batches:
    count += size
    taken = time.perf_counter() - start
    if taken > seconds:
      return count / taken
  raise AssertionError("batches must not end")


def ours(folder: str, threads: int, batch_size: int) -> Callable[[], Batches]:
  """Returns what runs our loader."""
  loader = Loader(
    ImageFolder(folder),
    [random_resized_crop(CROP)],
    batch_size,
    threads=threads,
  )

  def run() -> Batches:
    with loader:
      for step in itertools.count():
        yield len(loader.batch(step)["image"])

  return run


def decoder(
  folder: str, threads: int, batch_size: int
) -> Callable[[], Batches]:
  """Returns what decodes the files' bytes, already read, and does no more."""
  files = sorted(pathlib.Path(folder).glob("*/*.jpg"))
  data = itertools.cycle([file.read_bytes() for file in files])

  def run() -> Batches:
    with ThreadPoolExecutor(threads) as pool:
      while True:
        some = itertools.islice(data, batch_size)
        yield sum(1 for _ in pool.map(simplejpeg.decode_jpeg, some))

  return run


def torchs(
  folder: str, workers: int, batch_size: int, decoder: str
) -> Callable[[], Batches]:
  """Returns what runs torch's DataLoader, decoding by OpenCV or Pillow."""
  import torch.utils.data

  data = _Crops(sorted(pathlib.Path(folder).glob("*/*.jpg")), decoder)

  def run() -> Batches:
    batches = torch.utils.data.DataLoader(
      data,
      batch_size,
      shuffle=True,
      num_workers=workers,
      drop_last=True,
      persistent_workers=True,
      multiprocessing_context="forkserver",  # fork may lock up: threads
      prefetch_factor=4,
    )
    while True:
      for images in batches:
        yield len(images)

  return run


class _Crops:
  """A map-style data set of random crops, as torch's loader wants it."""

  def __init__(self, files: list[pathlib.Path], decoder: str):
    # Long enough that the pause between two epochs does not count.
    self.files = files * max(1, 8192 // len(files))
    self.decoder = decoder

  def __len__(self) -> int:
    return len(self.files)

  def __getitem__(self, i: int) -> np.ndarray:
    crop = {"cv2": _crop_cv2, "pil": _crop_pil}[self.decoder]
    return crop(self.files[i])


def _part() -> tuple[int, int, int, int]:
  from vision_jax.data.transforms.crops import random_part

  rng = np.random.default_rng(np.random.randint(1 << 31))
  return random_part(rng, (HEIGHT, WIDTH), (0.08, 1.0), (3 / 4, 4 / 3))


def _crop_cv2(path: pathlib.Path) -> np.ndarray:
  cv2.setNumThreads(0)
  image = cv2.imread(str(path), cv2.IMREAD_COLOR)
  top, left, h, w = _part()
  part = cv2.resize(image[top : top + h, left : left + w], (CROP, CROP))
  return cv2.cvtColor(part, cv2.COLOR_BGR2RGB)


def _crop_pil(path: pathlib.Path) -> np.ndarray:
  from PIL import Image

  with Image.open(path) as image:
    top, left, h, w = _part()
    box = (left, top, left + w, top + h)
    return np.array(
      image.resize((CROP, CROP), Image.Resampling.BILINEAR, box=box)
    )


def write_images(folder: pathlib.Path, count: int) -> int:
  """Writes JPEGs like photographs into two classes; returns their mean size.

  Smooth shapes of several scales with fine noise: at quality 85 a photograph
  of this size takes 20 to 30 kB.
  """
  rng = np.random.default_rng(0)
  total = 0
  for i in range(count):
    place = folder / f"class{i % 2}"
    place.mkdir(exist_ok=True)
    data = simplejpeg.encode_jpeg(
      _image(rng), quality=QUALITY, colorsubsampling="420"
    )
    (place / f"{i:05d}.jpg").write_bytes(data)
    total += len(data)
  return total // count


def _image(rng: np.random.Generator) -> np.ndarray:
  image = np.full((HEIGHT, WIDTH, 3), 127.0, np.float32)
  for cells, strength in ((3, 60), (9, 40), (33, 25), (110, 12)):
    coarse = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
    image += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
  image += rng.normal(0, 4, (HEIGHT, WIDTH, 1))
  return np.clip(image, 0, 255).astype(np.uint8)


def main() -> None:
  """Prints the rows."""
  for row in decode_rows():
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main()
