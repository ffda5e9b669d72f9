"""Images with texts: generated strings, IDX files, and a table of one's own."""

import numpy as np
import pytest

from tests.data import layouts_made
from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.strings import Strings
from vision_jax.data.sources.text_table import TextTable
from vision_jax.data.text.letters import decoded, read_lexicon
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.texts import TextData

DIGITS = "0123456789"
SMALL = {"glyph_size": 16, "image_size": (20, 92), "overlap": (4, 6)}
NUMBERS = {"strings": (40, 10, 20), "holdout": 137}


def bars(side=6):
  """Ten glyphs, each a column of its own brightness."""
  image = np.zeros((10, side, side, 1), np.uint8)
  image[:, :, side // 2] = 20 * np.arange(1, 11)[:, None, None]
  label = np.arange(10, dtype=np.int32)
  return ArraySource({"image": image, "label": label}, 10, tuple(DIGITS))


def strings(**values):
  """Strings of bars, with neither overlap nor shift."""
  values = {"overlap": (0, 0), "shift": 0, "size": (6, 42)} | values
  return Strings(bars(), 50, alphabet=DIGITS, **values)


def columns(example, side=6):
  """What the bars of an image say."""
  row = example["image"][3, :, 0]
  return "".join(str(x // 20 - 1) for x in row[side // 2 :: side] if x)


def test_strings_show_their_texts():
  source = strings()
  found = source.read(np.arange(50))
  for example in found:
    assert columns(example) == decoded(example["text"])
  lengths = {len(decoded(x["text"])) for x in found}
  assert lengths == {3, 4, 5, 6, 7}
  assert found[0]["text"].dtype == np.int32 and found[0]["text"].shape == (7,)
  again = strings().read([7])[0]
  np.testing.assert_array_equal(again["image"], found[7]["image"])
  other = strings(seed=1)
  assert other.fingerprint() != source.fingerprint()
  assert decoded(other.read([7])[0]["text"]) != decoded(found[7]["text"])


def test_shifts_and_overlap_are_what_they_say():
  values = {"letters": (2, 2), "shift": 2, "size": (10, 42), "room": 7}
  source = strings(**values, overlap=(1, 2))
  tops, gaps = set(), set()
  for example in source.read(np.arange(50)):
    ink = example["image"][..., 0] > 0
    places = np.flatnonzero(ink.any(0))
    if len(places) == 2:
      gaps.add(int(np.diff(places)[0]))
    tops.add(int(ink[:, places[0]].argmax()))
  assert tops == {0, 1, 2, 3, 4}
  assert min(gaps) >= 0 and max(gaps) <= 9 and len(gaps) > 5


def test_ink_on_a_texture_is_of_another_grey():
  plain, laid = strings(), strings(textures=1.0)
  for a, b in zip(
    plain.read(np.arange(20)), laid.read(np.arange(20)), strict=True
  ):
    np.testing.assert_array_equal(a["text"], b["text"])
    share = a["image"][..., 0] / 255
    bright = share > 0.5
    if bright.any():
      ground = b["image"][..., 0][share == 0].astype(float)
      apart = np.abs(b["image"][..., 0][bright] - ground.mean())
      assert apart.mean() > 30 and ground.std() > 4
  half = strings(textures=0.5).read(np.arange(50))
  black = [not x["image"][0, 0, 0] for x in half]
  assert 10 < sum(black) < 40


def test_train_and_test_have_digits_of_their_own():
  data = TextData("digits", DIGITS, **SMALL, **NUMBERS)
  assert data.split_names() == ["train", "val", "test"] and data.names() == ()
  sizes = {name: len(x) for name, x in data.evals.items()}
  assert sizes == {"val": 10, "test": 20} and len(data.train) == 40
  parts = [data.train, *data.evals.values()]
  images = [
    {
      x.tobytes()
      for x in part.glyphs.gather(np.arange(len(part.glyphs)))["image"]
    }
    for part in parts
  ]
  assert not images[0] & images[2] and not images[1] & images[2]
  for example in data.evals["test"].read(np.arange(20)):
    assert len(decoded(example["text"])) == 5
    assert example["image"].shape == (20, 92, 1)


def test_characters_of_idx_files_are_pasted(tmp_path):
  layouts_made.idx(tmp_path)
  side = {"image_size": (40, 300), "overlap": (0, 0), "letters": (3, 3)}
  make = lambda alphabet: TextData(
    *("idx", alphabet),
    data_dir=str(tmp_path),
    strings=(4, 2, 2),
    test_letters=(3, 3),
    **side,
  )
  (example,) = make(DIGITS).train.read(np.array([0]))
  assert len(decoded(example["text"])) == 3 and example["image"].any()
  with pytest.raises(
    DataError, match="the glyphs' classes: has the text '0' w"
  ):
    make("abc").train.read(np.array([0]))


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"size": (6, 41)}, r"image_size: got \(6, 41\); expected 6 x 42 or more"),
    ({"shift": 2}, r"expected 10 x 46 or more for strings of 7 letters"),
    ({"overlap": (0, 6)}, "expected grey squares, wider than the overlap"),
    ({"letters": (3, 8)}, r"letters \(3, 8\); expected .*, and 7 at most"),
    ({"letters": (4, 3)}, r"letters \(4, 3\); expected the fewest and"),
    ({"names": ("x",) * 10}, "the text 'x' with 'x'; expected letters of"),
    ({"names": ("12",) * 10}, "got '12'; expected one letter for each"),
  ],
)
def test_strings_that_cannot_be_are_refused(values, message):
  with pytest.raises(DataError, match=message):
    strings(**values).read([0])


