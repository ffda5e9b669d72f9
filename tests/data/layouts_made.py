"""One small set, written in each layout of a folder of data.

30 grey images of 32 x 32 to train on and 6 to test, named by their numbers.
Each has a bright rectangle, of the class 0, 1 or 2.
"""

import csv
import functools
import gzip
import io
import json
import tarfile

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

SIDE, NAMES = 32, ("0", "1", "2")
SPLITS = {"train": range(30), "test": range(100, 106)}


def label(i):
  return i % 3


def box(i):
  """Corners in pixels."""
  return 2 + i % 5, 4 + i % 3, 12 + i % 7, 20 + i % 4


@functools.cache
def pixels(i):
  image = np.random.default_rng(i).integers(0, 100, (SIDE, SIDE), np.uint8)
  x0, y0, x1, y1 = box(i)
  image[y0:y1, x0:x1] = 150 + 40 * label(i)
  return np.repeat(image[..., None], 3, 2)


def mask(i):
  x0, y0, x1, y1 = box(i)
  found = np.zeros((SIDE, SIDE), np.uint8)
  found[y0:y1, x0:x1] = 1 + label(i)
  return found


def png(image):
  file = io.BytesIO()
  Image.fromarray(image).save(file, "PNG")
  return file.getvalue()


def write(path, data):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(data if isinstance(data, bytes) else data.encode())


def images(folder, numbers):
  for i in numbers:
    write(folder / f"{i}.png", png(pixels(i)))


def arrays(split):
  numbers = SPLITS[split]
  image = np.stack([pixels(i) for i in numbers])
  return image, np.array([label(i) for i in numbers], np.int64)


# Labels: a class for each image.


def class_folders(root, train="train", test="test"):
  for split, name in (("train", train), ("test", test)):
    for i in SPLITS[split]:
      write(root / name / NAMES[label(i)] / f"{i}.png", png(pixels(i)))


def table(root, rows, name="labels.csv", delimiter=","):
  text = io.StringIO()
  csv.writer(text, delimiter=delimiter).writerows(rows)
  write(root / name, text.getvalue())


def csv_of_classes(root):
  """One table, whose column tells the split, in semicolons."""
  rows = [("filename", "label", "split")]
  for split, numbers in SPLITS.items():
    images(root / "images", numbers)
    rows += [(f"images/{i}.png", label(i), split) for i in numbers]
  table(root, rows, delimiter=";")


def csv_for_each_split(root):
  """A table a split, of names alone, and their images somewhere below."""
  for split, numbers in SPLITS.items():
    images(root / "all" / split, numbers)
    rows = [(i, label(i)) for i in numbers]
    table(root, [("id", "class"), *rows], f"{split}.csv")


def npz_as_keras(root):
  (x, y), (u, v) = arrays("train"), arrays("test")
  root.mkdir(parents=True, exist_ok=True)
  np.savez(root / "set.npz", x_train=x, y_train=y, x_test=u, y_test=v)


def npz_as_medmnist(root):
  """Grey images without an axis of channels, labels in a column."""
  root.mkdir(parents=True, exist_ok=True)
  named = {}
  for split in SPLITS:
    image, labels = arrays(split)
    named[f"{split}_images"] = image[..., 0]
    named[f"{split}_labels"] = labels[:, None]
  np.savez(root / "small.npz", **named)


def idx(root, prefix="", turned=False):
  for split, name in (("train", "train"), ("test", "t10k")):
    image, labels = arrays(split)
    grey = image[..., 0].swapaxes(1, 2) if turned else image[..., 0]
    head = lambda magic, *n: np.array([magic, *n], ">u4").tobytes()
    data = head(0x803, *grey.shape) + grey.tobytes()
    zipped = gzip.compress(data, 1)
    write(root / f"{prefix}{name}-images-idx3-ubyte.gz", zipped)
    given = head(0x801, len(labels)) + labels.astype(np.uint8).tobytes()
    write(root / f"{prefix}{name}-labels-idx1-ubyte", given)


