"""`--mode=check`: what is in a folder, and whether training would stop."""

import pathlib
import shutil
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests.data import layouts_made as made
from vision_jax import main
from vision_jax.checking import augmented
from vision_jax.data.groups import clips
from vision_jax.data.loader import Loader
from vision_jax.data.recognise import config_of
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.together import Sizes, Together
from vision_jax.errors import UserError
from vision_jax.recipe import recipe


@pytest.fixture
def check(drawing, monkeypatch):
  """`drawing`, but for augmented.png, which has to be compiled."""
  monkeypatch.setattr(augmented, "write_augmented", lambda *args: "")
  return drawing


@pytest.fixture
def drawing(tmp_path, capfd):
  """Runs the mode; returns its exit code and what it printed."""

  def run(folder, *flags):
    output = tmp_path / "sheet"
    given = [f"--config.data_dir={folder}", f"--output={output}", *flags]
    code = main.main(["--mode=check", *given])
    out, err = capfd.readouterr()
    return code, out + err

  return run


def test_labels_are_told(tmp_path, check):
  made.class_folders(tmp_path / "mine", "Train", "test")
  code, text = check(tmp_path / "mine")
  assert code == 0
  assert "class_folders (labels): Train, test/ with a folder for each" in text
  held = int(text.partition("val ")[2].partition(",")[0].partition(";")[0])
  assert f"Images: train {30 - held}, val {held}, test 6; val is held" in text
  assert "Classes: 3, by images\n" in text
  assert text.count("      12 ") == 3  # of each class, in all splits
  assert "Sizes (height x width): 32x32 (36)\n" in text
  assert "Faults: none" in text
  sheet = np.asarray(Image.open(tmp_path / "sheet" / "check.png"))
  assert sheet.ndim == 3 and max(sheet.shape) >= 512


def test_boxes_are_told_by_size_with_what_cannot_be_right(tmp_path, check):
  made.voc(tmp_path / "mine")
  path = tmp_path / "mine" / "Annotations" / "3.xml"
  text = path.read_text()
  path.write_text(text.replace("<xmax>15</xmax>", "<xmax>5</xmax>"))
  (tmp_path / "mine" / "JPEGImages" / "7.png").write_bytes(b"")
  assert "<xmin>5</xmin>" in text and path.read_text() != text
  code, text = check(tmp_path / "mine")
  assert "Boxes: 34; small 34, medium 0, large 0" in text
  assert "Faults: 1 images that cannot be read\n" in text
  assert "7.png: the file is empty" in text
  assert "Faults: 1 boxes that cannot be right\n" in text
  assert "3.xml: box 0 has no area; it was left out" in text
  assert code == 2 and "stop: 1 images that cannot be read" in text
  assert "stop: 1 boxes" not in text
  code, text = check(tmp_path / "mine", "--config.on_bad_image=skip")
  assert code == 0
  code, text = check(tmp_path / "mine", "--config.on_bad_box=error")
  assert code == 2 and "stop: 1 boxes that cannot be right, such as" in text


def test_masks_are_told_by_their_values(tmp_path, check):
  made.masks(tmp_path / "mine")
  code, text = check(tmp_path / "mine")
  assert code == 0 and "Classes: 4, by images that have the value" in text
  flags = [
    f"--config.{k}={tmp_path}/mine/{k}/train" for k in ("images", "masks")
  ]
  shutil.rmtree(tmp_path / "sheet")
  code, text = check("", *flags)
  assert code == 0 and "images in " in text and "val is held out" in text
  small = made.mask(3)[:30]
  made.write(tmp_path / "mine/masks/train/3.png", made.png(small))
  made.write(tmp_path / "mine/masks/train/4.png", made.png(made.mask(4) * 9))
  code, text = check(tmp_path / "mine")
  assert code == 2 and "3.png: is 30x32, its image 32x32" in text
  assert "mask_values=0,1,2,3,18" in text


def test_masks_of_single_objects_are_told_by_one_flag(tmp_path, check):
  made.masks(tmp_path / "mine")
  mask = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)
  made.write(tmp_path / "mine/masks/train/4.png", made.png(mask))
  code, text = check(tmp_path / "mine")
  assert code == 2 and "--config.objects=true takes all but 0" in text
  code, text = check(tmp_path / "mine", "--config.objects=true")
  assert code == 0 and "Classes: 2, by images that have the value" in text


def test_what_the_config_says_is_looked_at(tmp_path, check):
  made.voc(tmp_path / "mine")
  config = "--config=configs/detection/voc_detr.py"
  assert check(tmp_path / "mine", config)[0] == 0
  code, text = check(tmp_path / "mine", "--config.class_names=0,1")
  assert code == 2 and "is of the class '2'; expected one of 0, 1" in text
  code, text = check(tmp_path / "mine", "--config.splits=train,,test")
  assert code == 0 and "Images: train 30, test 6\n" in text
  code, text = check(tmp_path / "mine", "--config.splits=train,valid,")
  assert code == 2 and "expected names that" in text
  code, text = check(
    tmp_path / "mine", "--config=configs/detection/bccd_detr.py"
  )
  assert code == 2 and "dataset is 'voc'; expected a config that reads" in text
  code, text = check("")
  assert code == 2 and "--config.data_dir is missing" in text


