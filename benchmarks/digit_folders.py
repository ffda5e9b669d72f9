"""Writes 2,000 of MNIST's digits as one's own images: a folder for each class.

  python -m benchmarks.digit_folders --output=FOLDER [--data_dir=FOLDER]

The first 200 of each class of MNIST's train and of its test, in the order of
the prepared TFDS set, as FOLDER/train/DIGIT/NUMBER.png and FOLDER/test/...:
what the row own_images_cpu trains on.
"""

import argparse
import collections
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from vision_jax.data.source import Source
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.errors import UserError

EACH = 200  # of a class, in train and in test
READ = 1_000  # at once


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the folders; returns the exit code."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.digit_folders")
  parser.add_argument("--output", required=True, type=pathlib.Path)
  parser.add_argument("--data_dir", default="", help="default VISION_JAX_DATA")
  given = parser.parse_args(argv)
  try:
    for split in ("train", "test"):
      source = TfdsSource("mnist", split, data_dir=given.data_dir)
      write(source, given.output / split)
  except UserError as error:
    print(error, file=sys.stderr)
    return 2
  return 0


def write(source: Source, folder: pathlib.Path, each: int = EACH) -> None:
  """Writes the first `each` images of every class, as they are encoded."""
  written: collections.Counter[int] = collections.Counter()
  for start in range(0, len(source), READ):
    indices = np.arange(start, min(start + READ, len(source)))
    for index, example in zip(indices, source.read(indices), strict=True):
      label = int(example["label"])
      written[label] += 1
      if written[label] <= each:
        place = folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index:05}.png").write_bytes(example["image"])


if __name__ == "__main__":
  sys.exit(main())
