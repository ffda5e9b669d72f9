"""Scenes show what their captions tell; words, and a table of one's own."""

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import DataError
from vision_jax.data.sources.caption_table import CaptionTable
from vision_jax.data.sources.captioned_scenes import (
  COLOURS,
  KINDS,
  LENGTH,
  WORDS,
  CaptionedScenes,
)
from vision_jax.data.text.letters import decoded
from vision_jax.data.text.words import Vocabulary, words_of
from vision_jax.data.transforms.text import number_words
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.captions import CaptionData

# Share of its bounding box that a shape fills.
FILLED = {
  "square": (0.9, 1.0),
  "circle": (0.7, 0.87),
  "cross": (0.5, 0.72),
  "triangle": (0.42, 0.6),
}


def pixels_of(image, colour):
  """Rows and columns of the pixels near a colour."""
  return np.nonzero(np.abs(image - np.float32(COLOURS[colour])).max(-1) < 35)


def test_images_show_what_captions_tell():
  places = set()
  for example in CaptionedScenes("train", 300, size=64).read(np.arange(300)):
    words = decoded(example["text"]).split()
    assert len(words) <= LENGTH and {*words} <= {*WORDS}
    assert KINDS[example["label"]] == " ".join(words[1:3])
    y, x = pixels_of(example["image"], words[1])
    if len(words) == 3:
      box = (np.ptp(y) + 1) * (np.ptp(x) + 1)
      low, high = FILLED[words[2]]
      assert low < len(y) / box <= high, words
      places.add("alone")
      continue
    v, u = pixels_of(example["image"], words[-2])
    places.add(words[3])
    if words[3] == "above":
      assert y.max() < v.min()
    elif words[3] == "left":
      assert x.max() < u.min()
    else:
      assert v.min() < y.min() and y.max() < v.max()
      assert u.min() < x.min() and x.max() < u.max()
  assert places == {"alone", "above", "left", "inside"}


def test_a_scene_is_pure_and_splits_differ():
  scenes = CaptionedScenes("train", 20)
  first, again = (s.read([7])[0] for s in (scenes, CaptionedScenes("train", 9)))
  np.testing.assert_array_equal(first["image"], again["image"])
  assert decoded(first["text"]) == decoded(again["text"])
  other = CaptionedScenes("val", 20)
  assert not np.array_equal(other.read([7])[0]["image"], first["image"])
  assert other.fingerprint() != scenes.fingerprint()


def test_what_is_unseen_is_in_no_scene():
  unseen = ("red circle", "blue cross")
  data = CaptionData("scenes", scenes=(300, 0, 50), unseen=unseen)
  assert data.split_names() == ["train", "test"] and data.names() == ()
  for source in (data.train, data.evals["test"]):
    texts = [decoded(x["text"]) for x in source.read(np.arange(len(source)))]
    assert not any(kind in text for text in texts for kind in unseen)
  asked = data.classified()
  found = {
    name: {KINDS[x["label"]] for x in source.read(np.arange(50))}
    for name, source in asked.items()
  }
  assert found["unseen"] == {*unseen} and len(found["zero_shot"]) > 12
  assert all(
    len(decoded(x["text"]).split()) == 3
    for source in asked.values()
    for x in source.read(np.arange(50))
  )


def test_words_are_numbered_and_the_rest_is_none():
  text = np.int32([*map(ord, "a Red, circle."), 0, 0])
  example = number_words(WORDS, 5)({"text": text}, None)
  expected = [WORDS.index("a"), WORDS.index("red"), WORDS.index("circle")]
  none = len(WORDS)
  np.testing.assert_array_equal(example["tokens"], [*expected, none, none])
  assert words_of(["A dog!", "the dog runs"]) == ("a", "dog", "runs", "the")


@pytest.mark.parametrize(
  ("text", "message"),
  [
    (
      "a rad circle",
      "here: has the word 'rad'; expected .*, 15 of them; did you mean 'red'?",
    ),
    ("a a a a a a", r"of 6 words; expected 5 at most\. .* --config.length=6"),
    (" .", "here: has no word; expected a caption"),
  ],
)
def test_captions_that_cannot_be_are_refused(text, message):
  with pytest.raises(DataError, match=message):
    Vocabulary(WORDS).numbers(text, 5, "here")