# Folders that cannot be used: how they are made, and the error.


def nothing(root):
  root.mkdir()


def two_layouts(root):
  made.coco_as_roboflow(root)
  made.csv_as_tensorflow(root)


def splits_that_share(root):
  made.class_folders(root)
  shutil.copy(root / "train/1/4.png", root / "test/1/other.png")


def a_class_of_one(root):
  made.class_folders(root)
  made.write(root / "train/rare/1.png", made.png(made.pixels(200)))


def parquet_without_images(root):
  import pyarrow.parquet

  root.mkdir()
  table = pyarrow.table({"text": ["a"], "label": [0]})
  pyarrow.parquet.write_table(table, root / "train.parquet")


def a_parquet_cut_short(root):
  made.parquet(root)
  path = root / "data/train-00000-of-00001.parquet"
  path.write_bytes(path.read_bytes()[:-50])


def a_tar_cut_short(root):
  made.webdataset(root)
  path = root / "set-train-000.tar"
  path.write_bytes(path.read_bytes()[:-15_000])


def a_tar_of_something(root):
  root.mkdir()
  made.write(root / "x.txt", "no image")
  with tarfile.open(root / "all.tar", "w") as file:
    file.add(root / "x.txt", "x.txt")


def csv_without_classes(root):
  made.images(root, range(3))
  made.table(root, [("filename", "age"), ("0.png", 3)])


def csv_without_a_corner(root):
  made.images(root, range(3))
  head = ("filename", "class", "xmin", "ymin", "xmax")
  made.table(root, [head, ("0.png", "a", 1, 2, 9), ("0.png", "b", 2, 2, 9)])


def csv_of_other_boxes(root):
  made.images(root, range(3))
  head = ("filename", "class", "x", "y", "w", "h")
  made.table(root, [head, *[("0.png", c, 1, 2, 9, 9) for c in "ab"]])


def csv_of_another_machine(root):
  made.images(root, range(3))
  rows = [(f"/home/ann/{i}.png", i % 2) for i in range(3)]
  made.table(root, [("filename", "label"), *rows])


def csv_of_files_that_are_gone(root):
  made.images(root, range(3))
  made.table(root, [("filename", "label"), ("7.png", 1)])


def yolo_beyond_its_names(root):
  made.yolo(root)
  made.write(root / "train/labels/5.txt", "3 0.5 0.5 0.1 0.1\n")


def yolo_in_pixels(root):
  made.yolo(root)
  made.write(root / "train/labels/5.txt", "1 16 16 8 8\n")


def open_images_in_pixels(root):
  made.images(root, range(3))
  head = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
  made.table(root, [head, (0, "a", 1, 20, 1, 20)], "train-bbox.csv")


def idx_cut_short(root):
  made.idx(root)
  path = root / "train-labels-idx1-ubyte"
  path.write_bytes(path.read_bytes()[:-3])


def cifar_cut_short(root):
  made.cifar(root)
  path = root / "data_batch_2.bin"
  path.write_bytes(path.read_bytes()[:-3])


def cifar_of_python(root):
  made.write(root / "data_batch_1", b"")


