"""Images with numbers: a table of one's own, and generated roads."""

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import DataError
from vision_jax.data.sources.number_table import NumberTable
from vision_jax.data.sources.roads import Roads
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.numbers import NumberData


def write(folder, text, images=4):
  """A folder with images 0.png, ... and a table."""
  (folder / "images").mkdir(parents=True)
  for i in range(images):
    data = encode(random_image(20, 30, seed=i), "PNG")
    (folder / "images" / f"{i}.png").write_bytes(data)
  (folder / "table.csv").write_text(text)
  return folder


def lines(*columns, count=4):
  """A table of images and numbers i and -i / 2."""
  rows = [",".join(("filename", "speed", "steering", *columns))]
  splits = ("train", "train", "val", "test")
  for i in range(count):
    rows.append(f"{i}.png,{i},{-i / 2}" + f",{splits[i % 4]}" * bool(columns))
  return "\n".join(rows)


def test_a_table_with_splits(tmp_path):
  data = NumberData("folder", data_dir=str(write(tmp_path, lines("split"))))
  assert data.names() == ("speed", "steering")
  assert data.split_names() == ["train", "val", "test"]
  (example,) = data.evals["test"].read(np.array([0]))
  assert example["name"].endswith("images/3.png")
  np.testing.assert_array_equal(example["number"], np.float32([3, -1.5]))
  assert data.measured() == ((0.5, -0.25), (0.5, 0.25))
  before = data.train.fingerprint()
  text = lines("split").replace("1.png,1", "1.png,7")
  (tmp_path / "table.csv").write_text(text)
  again = NumberData("folder", ("steering",), data_dir=str(tmp_path))
  assert again.train.fingerprint() != before
  assert again.names() == ("steering",) and again.measured()[0] == (-0.25,)


def test_a_table_without_splits_has_a_tenth_held_out(tmp_path):
  folder = write(tmp_path, lines(count=20), images=20)
  data = NumberData("folder", data_dir=str(folder))
  assert data.split_names() == ["train", "val"]
  both = [data.train, data.evals["val"]]
  assert [len(x) for x in both] == [18, 2]
  found = [{x["name"] for x in s.read(np.arange(len(s)))} for s in both]
  assert not found[0] & found[1]
  kept = [x["number"][0] for x in both[0].read(np.arange(18))]
  assert data.measured()[0][0] == pytest.approx(np.mean(kept))


@pytest.mark.parametrize(
  ("text", "columns", "message"),
  [
    ("filename,a\n0.png,left\n", (), "line 2: has a 'left'; expected a finite"),
    ("filename,a\n0.png,1\n1.png,nan\n", (), "line 3: has a 'nan'; expected a"),
    ("filename,a\n0.png,\n", (), "line 2: has a ''; expected a finite number"),
    ("filename,a\n0.png,1e60\n", (), "line 2: has a '1e60'; expected a finite"),
    ("filename,a\n0.png\n", (), "line 2: has a ''; expected a finite number"),
    ("filename,a\n0.png,1_0\n", (), "line 2: has a '1_0'; expected a finite"),
    ("filename;a\n0.png;1,5\n", (), "has a '1,5'; expected a finite number"),
    (
      "filename,a\n1.png,2,\n0.png,1,5\n",
      (),
      "line 3: has 3 cells, and the first line 2; expected as many. If",
    ),
    ("filename,a,a\n0.png,1,2\n", (), "has several columns 'a'; expected a"),
    (
      "filename,a\n0.png,1\n0.png,2\n",
      (),
      "0.png more than once; expected each image once, with its numbers.",
    ),
    (",filename\n0,0.png\n", (), "and of numbers one at least"),
    ("filename,a\n9.png,1\n", (), "line 2: names the image '9.png', and there"),
    (
      "photo,a\n0.png,1\n",
      (),
      "has the columns photo, a; expected one of path",
    ),
    ("filename,a\n0.png,1\n", ("b",), "and of numbers b. Name them in"),
    ("filename\n0.png\n", (), "and of numbers one at least"),
    ("filename,a\n", (), "has no image; expected at least one"),
    (
      "filename,a,split\n0.png,1,west\n",
      (),
      "has split 'west'; expected train",
    ),
    (
      "filename,a,split\n0.png,1,test\n",
      (),
      "has the splits test; expected tr",
    ),
  ],
)
def test_bad_tables(tmp_path, text, columns, message):
  folder = write(tmp_path, text)
  with pytest.raises(UserError) as error:
    data = NumberData("folder", columns, data_dir=str(folder))
    data.split_names()
    data.measured()
  assert message in str(error.value)


def test_what_is_no_folder_with_a_table(tmp_path):
  with pytest.raises(DataError, match="has no table; expected a folder with"):
    NumberTable(tmp_path)
  with pytest.raises(UserError, match=r"--config\.data_dir: nothing has no"):
    NumberData("folder").names()
  with pytest.raises(UserError, match="got 'lanes'; expected folder or roads"):
    NumberData("lanes").split_names()


@pytest.mark.parametrize("scenes", [(4, 2), (0, 2, 2)])
def test_numbers_of_roads_that_cannot_be(scenes):
  with pytest.raises(
    UserError, match=r"scenes: got .*; expected how many for t"
  ):
    NumberData("roads", scenes=scenes).split_names()


def test_roads_are_pure_and_bend_to_where_they_steer():
  roads = Roads("train", 50)
  some, again = roads.read(np.arange(50)), Roads("train", 50).read([7])
  np.testing.assert_array_equal(some[7]["image"], again[0]["image"])
  other = Roads("val", 50).read([7])[0]
  assert not np.array_equal(some[7]["image"], other["image"])
  numbers = np.stack([x["number"] for x in some])
  np.testing.assert_array_equal(numbers, roads.numbers())
  assert -1 <= numbers.min() < -0.5 and 0.5 < numbers.max() <= 1
  # Grass is greener than the road: where the road is along the third line from
  # the horizon, and nearest to us.
  lean = []
  for example in some:
    image = example["image"].astype(float)
    grass = image[..., 1] - image[..., 0]
    row = grass[18:22].mean(0)
    lean.append(
      (np.arange(32) * (row < row.mean())).sum() / (row < row.mean()).sum()
    )
  assert np.corrcoef(lean, numbers[:, 0])[0, 1] > 0.7
  with pytest.raises(DataError, match="roads: got split 'dev'"):
    Roads("dev", 3)