@pytest.mark.parametrize(
  ("words", "message"),
  [
    (("a", "b", "a"), "has 'a'; expected single words"),
    (("a", "Red"), "has 'Red'; expected single words in lower case"),
    (("left of",), "has 'left of'; expected single"),
    ((), "has no word; expected"),
  ],
)
def test_vocabularies_that_cannot_be_are_refused(words, message):
  with pytest.raises(DataError, match=message):
    Vocabulary(words)


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"dataset": "scene"}, "dataset: got 'scene'; did you mean 'scenes'"),
    ({"unseen": ("red circel",)}, "unseen: got 'red circel'; did you mean 're"),
    ({"scenes": (4, 2)}, r"scenes: got \(4, 2\); expected 3 numbers"),
    ({"scenes": (0, 2, 2)}, "the splits val, test; expected train among them"),
    ({"length": 7}, "length: got 7; expected 8 or more"),
    (
      {"unseen": tuple(x for x in KINDS if "red" not in x)},
      "got the kinds red circle, .*of two colours or more",
    ),
    ({"image_size": 8}, "size 8, lone 0.25; expected train, val or test"),
  ],
)
def test_data_that_cannot_be_are_refused(values, message):
  values = {"dataset": "scenes", "scenes": (4, 2, 2)} | values
  with pytest.raises(UserError, match=message):
    data = CaptionData(**values)
    assert data.split_names()
    assert data.train


def write(folder, text, images=4):
  """A folder with images 0.png, ... and a table."""
  for i in range(images):
    (folder / f"{i}.png").write_bytes(encode(random_image(9, 9, seed=i), "PNG"))
  (folder / "table.csv").write_text(text)
  return folder


def test_a_table_of_ones_own(tmp_path):
  lines = [
    "A dog, on grass.,train",
    "Two dogs,train",
    "a cat,val",
    "a dog,test",
  ]
  rows = [
    f'{i}.png,"{x[: x.rindex(",")]}",{x.split(",")[-1]}'
    for i, x in enumerate(lines)
  ]
  folder = write(tmp_path, "\n".join(["file,caption,split", *rows]))
  data = CaptionData("folder", (), 4, data_dir=str(folder))
  assert data.words == ("a", "cat", "dog", "dogs", "grass", "on", "two")
  assert data.split_names() == ["train", "val", "test"]
  assert data.classified() == {} and data.word_kinds == {}
  examples = data.train.read(np.arange(2))
  found = [decoded(x["text"]) for x in examples]
  assert found == ["a dog on grass", "two dogs"]
  assert len({x["text"].shape for x in examples}) == 1
  several = folder / "table.csv"
  several.write_text("file,caption\n0.png,a dog\n0.png,the dog\n1.png,a cat\n")
  assert len(CaptionTable(folder, (), 4).open()) == 3
  several.write_text("\n".join(["file,caption,split", *rows]))
  known = CaptionData("folder", ("a", "dog"), 4, data_dir=str(folder))
  with pytest.raises(DataError, match=r"line 2: has the word 'on'; expected"):
    len(known.train)
  short = CaptionData("folder", (), 2, data_dir=str(folder))
  with pytest.raises(DataError, match=r"'A dog, on grass.' of 4 words; expec"):
    len(short.train)


@pytest.mark.parametrize(
  ("table", "message"),
  [
    ("file,caption\n0.png,\n", "has no word under caption; expected a caption"),
    ("file,title\n0.png,a dog\n", "expected one called text, .*caption"),
    ("file,caption\n0.png,a dog\n1.png,?!\n", "line 3: has no word; expected"),
    ("file,caption\n9.png,a dog\n", "names the image '9.png'"),
    (
      "file,caption\n0.png,a dog, asleep\n",
      "has 3 cells, .* If 'a dog' goes on with ' asleep', put it in quotes",
    ),
  ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path, table, message):
  with pytest.raises(DataError, match=message):
    len(CaptionTable(write(tmp_path, table), (), 4).open())
