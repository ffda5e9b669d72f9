"""Files of boxes, read by others and by ourselves: they say the same.

panlabel is an independent reader of all four forms; where it is not installed,
short readers stand for it, written from each tool's documentation.
"""

import json
import pathlib
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from vision_jax.data.layouts import cvat, label_studio, yolo
from vision_jax.data.sources.coco import CocoSource
from vision_jax.viz.png import write_png
from vision_jax.writers.base import About, height_width, named

NAMES = ("cat", "a & <b>", "Größe")
SIZES = {"x": (20, 30), "d/x": (41, 17), "é": (64, 64)}
PANLABEL = pathlib.Path(sys.executable).parent / "panlabel"
FILES = {
  "coco": "coco.json",
  "cvat": "annotations.xml",
  "label_studio": "label_studio.json",
  "yolo": "",
}


def rows(seed=0):
  """Returns (name, class, box) of all boxes, and the outputs by name."""
  rng = np.random.default_rng(seed)
  truth, outputs = [], {}
  for number, (name, (h, w)) in enumerate(SIZES.items()):
    low = rng.uniform(0, 0.6, (number + 1, 2))
    high = rng.uniform(low + 0.1, 1)
    boxes = np.float32(np.concatenate([low, high], 1) * [w, h, w, h])
    labels = rng.integers(0, 3, number + 1)
    score = np.full(number + 1, 0.9, np.float32)
    outputs[name] = {"boxes": boxes, "score": score, "label": labels}
    truth += [
      (name, NAMES[k], box) for k, box in zip(labels, boxes, strict=True)
    ]
  return truth, outputs


@pytest.fixture(scope="module")
def written(tmp_path_factory):
  """Folder with a folder for each form, and what was written there."""
  folder = tmp_path_factory.mktemp("forms")
  truth, outputs = rows()
  height_width.cache_clear()
  for form in FILES:
    writer = named(form)(About(folder / form, NAMES))
    for name, (h, w) in SIZES.items():
      path = folder / form / "images" / f"{name}.png"
      write_png(path, np.zeros((h, w, 3), np.uint8))
      writer(path, outputs[name], name)
    writer.close()
  return folder, truth


def assert_same(found, truth, atol):
  """Asserts that (file, class, box) are the same, in any order."""
  key = lambda entry: (entry[0], entry[1], round(float(entry[2][0]), 1))
  found, truth = sorted(found, key=key), sorted(truth, key=key)
  stem = lambda file: str(pathlib.PurePosixPath(file).with_suffix(""))
  assert [stem(f) for f, *_ in found] == [f for f, *_ in truth]
  assert [name for _, name, _ in found] == [name for _, name, _ in truth]
  boxes = [np.stack([box for *_, box in x]) for x in (found, truth)]
  np.testing.assert_allclose(*boxes, atol=atol)


def read_coco(folder):
  """images, categories and annotations with bbox x, y, width, height."""
  whole = json.loads((folder / "coco.json").read_text())
  files = {e["id"]: e["file_name"] for e in whole["images"]}
  names = {e["id"]: e["name"] for e in whole["categories"]}
  for e in whole["annotations"]:
    x, y, w, h = e["bbox"]
    box = np.array([x, y, x + w, y + h])
    assert e["area"] == pytest.approx(w * h) and e["iscrowd"] == 0
    yield files[e["image_id"]], names[e["category_id"]], box


def read_cvat(folder):
  """image with name, box with label, xtl, ytl, xbr, ybr in pixels."""
  root = ElementTree.parse(folder / "annotations.xml").getroot()
  assert root.tag == "annotations" and root.findtext("version") == "1.1"
  for image in root.iter("image"):
    for box in image.iter("box"):
      corners = [float(box.get(k)) for k in ("xtl", "ytl", "xbr", "ybr")]
      yield image.get("name"), box.get("label"), np.array(corners)


def read_label_studio(folder):
  """Tasks with result, value of which is in percent of the original size."""
  for task in json.loads((folder / "label_studio.json").read_text()):
    url = urllib.parse.urlsplit(task["data"]["image"])
    assert url.path == "/data/local-files/"
    (file,) = urllib.parse.parse_qs(url.query)["d"]
    for e in task["predictions"][0]["result"]:
      assert (e["from_name"], e["to_name"]) == ("label", "image")
      size = np.array([e["original_width"], e["original_height"]] * 2) / 100
      x, y, w, h = (e["value"][k] for k in ("x", "y", "width", "height"))
      (name,) = e["value"]["rectanglelabels"]
      yield file, name, np.array([x, y, x + w, y + h]) * size


def read_yolo(folder):
  """A line is class, centre x, centre y, width, height, of the image."""
  names = json.loads(  # whose strings are JSON's
    "{"
    + ",".join(
      f'"{k.strip()}":{x}'
      for k, _, x in (
        line.partition(":")
        for line in (folder / "data.yaml").read_text().splitlines()
        if line.startswith("  ")
      )
    )
    + "}"
  )
  for name, (h, w) in SIZES.items():
    text = (folder / "labels" / f"{name}.txt").read_text()
    for line in text.splitlines():
      k, *numbers = line.split()
      x, y, bw, bh = map(float, numbers)
      box = [x - bw / 2, y - bh / 2, x + bw / 2, y + bh / 2]
      yield name, names[k], np.array(box) * [w, h, w, h]