def write(folder, text, images=4):
  """A folder with images 0.png, ... and a table."""
  folder.mkdir(exist_ok=True)
  for i in range(images):
    data = encode(random_image(20, 60, 1, seed=i), "PNG")
    (folder / f"{i}.png").write_bytes(data)
  (folder / "table.csv").write_text(text)
  return folder


def test_a_table_of_ones_own(tmp_path):
  text = "file,text,split\n0.png,12,train\n1.png,7,train\n2.png,345,test\n"
  folder = write(tmp_path, text)
  data = TextData("folder", DIGITS, data_dir=str(folder))
  assert data.split_names() == ["train", "val", "test"]
  (example,) = data.evals["test"].read(np.array([0]))
  assert decoded(example["text"]) == "345" and example["name"].endswith("2.png")
  assert len(data.train) == len(data.evals["val"]) == 1
  before = data.evals["test"].fingerprint()
  (folder / "table.csv").write_text(text.replace("345", "346"))
  again = TextData("folder", DIGITS, data_dir=str(folder))
  assert again.evals["test"].fingerprint() != before


@pytest.mark.parametrize(
  ("table", "message"),
  [
    (
      "file,text\n0.png,1a2é\n",
      "line 2: has the text '1a2é' with 'a', 'é'; ex",
    ),
    (
      "file,text\n0.png,1\n1.png,\n",
      "line 3: has no text; expected one letter",
    ),
    (
      "file,text\n0.png,12345678\n",
      "of 8 letters; expected 7 at most. Train w",
    ),
    (
      "file,number\n0.png,1\n",
      "columns file, number; expected one called text",
    ),
    ("words,text\n0.png,1\n", "expected one called filename, file_name"),
    ("file,text\n0.png,1,2\n", "has 3 cells, and the first line 2; expected"),
    (
      "file,text\n0.png,1\n0.png,2\n",
      "more than once; expected each image once, with its text",
    ),
    ("file,text\n9.png,1\n", "names the image '9.png'"),
  ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path, table, message):
  folder = write(tmp_path, table)
  with pytest.raises(DataError, match=message):
    len(TextTable(folder, DIGITS, 7).open())


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"alphabet": "0120"}, "alphabet: got '0120' with '0'; expected each"),
    ({"alphabet": ""}, "alphabet: got ''; expected each letter"),
    ({"alphabet": "01\n"}, r"with '\\n'; expected each"),
    ({"dataset": "mnits"}, "dataset: got 'mnits'; did you mean 'mnist'"),
    ({"strings": (0, 1, 1)}, "has the splits val, test; expected train among"),
    ({"strings": (1, 1)}, r"strings: got \(1, 1\); expected 3 numbers"),
  ],
)
def test_data_that_cannot_be_are_refused(values, message):
  values = {"dataset": "digits", "alphabet": DIGITS} | SMALL | NUMBERS | values
  with pytest.raises(UserError, match=message):
    TextData(**values).split_names()


def test_a_lexicon_is_read_and_foreign_letters_are_refused(tmp_path):
  path = tmp_path / "words.txt"
  path.write_text("12\n\n 345 \n12\n")
  assert read_lexicon(str(path), DIGITS) == ("12", "345")
  assert read_lexicon("", DIGITS) == ()
  path.write_text("12\n1o\n")
  foreign = "words.txt, line 2: has the text '1o' with 'o'; expected letters of"
  with pytest.raises(UserError, match=foreign):
    read_lexicon(str(path), DIGITS)
  path.write_text("\n")
  with pytest.raises(UserError, match="has no words; expected one a line"):
    read_lexicon(str(path), DIGITS)
  with pytest.raises(UserError, match=r"lexicon: .* cannot be read \("):
    read_lexicon(str(tmp_path / "absent"), DIGITS)
