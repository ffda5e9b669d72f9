"""The corpus: annotations of boxes in VOC's and COCO's form."""

import json

import numpy as np

from tests.corpus import cases, refuse
from tests.data_fixtures import encode, random_image
from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.voc import VocSource
from vision_jax.data.transforms.boxes import check_size, pad_boxes
from vision_jax.data.transforms.image import decode

JPEG = encode(random_image(40, 60))


def boxes_of(source, max_boxes=3):
  """Reads every example of a source as training does."""
  for example in source.read(np.arange(len(source))):
    for apply in (decode(), check_size(), pad_boxes(max_boxes)):
      example = apply(example, None)


SIZE = "<size><width>60</width><height>40</height></size>"
BOX = (
  "<bndbox><xmin>6</xmin><ymin>4</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>"
)
DOG = f"<object><name>dog</name><difficult>0</difficult>{BOX}</object>"


def xml(*parts):
  """The text of an annotation."""
  return f"<annotation>{''.join(parts)}</annotation>"


def dog(old, new):
  """An annotation of a dog, with a part of its text replaced."""
  assert old in SIZE + DOG
  return xml(SIZE + DOG).replace(old, new)


def voc(text=None, *, names="one\n", split="train", files=None, **options):
  """Reads a VOC folder of one image."""

  def use(folder):
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
      (folder / part).mkdir(parents=True)
    for name, data in ({"one.jpg": JPEG} if files is None else files).items():
      (folder / "JPEGImages" / name).write_bytes(data)
    if text != "":
      content = xml(SIZE, DOG) if text is None else text
      content = content.encode() if isinstance(content, str) else content
      (folder / "Annotations" / "one.xml").write_bytes(content)
    listed = names.encode() if isinstance(names, str) else names
    (folder / "ImageSets" / "Main" / "train.txt").write_bytes(listed)
    source = VocSource(folder, split, **options)
    assert source.class_names
    boxes_of(source)

  return use


XML = r"one\.xml"
VOC = [
  ("no folder", lambda folder: len(VocSource(folder / "x", "train")),
   "x.*no list"),
  ("no such list", voc(split="val"), r"no list .*val\.txt; it has train"),
  ("an empty list", voc(names=""), "is empty"),
  ("a list of blanks", voc(names=" \n\t\n"), "is empty"),
  ("a list of bytes", voc(names=b"\xff\xfe\x00"), r"train\.txt"),
  ("an image twice", voc(names="one\none\n"), "lines 1 and 2.*'one'"),
  ("a name without file", voc(names="one\ntwo\n"), r"line 2.*'two'.*two\.xml"),
  ("a path outside", voc(names="../../one\n"), "outside"),
  ("an absolute path", voc(names="/etc/passwd\n"), "outside"),
  ("no annotation", voc(""), XML),
  ("an empty one", voc(" "), XML + ".*cannot be read"),
  ("text", voc("dog 1 2 3 4"), XML + ".*cannot be read"),
  ("half", voc(xml(SIZE, DOG)[:90]), XML + ".*cannot be read"),
  ("an unknown encoding",
   voc("<?xml version='1.0' encoding='owl'?>" + xml(SIZE)),
   XML + ".*cannot be read"),
  ("other bytes", voc(b"\xff\xfe\x00<annotation/>"), XML + ".*cannot be read"),
  ("no objects at all", voc(xml(SIZE)), "no objects"),
  ("no size", voc(xml(DOG)), XML + ".*size/height None"),
  ("no width", voc(dog("<width>60</width>", "")), XML + ".*size/width None"),
  ("a size of words", voc(dog(">60<", ">wide<")), XML + ".*'wide'"),
  ("a size of 0", voc(dog(">60<", ">0<")), XML + ".*width 0"),
  ("an infinite size", voc(dog(">60<", ">inf<")), XML + ".*width inf"),
  ("a size of 1e30", voc(dog(">60<", ">1e30<")), XML + r".*width 1e\+30"),
  ("a size of NaN", voc(dog(">60<", ">nan<")), XML + ".*width nan"),
  ("a size below 0", voc(dog(">60<", ">-60<")), XML + ".*width -60"),
  ("another size", voc(dog(">60<", ">90<")), "40x60.*40x90"),
  ("no box", voc(dog(BOX, "")), XML + ".*object 0.*bndbox/xmin None"),
  ("no corner", voc(dog("<xmax>30</xmax>", "")), XML + ".*bndbox/xmax None"),
  ("a corner of words", voc(dog(">30<", ">right<")), XML + ".*'right'"),
  ("a corner of NaN", voc(dog(">30<", ">nan<")), XML + ".*not a number"),
  ("an infinite corner", voc(dog(">30<", ">inf<")), XML + ".*box 0"),
  ("no area", voc(dog(">30<", ">6<")), XML + ".*no area"),
  ("corners the other way", voc(dog(">30<", ">3<")), XML + ".*negative"),
  ("a box outside", voc(dog(">30<", ">90<")), XML + ".*leaves.*on_bad_box"),
  ("a box in fractions", voc(dog(">30<", ">0.5<")), XML),
  ("no name", voc(dog("<name>dog</name>", "")), XML + ".*object 0.*<name>"),
  ("an empty name", voc(dog(">dog<", "> <")), XML + ".*object 0.*<name>"),
  ("an unknown class", voc(class_names=("cat",)), XML + ".*'dog'.*of cat"),
  ("3,000 classes",
   voc(class_names=tuple(f"a long name {i}" for i in range(3_000))),
   "'dog'.*3000 in all"),
  ("a class twice", voc(class_names=("dog", "cat", "dog")), "dog"),
  ("difficult of words", voc(dog(">0</diff", ">maybe</diff")),
   XML + ".*'maybe'"),
  ("no image", voc(files={}), r"one\.jpg"),
  ("two images", voc(files={"one.jpg": JPEG, "one.png": JPEG}), r"one\.png"),
  ("an empty image", voc(files={"one.jpg": b""}), "one.*empty"),
  ("a policy of noise", voc(on_bad_box="keep"), "got 'keep'"),
  ("too many boxes", voc(xml(SIZE, DOG * 4)), "has 4 boxes.*max_boxes=4"),
]  # fmt: skip