READERS = {
  "coco": read_coco,
  "cvat": read_cvat,
  "label_studio": read_label_studio,
  "yolo": read_yolo,
}
# COCO has three digits of pixels, CVAT two, YOLO six of the image.
CLOSE = {"coco": 1.1e-3, "cvat": 0.0051, "label_studio": 1e-4, "yolo": 1e-4}


@pytest.mark.parametrize("form", FILES)
def test_by_the_documentation(written, form):
  folder, truth = written
  assert_same(READERS[form](folder / form), truth, CLOSE[form])


@pytest.mark.parametrize("form", FILES)
@pytest.mark.skipif(not PANLABEL.exists(), reason="panlabel is not installed")
def test_by_panlabel(written, tmp_path, form):
  folder, truth = written
  given = folder / form / FILES[form]
  if form == "label_studio":  # it takes paths, and no address of a server
    tasks = json.loads(given.read_text())
    for task in tasks:
      path = urllib.parse.unquote(task["data"]["image"].partition("?d=")[2])
      task["data"]["image"] = path.replace("/", "-")
    given = tmp_path / "tasks.json"
    given.write_text(json.dumps(tasks))
  out = tmp_path / "out.json"
  done = subprocess.run(
    [
      *(PANLABEL, "convert", "-f", form.replace("_", "-"), "-t", "ir-json"),
      *("-i", given, "-o", out),
    ],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  whole = json.loads(out.read_text())
  # Our data.yaml names the folder as both train and val.
  plain = lambda name: name.removeprefix("train/").removeprefix("/")
  files = {e["id"]: plain(e["file_name"]) for e in whole["images"]}
  files = {i: f for i, f in files.items() if not f.startswith("val/")}
  names = {e["id"]: e["name"] for e in whole["categories"]}
  corners = ("xmin", "ymin", "xmax", "ymax")
  found = [
    (
      files[e["image_id"]],
      names[e["category_id"]],
      np.array([e["bbox"][k] for k in corners]),
    )
    for e in whole["annotations"]
    if e["image_id"] in files
  ]
  if form == "label_studio":
    truth = [(file.replace("/", "-"), *rest) for file, *rest in truth]
  assert_same(found, truth, CLOSE[form])


@pytest.mark.parametrize("form", FILES)
def test_by_our_own_readers(written, form):
  folder, truth = written
  folder = folder / form
  if form == "coco":
    source = CocoSource(folder / "coco.json", folder / "images")
  else:
    if form == "label_studio":  # where someone has accepted the predictions
      tasks = json.loads((folder / "label_studio.json").read_text())
      for task in tasks:
        task["annotations"] = task.pop("predictions")
      (folder / "label_studio.json").write_text(json.dumps(tasks))
    layout = {"cvat": cvat, "label_studio": label_studio, "yolo": yolo}[form]
    source = layout.recognise(folder).splits["train"]()
  found = []
  for example in source.read(np.arange(len(source))):
    h, w = example["size"]
    file = pathlib.Path(example["name"])
    name = file.with_suffix("").as_posix().rpartition("images/")[2]
    low, size = np.split(example["boxes"], 2, 1)
    boxes = np.concatenate([low - size / 2, low + size / 2], 1) * [w, h, w, h]
    found += [
      (name, source.class_names[k], box)
      for k, box in zip(example["label"], boxes, strict=True)
    ]
  assert_same(found, truth, 0.01)


def test_the_interface_of_label_studio_names_what_tasks_name(written):
  folder, _ = written
  view = ElementTree.parse(folder / "label_studio" / "label_studio.xml")
  root = view.getroot()
  assert root.tag == "View"
  assert root.find("Image").attrib == {"name": "image", "value": "$image"}
  control = root.find("RectangleLabels")
  assert control.attrib == {"name": "label", "toName": "image"}
  assert [x.get("value") for x in control] == [*NAMES]
  colours = {x.get("background") for x in control}
  assert len(colours) == 3 and all(len(c) == 7 for c in colours)


@pytest.mark.parametrize("several", [False, True])
def test_the_interface_of_classes(tmp_path, several):
  writer = named("label_studio")(About(tmp_path, NAMES))
  label = np.zeros(3 if several else (), int)
  row = {"logits": np.array([1.0, -2.0, 3.0]), "label": label}
  writer(tmp_path / "a.png", row, "a")
  writer.close()
  choices = ElementTree.parse(tmp_path / "label_studio.xml").find("Choices")
  assert choices.get("choice") == ("multiple" if several else "single")
  assert choices.get("name") == "choice" and choices.get("toName") == "image"
  assert [x.get("value") for x in choices.findall("Choice")] == [*NAMES]
  (task,) = json.loads((tmp_path / "label_studio.json").read_text())
  found = [e["value"]["choices"] for e in task["predictions"][0]["result"]]
  assert found == ([["Größe"], ["cat"]] if several else [["Größe"]])