def emnist(root):
  """Whose images have rows and columns exchanged."""
  for split, name in (("train", "train"), ("test", "test")):
    image, labels = arrays(split)
    grey = np.ascontiguousarray(image[..., 0].swapaxes(1, 2))
    head = lambda magic, *n: np.array([magic, *n], ">u4").tobytes()
    stem = f"emnist-small-{name}"
    write(
      root / f"{stem}-images-idx3-ubyte",
      head(0x803, *grey.shape) + grey.tobytes(),
    )
    given = head(0x801, len(labels)) + labels.astype(np.uint8).tobytes()
    write(root / f"{stem}-labels-idx1-ubyte", given)
  mapping = "".join(f"{k} {ord(name)}\n" for k, name in enumerate(NAMES))
  write(root / "emnist-small-mapping.txt", mapping)


def cifar(root):
  def rows(split):
    image, labels = arrays(split)
    planes = image.transpose(0, 3, 1, 2).reshape(len(image), -1)
    return np.concatenate([labels[:, None].astype(np.uint8), planes], 1)

  train = rows("train")
  write(root / "data_batch_1.bin", train[:20].tobytes())
  write(root / "data_batch_2.bin", train[20:].tobytes())
  write(root / "test_batch.bin", rows("test").tobytes())
  write(root / "batches.meta.txt", "\n".join(NAMES) + "\n\n")


def webdataset(root):
  for split, numbers in SPLITS.items():
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / f"set-{split}-000.tar", "w") as file:
      for i in numbers:
        given = {"label": label(i)}
        for suffix, data in (
          ("png", png(pixels(i))),
          ("json", json.dumps(given).encode()),
        ):
          member = tarfile.TarInfo(f"{i}.{suffix}")
          member.size = len(data)
          file.addfile(member, io.BytesIO(data))


def _hugging_face(numbers, objects):
  """Returns a table as `datasets` writes it."""
  import pyarrow

  rows = {
    "image": [{"bytes": png(pixels(i)), "path": f"{i}.png"} for i in numbers]
  }
  kind = {"_type": "ClassLabel", "names": list(NAMES)}
  if objects:
    rows["objects"] = [
      {"bbox": [_xywh(i)], "category": [label(i)]} for i in numbers
    ]
    rows |= {n: [SIDE] * len(numbers) for n in ("width", "height")}
    feature = {"objects": {"feature": {"category": kind}}}
  else:
    rows["label"] = [label(i) for i in numbers]
    feature = {"label": kind}
  given = json.dumps({"info": {"features": feature}})
  made = pyarrow.table(rows)
  return made.replace_schema_metadata({b"huggingface": given.encode()})


def parquet(root, objects=False):
  import pyarrow.parquet

  (root / "data").mkdir(parents=True)
  for split, numbers in SPLITS.items():
    path = root / "data" / f"{split}-00000-of-00001.parquet"
    pyarrow.parquet.write_table(_hugging_face(numbers, objects), path)


def parquet_of_boxes(root):
  parquet(root, objects=True)


def arrow(root):
  """As `save_to_disk` writes it: a stream in each split's folder."""
  import pyarrow

  for split, numbers in SPLITS.items():
    (root / split).mkdir(parents=True)
    write(root / split / "state.json", "{}")
    made = _hugging_face(numbers, False)
    with (
      (root / split / "data-00000-of-00001.arrow").open("wb") as file,
      pyarrow.ipc.new_stream(file, made.schema) as stream,
    ):
      stream.write_table(made)


def _varint(n):
  data = b""
  while n > 127:
    data += bytes([n & 127 | 128])
    n >>= 7
  return data + bytes([n])


def _field(number, data):
  return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _example(i):
  """A record of tensorflow-datasets: a protobuf of features."""
  image = _field(1, _field(1, png(pixels(i))))
  value = _field(3, _field(1, _varint(label(i))))
  entry = lambda key, x: _field(1, _field(1, key) + _field(2, x))
  return _field(1, entry(b"image", image) + entry(b"label", value))


def tfds(root):
  folder = root / "small" / "1.0.0"
  kinds = "tensorflow_datasets.core.features."
  features = {
    "pythonClassName": f"{kinds}features_dict.FeaturesDict",
    "featuresDict": {
      "features": {
        "image": {
          "pythonClassName": f"{kinds}image_feature.Image",
          "image": {
            "dtype": "uint8",
            "shape": {"dimensions": [str(SIDE), str(SIDE), "3"]},
          },
        },
        "label": {
          "pythonClassName": f"{kinds}class_label_feature.ClassLabel",
          "classLabel": {"numClasses": "3"},
        },
      }
    },
  }
  info = {
    "name": "small",
    "version": "1.0.0",
    "fileFormat": "array_record",
    "splits": [],
  }
  for split, numbers in SPLITS.items():
    folder.mkdir(parents=True, exist_ok=True)
    name = f"small-{split}.array_record-00000-of-00001"
    writer = ArrayRecordWriter(str(folder / name), "group_size:1")
    for i in numbers:
      writer.write(_example(i))
    writer.close()
    info["splits"].append(
      {
        "name": split,
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        "numBytes": "1",
        "shardLengths": [str(len(numbers))],
      }
    )
  write(folder / "features.json", json.dumps(features))
  write(folder / "dataset_info.json", json.dumps(info))
  write(folder / "label.labels.txt", "\n".join(NAMES) + "\n")


