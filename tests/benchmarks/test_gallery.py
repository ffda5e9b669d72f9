"""The gallery: what is committed, and panels of each kind at tiny size."""

import json
import re

import cv2
import numpy as np
import pytest

from benchmarks import environment
from benchmarks.gallery import command
from benchmarks.gallery.panels import PANELS
from vision_jax.recipe import recipe

ROOT = environment.ROOT
KEPT = ROOT / "benchmarks/results"
MOST = 400_000  # bytes of the image that a reader of the README loads
# Boxes, and where a classifier looks; the README's commands train others.
SOME = ("digit_scenes_detr", "digits_cnn")


def test_what_is_kept_is_small_and_is_what_its_page_says():
  found = json.loads((KEPT / "gallery.json").read_text("utf-8"))
  assert (KEPT / "gallery.md").read_text("utf-8") == command.page(found)
  assert (KEPT / "gallery.jpg").stat().st_size < MOST
  known = {x.name: x for x in PANELS}
  readme = (ROOT / "README.md").read_text("utf-8")
  first = " ".join(readme.partition("## First run")[0].split())
  for line in found["panels"]:
    panel = known[line["panel"]]
    words = command.arguments(panel, ROOT / "runs", "")
    assert f"{panel.config}:{panel.variant}".rstrip(":") in line["flags"]
    assert len(words) == line["flags"].count("--") + 1  # but the workdir
    seconds = f"`{panel.config.split('/')[-1]}` ({line['processor_seconds']} s"
    assert seconds in first, "the README names each config, and its time"


def test_panels_are_of_configs_and_of_keys_that_they_have():
  assert len({x.name for x in PANELS}) == len(PANELS) >= 8
  for panel in PANELS:
    name = f"{ROOT / panel.config}:{panel.variant or 'full'}"
    recipe.load(name, panel.overrides, resolve=False)


def test_another_panel_is_refused(tmp_path, capsys):
  words = [f"--output={tmp_path}", "--panels=digits_van"]
  assert command.main(words) == 2
  assert "digits_vae" in capsys.readouterr().err
  assert not (tmp_path / "gallery.jpg").exists()


def test_a_sheet_has_each_panel_in_the_middle_of_its_cell():
  black, grey = np.zeros((20, 264, 3), np.uint8), np.full((9, 8), 99, np.uint8)
  image = command.sheet([black, *[np.stack([grey] * 3, -1)] * 4], list("abcde"))
  assert image.shape[1] == command.COLUMNS * (264 + command.GAP) - command.GAP
  dark = np.argwhere((image[18:282, :264] == 0).all(-1))
  assert dark[:, 0].min() == 122 and dark[:, 0].max() == 141


@pytest.mark.slow
def test_panels_at_tiny_size(tmp_path, capsys):
  words = [
    *(f"--output={tmp_path}", "--variant=tiny"),
    f"--panels={','.join(SOME)}",
  ]
  assert command.main(words) == 0
  image = cv2.imread(str(tmp_path / "gallery.jpg"))
  assert image.shape[1] > 500 and len(np.unique(image)) > 50
  found = json.loads((tmp_path / "gallery.json").read_text("utf-8"))
  assert [x["panel"] for x in found["panels"]] == [*SOME]
  assert all(x["value"] is not None for x in found["panels"])
  assert all(re.search(r":tiny\b", x["flags"]) for x in found["panels"])
  capsys.readouterr()
  assert command.main(words) == 0  # what is trained is not trained again
  assert "log in" not in capsys.readouterr().out