@cases(VOC)
def test_voc(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


def content(**change):
  """A right file of COCO's form, with parts replaced."""
  image = {"id": 7, "file_name": "a.jpg", "height": 40, "width": 60}
  box = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [6, 4, 24, 16]}
  parts = {"images": image, "annotations": box, "categories": DOGS}
  return {
    key: change.get(f"{key}_", [part | change.get(key, {})])
    for key, part in parts.items()
  }


DOGS = {"id": 3, "name": "dog"}


def without(part, key):
  """The file, with an entry that lacks a key."""
  made = content()
  del made[part][0][key]
  return made


def coco(given=None, class_names=(), image_bytes=JPEG, **options):
  """Reads a file of COCO's form."""

  def use(folder):
    path = folder / "owls.json"
    text = given
    if not isinstance(given, bytes):
      text = json.dumps(content() if given is None else given).encode()
    path.write_bytes(text)
    if image_bytes is not None:
      (folder / "a.jpg").write_bytes(image_bytes)
    source = CocoSource(path, folder, class_names, **options)
    assert source.class_names
    boxes_of(source)

  return use


def box(*value, **change):
  """The file, with another box."""
  return coco(content(annotations={"bbox": list(value)} | change))


FILE, BOX0 = r"owls\.json", r"owls\.json: annotations\[0\]"
CAT = {"id": 4, "name": "dog"}
BOXES = content()["annotations"]
COCO = [
  ("no file", lambda folder: len(CocoSource(folder / "x.json", folder)),
   r"x\.json: cannot be read"),
  ("empty", coco(b""), FILE + ": cannot be read"),
  ("text", coco(b"dog,1,2"), FILE + ": cannot be read"),
  ("half", coco(json.dumps(content()).encode()[:50]),
   FILE + ": cannot be read"),
  ("other bytes", coco(b"\xff\xfe{"), FILE + ": cannot be read"),
  ("a deep list", coco(b"[" * 100_000), FILE + ": cannot be read"),
  ("a list", coco([]), "no list 'images'"),
  ("nothing", coco({}), "no list 'images'"),
  ("null", coco(b"null"), "no list 'images'"),
  ("no categories", coco({"images": [], "annotations": []}), "'categories'"),
  ("results in place of it", coco(BOXES), "no list 'images'"),
  ("annotations is an object", coco(content(annotations_={})), "'annotations'"),
  ("an image is a number", coco(content(images_=[3])), r"images\[0\] is 3"),
  ("an image is null", coco(content(images_=[None])), r"images\[0\] is None"),
  ("a box is a list", coco(content(annotations_=[[]])), r"annotations\[0\] is"),
  ("a category is text", coco(content(categories_=["dog"])),
   r"categories\[0\]"),
  *((f"an image without {key}", coco(without("images", key)),
     rf"images\[0\] has no {key}") for key in ("id", "file_name", "height",
     "width")),
  ("a category without id", coco(without("categories", "id")), "has no id"),
  ("an image twice", coco(content(images_=content()["images"] * 2)),
   "both have"),
  ("a category twice", coco(content(categories_=[DOGS, DOGS])), "both have"),
  ("ids of mixed types", coco(content(categories_=[DOGS, DOGS | {"id": "x"}])),
   "mixed"),
  ("an id of null", coco(content(images={"id": None})),
   r"images\[0\].*id None"),
  ("an id of a list", coco(content(images={"id": [7]})), r"images\[0\].*\[7\]"),
  ("a height of null", coco(content(images={"height": None})), "height None"),
  ("a height of text", coco(content(images={"height": "40"})), "height '40'"),
  ("a height of 0", coco(content(images={"height": 0})), "height 0"),
  ("an infinite height", coco(content(images={"height": float("inf")})),
   "height inf"),
  ("a height of 1e30", coco(content(images={"height": 1e30})),
   r"height 1e\+30"),
  ("another size", coco(content(images={"width": 90})), "40x60.*40x90"),
  ("a file name of null", coco(content(images={"file_name": None})),
   "file_name"),
  ("an empty file name", coco(content(images={"file_name": ""})), "file_name"),
  ("a file outside", coco(content(images={"file_name": "../a.jpg"})),
   "outside"),
  ("an absolute file", coco(content(images={"file_name": "/a.jpg"})),
   "outside"),
  ("an unknown image", box(6, 4, 24, 16, image_id=8), "image_id 8"),
  ("an image id of text", box(6, 4, 24, 16, image_id="7"), "image_id '7'"),
  ("an unknown category", box(6, 4, 24, 16, category_id=8), "category_id 8"),
  ("a category of null", box(6, 4, 24, 16, category_id=None),
   "category_id None"),
  ("a category in a list", box(6, 4, 24, 16, category_id=[3]), "category_id"),
  ("no box", coco(without("annotations", "bbox")), BOX0 + ".*bbox None"),
  ("an empty box", box(), BOX0 + r".*bbox \[\]"),
  ("three numbers", box(6, 4, 24), BOX0 + ".*bbox"),
  ("numbers of text", box("6", "4", "24", "16"), BOX0 + ".*bbox"),
  ("nulls", box(None, None, None, None), BOX0 + ".*bbox"),
  ("NaN", box(6, 4, float("nan"), 16), BOX0),
  ("a width below 0", box(6, 4, -24, 16), BOX0 + ".*negative"),
  ("a width of 0", box(6, 4, 0, 16), BOX0 + ".*no area"),
  ("a box outside", box(6, 4, 90, 16), BOX0 + ".*leaves.*on_bad_box"),
  ("an area of text", box(6, 4, 24, 16, area="big"), BOX0 + ".*area 'big'"),
  ("a crowd of 7", box(6, 4, 24, 16, iscrowd=7), BOX0 + ".*iscrowd 7"),
  ("no boxes at all", coco(content(annotations_=[])), "no category has an"),
  ("another class", coco(class_names=("cat",)), "'dog'.*none of the classes"),
  ("3,000 classes",
   coco(class_names=tuple(f"long name {i}" for i in range(3_000))),
   "3000 in all"),
  ("a class twice", coco(class_names=("dog", "dog")), "more than once"),
  ("a name twice", coco(content(categories_=[DOGS, CAT], annotations_=[
    *BOXES, BOXES[0] | {"category_id": 4}])), "both named 'dog'"),
  ("no image", coco(image_bytes=None), r"a\.jpg: cannot be read"),
  ("half an image", coco(image_bytes=JPEG[:300]), r"a\.jpg.*whole"),
  ("a policy of noise", coco(on_bad_box="keep"), "got 'keep'"),
]  # fmt: skip


@cases(COCO)
def test_coco(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


def test_right_ones_are_read(tmp_path):
  """What the cases above differ from by one thing is right."""
  voc()(tmp_path)
  coco()(tmp_path)