def label_studio_choices(root):
  for split, numbers in SPLITS.items():
    images(root / "images", numbers)
    tasks = [
      {
        "id": i,
        "annotations": [
          {
            "result": [
              {"type": "choices", "value": {"choices": [str(label(i))]}}
            ]
          }
        ],
        "data": {"image": f"/data/upload/1/0a1b2c3d-{i}.png"},
      }
      for i in numbers
    ]
    write(root / f"{split}.json", json.dumps(tasks))


def cvat_tags(root):
  _cvat(root, lambda i: f'<tag label="{label(i)}"></tag>')


LABELS = (
  *(class_folders, csv_of_classes, csv_for_each_split, npz_as_keras),
  *(npz_as_medmnist, idx, emnist, cifar, webdataset, parquet, arrow, tfds),
  *(label_studio_choices, cvat_tags),
)

# Boxes: a class and corners for each object, one an image here.


def _xywh(i):
  x0, y0, x1, y1 = map(float, box(i))
  return [x0, y0, x1 - x0, y1 - y0]


def _xml(i):
  x0, y0, x1, y1 = box(i)
  return (
    f"<annotation><filename>{i}.png</filename><size><width>{SIDE}</width>"
    f"<height>{SIDE}</height></size><object><name>{label(i)}</name><bndbox>"
    f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
    "</bndbox></object></annotation>"
  )


def voc(root):
  for split, numbers in SPLITS.items():
    images(root / "JPEGImages", numbers)
    for i in numbers:
      write(root / "Annotations" / f"{i}.xml", _xml(i))
    names = "".join(f"{i}\n" for i in numbers)
    write(root / "ImageSets" / "Main" / f"{split}.txt", names)


def voc_by_split(root):
  """xml beside the images in a folder for each split."""
  for split, numbers in SPLITS.items():
    images(root / split, numbers)
    for i in numbers:
      write(root / split / f"{i}.xml", _xml(i))


def _coco(numbers):
  return json.dumps(
    {
      "info": {"description": "small"},
      "images": [
        {"id": i, "file_name": f"{i}.png", "height": SIDE, "width": SIDE}
        for i in numbers
      ],
      "annotations": [
        {"id": i, "image_id": i, "category_id": label(i), "bbox": _xywh(i)}
        for i in numbers
      ],
      "categories": [{"id": k, "name": name} for k, name in enumerate(NAMES)],
    }
  )


def coco(root):
  for split, numbers in SPLITS.items():
    images(root / f"{split}2017", numbers)
    path = root / "annotations" / f"instances_{split}2017.json"
    write(path, _coco(numbers))


def coco_as_roboflow(root):
  for split, numbers in SPLITS.items():
    images(root / split, numbers)
    write(root / split / "_annotations.coco.json", _coco(numbers))


def _yolo_texts(folder, numbers):
  for i in numbers:
    x, y, w, h = (n / SIDE for n in _xywh(i))
    write(folder / f"{i}.txt", f"{label(i)} {x + w / 2} {y + h / 2} {w} {h}\n")


def yolo(root):
  """As Roboflow exports it: its paths lead out of the folder."""
  for split, numbers in SPLITS.items():
    images(root / split / "images", numbers)
    _yolo_texts(root / split / "labels", numbers)
  given = "train: ../train/images\ntest: ../test/images\nnc: 3\n"
  write(root / "data.yaml", f"{given}names: ['0', '1', '2']\n")


def yolo_of_images(root):
  """As Ultralytics has it: images/SPLIT and labels/SPLIT, names by number."""
  for split, numbers in SPLITS.items():
    images(root / "images" / split, numbers)
    _yolo_texts(root / "labels" / split, numbers)
  given = "path: /of/another/machine\ntrain: images/train\ntest: images/test\n"
  write(root / "small.yaml", given + "names: {0: '0', 1: '1', 2: '2'}\n")


