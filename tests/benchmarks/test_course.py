"""What runs showed along their training, as a picture and a page."""

import json

import cv2
import numpy as np
import pytest

from benchmarks import course
from benchmarks.report import pages
from vision_jax.report.tensorboard import TensorBoard

NAME = "val/translated"
ROWS = ("photos", "digits")
BOTH = ",".join(ROWS)


@pytest.fixture
def runs(tmp_path):
  """Two rows, whose images become lighter with every evaluation."""
  (line, *_) = (pages.RESULTS / "quick_cpu.jsonl").read_text().splitlines()
  lines = []
  for row, times in zip(ROWS, (6, 2), strict=True):
    lines.append(json.dumps(json.loads(line) | {"row": row}) + "\n")
    workdir = tmp_path / row / "seed0" / "workdir"
    workdir.mkdir(parents=True)
    board = TensorBoard(workdir)
    for i in range(times):
      image = np.full((20, 30, 3), 40 * i, np.uint8)
      board.images(100 * i, {NAME: image, "val/other": 255 - image})
    board.close()
  (tmp_path / "results.jsonl").write_text("".join(lines))
  return tmp_path


def show(runs, rows=BOTH, image=NAME):
  return course.main(
    [
      *(f"--runs={runs}", f"--rows={rows}", f"--image={image}"),
      f"--output={runs / 'shown' / 'course'}",
      *("--title=Owls", "--text=They were drawn."),
    ]
  )


def test_a_line_for_each_row_from_the_first_image_to_the_last(runs):
  assert show(runs) == 0
  shown = cv2.imread(str(runs / "shown/course.jpg")).astype(int)
  column, gap, title = 30, 8, 18
  assert shown.shape == (2 * (20 + title) + gap, 4 * column + 3 * gap, 3)
  for line, wanted in enumerate(((0, 80, 120, 200), (0, 40, 255, 255))):
    y = line * (20 + title + gap) + title + 10
    for place, grey in enumerate(wanted):
      assert abs(shown[y, place * (column + gap) + 15, 0] - grey) < 6
  text = (runs / "shown/course.md").read_text()
  assert text.startswith("# Owls\n\nThey were drawn.\n\n![Owls](course.jpg)")
  assert "## photos" in text
  assert "`test/accuracy`" in text and "python -m vision_jax.main" in text


def test_what_is_not_there_is_named(runs, capsys):
  assert show(runs, rows="owls") == 2
  assert "has no result of 'owls'" in capsys.readouterr().err
  assert show(runs, image="val/owls") == 2
  assert "no images 'val/owls'" in capsys.readouterr().err
