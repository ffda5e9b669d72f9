"""A data set of one's own is two files: its source, and a config with it."""

import sys

import pytest

from tests.additions import readme
from tests.data_fixtures import encode, random_image
from tests.programs.command import call, metrics


def write_table(folder, split, number):
  """Images of several sizes; the table has to tell their labels."""
  lines = []
  for i in range(number):
    name = f"{split}{i}.png"
    (folder / name).write_bytes(encode(random_image(9 + i, 12, seed=i), "PNG"))
    lines.append(f"{name},{i % 2}\n")
  (folder / f"{split}.csv").write_text("".join(lines))


@pytest.mark.slow
def test_a_layout_of_ones_own_trains_from_the_command(tmp_path, monkeypatch):
  """From the folder of the two files, which is none of ours."""
  data = tmp_path / "data"
  data.mkdir()
  write_table(data, "train", 6)
  write_table(data, "test", 5)
  readme.write(tmp_path, "table.py", "table_cnn.py")
  monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does by itself
  monkeypatch.delitem(sys.modules, "table", raising=False)
  flags = ("--workdir=run", "--config.data_dir=data", "--config.steps=4")
  done = call("--config=table_cnn.py:tiny", *flags, devices=1, cwd=tmp_path)
  assert done.code == 0, done.err
  *_, last = metrics(tmp_path / "run")
  assert last["step"] == 4
  assert last["test/accuracy"] in {i / 5 for i in range(6)}