def yolo_with_a_list(root):
  for split, numbers in SPLITS.items():
    images(root / "images" / split, numbers)
    _yolo_texts(root / "labels" / split, numbers)
  write(root / "classes.txt", "0\n1\n2\n")


def csv_as_tensorflow(root):
  for split, numbers in SPLITS.items():
    images(root / split, numbers)
    rows = [(f"{i}.png", SIDE, SIDE, label(i), *box(i)) for i in numbers]
    corners = ("xmin", "ymin", "xmax", "ymax")
    head = ("filename", "width", "height", "class", *corners)
    table(root / split, [head, *rows], "_annotations.csv")


def csv_as_open_images(root):
  for split, numbers in SPLITS.items():
    images(root / split, numbers)
    rows = [("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")]
    for i in numbers:
      x0, y0, x1, y1 = (n / SIDE for n in box(i))
      rows.append((i, f"/m/{label(i)}", x0, x1, y0, y1))
    table(root, rows, f"{split}-annotations-bbox.csv")
  names = [(f"/m/{k}", name) for k, name in enumerate(NAMES)]
  table(root, names, "class-descriptions-boxable.csv")


def _cvat(root, inside):
  rows = []
  for split, numbers in SPLITS.items():
    images(root / "images", numbers)
    rows += [
      f'<image id="{i}" name="{i}.png" subset="{split}" width="{SIDE}" '
      f'height="{SIDE}">{inside(i)}</image>'
      for i in numbers
    ]
  body = f"<annotations><version>1.1</version>{''.join(rows)}</annotations>"
  write(root / "annotations.xml", body)


def cvat(root):
  keys = ("xtl", "ytl", "xbr", "ybr")

  def inside(i):
    corners = zip(keys, box(i), strict=True)
    given = " ".join(f'{key}="{n}"' for key, n in corners)
    return f'<box label="{label(i)}" {given}></box>'

  _cvat(root, inside)


def label_studio(root):
  keys = ("x", "y", "width", "height")
  for split, numbers in SPLITS.items():
    images(root / "images", numbers)
    tasks = []
    for i in numbers:
      percent = [n * 100 / SIDE for n in _xywh(i)]
      value = dict(zip(keys, percent, strict=True))
      value["rectanglelabels"] = [str(label(i))]
      row = {"type": "rectanglelabels", "value": value}
      row |= {"original_width": SIDE, "original_height": SIDE}
      task = {"id": i, "annotations": [{"result": [row]}]}
      tasks.append(task | {"data": {"image": f"/data/upload/{i}.png"}})
    write(root / f"{split}.json", json.dumps(tasks))


BOXES = (
  *(voc, voc_by_split, coco, coco_as_roboflow, yolo, yolo_of_images),
  *(yolo_with_a_list, csv_as_tensorflow, csv_as_open_images),
  *(parquet_of_boxes, cvat, label_studio),
)

# Masks: a class for each pixel.


def masks(root):
  """images/SPLIT and masks/SPLIT."""
  for split, numbers in SPLITS.items():
    images(root / "images" / split, numbers)
    for i in numbers:
      write(root / "masks" / split / f"{i}.png", png(mask(i)))


def masks_by_split(root):
  for split, numbers in SPLITS.items():
    images(root / split / "images", numbers)
    for i in numbers:
      write(root / split / "labels" / f"{i}.png", png(mask(i)))


def masks_as_segnet(root):
  for split, numbers in SPLITS.items():
    images(root / split, numbers)
    for i in numbers:
      write(root / f"{split}annot" / f"{i}.png", png(mask(i)))


def masks_with_lists(root):
  for split, numbers in SPLITS.items():
    images(root / "images", numbers)
    for i in numbers:
      write(root / "masks" / f"{i}.png", png(mask(i)))
    write(root / f"{split}.txt", "".join(f"{i}\n" for i in numbers))


def masks_beside(root):
  for split, numbers in SPLITS.items():
    images(root / split, numbers)
    for i in numbers:
      write(root / split / f"{i}_mask.png", png(mask(i)))


MASKS = (
  *(masks, masks_by_split, masks_as_segnet, masks_with_lists, masks_beside),
)