BAD = {
  nothing: "has nothing in it, which is no layout that is known; expected",
  two_layouts: "2 ways: coco .*; csv .* Say which, --config.layout=coco or",
  splits_that_share: "(train|val) and test share 1 image, such as .*4.png =",
  a_class_of_one: "of the classes rare it has one image or none in train",
  parquet_without_images: "columns text, label, and none with images; expected",
  a_parquet_cut_short: r"train-\S+\.parquet: cannot be read .*Copy it anew",
  a_tar_cut_short: r"set-train-000\.tar: is not whole .*Copy it anew",
  a_tar_of_something: "has all.tar, x.txt, which is no layout",
  csv_without_classes: "the columns filename, age, and none with their classes",
  csv_without_a_corner: "columns xmin, ymin, xmax of boxes, and no ymax; exp",
  csv_of_other_boxes: "more than once; .* columns of corners xmin, ymin, xmax",
  csv_of_another_machine: "line 2: names the image '/home/ann/0.png', an abs",
  csv_of_files_that_are_gone: "line 2: names the image '7.png', and there is n",
  yolo_beyond_its_names: r"5\.txt, line 1: has the class 3; expected 0 to 2",
  yolo_in_pixels: r"5\.txt, line 1: is '1 16 16 8 8', in pixels it seems",
  open_images_in_pixels: "line 2: has the corners .*, in pixels it seems",
  idx_cut_short: r"labels-idx1-ubyte: has 27 bytes .*expected 30\. It was cut",
  cifar_cut_short: r"data_batch_2\.bin: has 30727 bytes; expected a multiple",
  cifar_of_python: "CIFAR's version for Python, pickled, .*binary version",
}
BOXED = {
  *(two_layouts, yolo_beyond_its_names, yolo_in_pixels, open_images_in_pixels),
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_folders_stop_the_check_and_the_training(make, tmp_path, check):
  """With what, got, expected and the fix; the exit code is 2."""
  folder = tmp_path / "mine"
  make(folder)
  code, text = check(folder)
  assert code == 2
  if "Images: " not in text:  # nothing was opened: nothing is said of it
    assert "Classes: " not in text and "Looked at" not in text
  assert "Faults: none" not in text
  config = config_of("boxes" if make in BOXED else "labels")
  with pytest.raises(UserError, match=BAD[make]) as caught:
    recipe.load(config, {"data_dir": str(folder)})
  message = str(caught.value)
  assert "expected" in message and str(pathlib.Path(folder)) in message
  assert message in text


def test_one_image_cannot_be_held_out(tmp_path, check):
  made.write(tmp_path / "mine/images/0.png", made.png(made.pixels(0)))
  made.write(tmp_path / "mine/masks/0.png", made.png(made.mask(0)))
  code, text = check(tmp_path / "mine")
  assert code == 2
  assert "got no class with two examples, of 1 in all; expected one" in text
  assert "Images: " not in text


def test_augmented_images_are_those_that_training_sees(tmp_path, drawing):
  """In rows of one image; what stops there stops the check."""
  path = tmp_path / "sheet" / "augmented.png"
  made.voc(tmp_path / "boxes")
  off = [f"--config.augment.{key}=0" for key in ("crop", "flip", "brightness")]
  off += [f"--config.augment.{key}=0" for key in ("contrast", "saturation")]
  size = "--config.image_size=32,32"
  code, text = drawing(tmp_path / "boxes", size, *off)
  assert code == 0 and f"each drawn anew: {path}" in text
  plain = np.asarray(Image.open(path))
  rows = [plain[y : y + 128, : 6 * 130] for y in range(0, 4 * 130, 130)]
  for row in rows:  # nothing is drawn: six times the same
    cells = [row[:, x : x + 128] for x in range(0, 6 * 130, 130)]
    assert all((cell == cells[0]).all() for cell in cells)
  assert any((rows[0] != row).any() for row in rows[1:])
  code, text = drawing(
    tmp_path / "boxes", size, *off, "--config.augment.noise=0.5"
  )
  noisy = np.asarray(Image.open(path))
  assert code == 0 and (noisy[:128, :128] != noisy[:128, 130:258]).any()
  code, text = drawing(tmp_path / "boxes", size, "--config.augment.scale=2,0.5")
  assert code == 2 and "stop: --config.augment.scale: got (2, 0.5); exp" in text


@pytest.mark.parametrize(
  ("make", "size"), [(made.class_folders, 32), (made.masks, "32,32")]
)
def test_labels_and_masks_are_drawn_augmented(make, size, tmp_path, drawing):
  make(tmp_path / "mine")
  code, text = drawing(tmp_path / "mine", f"--config.image_size={size}")
  assert code == 0, text
  sheet = np.asarray(Image.open(tmp_path / "sheet" / "augmented.png"))
  assert sheet.shape[1] >= 6 * 128 and sheet.std() > 10


def test_what_is_shared_may_be_kept(tmp_path, check):
  splits_that_share(tmp_path / "mine")
  code, text = check(tmp_path / "mine", "--config.on_shared=keep")
  assert code == 0 and "Faults: 1 images that two splits share\n" in text
  values = {"data_dir": str(tmp_path / "mine"), "on_shared": "keep"}
  loaded = recipe.load(config_of("labels"), values)
  assert loaded.config.layout == "class_folders"
  assert tuple(loaded.config.class_names) == made.NAMES


def test_a_run_says_what_was_found(tmp_path, caplog):
  made.yolo(tmp_path / "mine")
  recipe.load(config_of("boxes"), {"data_dir": str(tmp_path / "mine")})
  (line,) = [m for m in caplog.messages if m.startswith("data ")]
  assert "mine: yolo (boxes), data.yaml with 3 classes" in line
  assert "val: a tenth of train, by file names" in line
  assert line.endswith("3 classes: 0, 1, 2")


def test_tables_say_what_to_install(tmp_path, monkeypatch, check):
  made.parquet(tmp_path / "mine")
  monkeypatch.setitem(sys.modules, "pyarrow", None)
  code, text = check(tmp_path / "mine")
  assert code == 2 and "needs pyarrow, which is not installed" in text
  assert "pip install 'vision_jax[data]'" in text


@pytest.mark.parametrize("name", ["clips", "together", "sizes"])
def test_a_sheet_shows_single_images_alone(tmp_path, name):
  image = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
  source = ArraySource({"image": image})
  loader = lambda source=source: Loader(source, (), 4)
  data = {
    "clips": lambda: loader(clips(source, 2)),
    "together": lambda: Together(a=loader()),
    "sizes": lambda: Sizes(lambda size: loader(), (8, 12)),
  }[name]()
  path = tmp_path / "augmented.png"
  line = augmented.write_augmented(path, data, dict, None, ())
  assert path.exists() == (name == "sizes")
  shown = {
    "clips": "but `image` (4, 2, 8, 8, 1)",
    "together": "but `a/image` (4, 8, 8, 1)",
    "sizes": f"Examples as they are trained on, each drawn anew: {path}",
  }
  assert shown[name] in line
