"""Writes small sets of boxes of one class: what a few hours of labelling give.

  python -m benchmarks.small_boxes --output=FOLDER [--data_dir=FOLDER]

FOLDER/bccd_rbc and FOLDER/bccd_wbc have the first 150 training images of BCCD,
a folder `bccd_voc` in that of all data, and all of val and test, with the boxes
of red or of white cells alone; what has none stays, without boxes. Without that
folder they are left out, which is said, and the exit code is 2.

FOLDER/clutter has 150, 50 and 200 generated images of 128 pixels, in which
handwritten digits are the one class, among lines, arcs and frames of their
size that are none. Digits of val and of test are not those of train.

All have Pascal VOC's form, and are what the rows own_rbc_cpu, own_wbc_cpu and
own_clutter_cpu train on.
"""

import argparse
import os
import pathlib
import shutil
import sys
from collections.abc import Sequence
from xml.etree import ElementTree

import cv2
import numpy as np

from vision_jax.data.sources.scenes import DigitScenes

SPLITS = ("train", "val", "test")
EACH = 150  # training images
CELLS = {"bccd_rbc": "RBC", "bccd_wbc": "WBC"}
SIZE, DIGITS, SHAPES = 128, 5, (8, 20)  # pixels; at most; from and below
# split -> that of the digits, the first of its scenes, their number
CLUTTER = {
  "train": ("train", 0, EACH),
  "val": ("test", 0, 50),
  "test": ("test", 50, 200),
}


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the folders; returns the exit code."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.small_boxes")
  parser.add_argument("--output", required=True, type=pathlib.Path)
  parser.add_argument("--data_dir", default="", help="default VISION_JAX_DATA")
  given = parser.parse_args(argv)
  write_clutter(given.output / "clutter")
  root = given.data_dir or os.environ.get("VISION_JAX_DATA", "")
  bccd = pathlib.Path(root, "bccd_voc")
  if not (bccd / "Annotations").is_dir():
    print(f"{bccd}: no folder of VOC's form; BCCD is left out", file=sys.stderr)
    return 2
  for name, cell in CELLS.items():
    write_one_class(bccd, given.output / name, cell)
  return 0


def write_one_class(
  voc: pathlib.Path, folder: pathlib.Path, cell: str, each: int = EACH
) -> None:
  """Writes a set of VOC's form with one class of boxes.

  Args:
    voc: the set to read.
    folder: where to write.
    cell: the class that is kept.
    each: training images, the first of train; all of other splits.
  """
  for split in SPLITS:
    listed = voc / "ImageSets/Main" / f"{split}.txt"
    names = listed.read_text(encoding="utf-8").split()
    names = names[:each] if split == "train" else names
    for name in names:
      tree = ElementTree.parse(voc / "Annotations" / f"{name}.xml")
      root = tree.getroot()
      for found in root.findall("object"):
        if found.findtext("name") != cell:
          root.remove(found)
      tree.write(_place(folder, "Annotations", f"{name}.xml"))
      image = f"{name}.jpg"
      kept = _place(folder, "JPEGImages", image)
      shutil.copyfile(voc / "JPEGImages" / image, kept)
    _list(folder, split, names)


def write_clutter(folder: pathlib.Path, each: int | None = None) -> None:
  """Writes generated digits among what is none; `each` is images a split."""
  for split, (digits, start, length) in CLUTTER.items():
    scenes = DigitScenes(
      digits, start + length, size=SIZE, max_objects=DIGITS, seed=1
    )
    names = []
    for i in range(start, start + (each or length)):
      (scene,) = scenes.read(np.array([i]))
      name = f"{split}{i:03}"
      image = cluttered(scene, np.random.default_rng((i, split == "train")))
      path = _place(folder, "JPEGImages", f"{name}.jpg")
      cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
      written = _annotation(scene["boxes"][scene["box_mask"] > 0] * SIZE)
      written.write(_place(folder, "Annotations", f"{name}.xml"))
      names.append(name)
    _list(folder, split, names)


def cluttered(scene: dict, rng: np.random.Generator) -> np.ndarray:
  """Returns a scene's image with lines, arcs and frames behind its digits."""
  image = scene["image"].copy()
  for _ in range(rng.integers(*SHAPES)):
    colour = tuple(int(x) for x in rng.integers(0, 256, 3))
    thick = int(rng.integers(1, 6))
    here = [int(x) for x in rng.integers(0, SIZE, 2)]
    away = [int(x) for x in rng.integers(-SIZE // 2, SIZE // 2, 2)]
    there = [a + b for a, b in zip(here, away, strict=True)]
    kind = rng.integers(3)
    if kind == 0:
      cv2.line(image, here, there, colour, thick)
    elif kind == 1:
      cv2.rectangle(image, here, there, colour, thick)
    else:
      axes = [abs(x) // 2 + 2 for x in away]
      turn, start, span = (float(x) for x in rng.uniform(0, 360, 3))
      cv2.ellipse(image, here, axes, turn, start, start + span, colour, thick)
  behind = scene["target"] == 0
  return np.where(behind[..., None], image, scene["image"])


def _annotation(boxes: np.ndarray) -> ElementTree.ElementTree:
  """Returns VOC's annotation of digits; boxes (n, 4) cxcywh in pixels."""
  root = ElementTree.Element("annotation")
  size = ElementTree.SubElement(root, "size")
  for name in ("width", "height"):
    ElementTree.SubElement(size, name).text = str(SIZE)
  for cx, cy, w, h in boxes.tolist():
    found = ElementTree.SubElement(root, "object")
    ElementTree.SubElement(found, "name").text = "digit"
    sides = {"xmin": cx - w / 2, "ymin": cy - h / 2}
    sides |= {"xmax": cx + w / 2, "ymax": cy + h / 2}
    box = ElementTree.SubElement(found, "bndbox")
    for name, side in sides.items():
      ElementTree.SubElement(box, name).text = f"{side:.1f}"
  return ElementTree.ElementTree(root)


def _list(folder: pathlib.Path, split: str, names: Sequence[str]) -> None:
  path = _place(folder, "ImageSets/Main", f"{split}.txt")
  path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _place(folder: pathlib.Path, below: str, name: str) -> pathlib.Path:
  path = folder / below / name
  path.parent.mkdir(parents=True, exist_ok=True)
  return path


if __name__ == "__main__":
  sys.exit(main())
