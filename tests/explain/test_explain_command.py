"""`--mode=explain` on a user's images."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.export.trained import workdir
from tests.programs.command import call


@pytest.fixture
def images(tmp_path):
  """Pictures of several sizes, one of them broken, one in a folder."""
  folder = tmp_path / "images"
  (folder / "more").mkdir(parents=True)
  rng = np.random.default_rng(0)
  for name, shape in (("a.png", (20, 30)), ("more/ä.jpg", (31, 17, 3))):
    Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / name)
  (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:60])
  return folder


def explain(kind, output, *flags, code=0):
  """Explains by a tiny net; returns the lines and how the command ended."""
  given = (f"--workdir={workdir(kind)}", f"--output={output}", *flags)
  result = call("--mode=explain", *given, devices=1)
  assert result.code == code, result.err
  file = output / "explanations.jsonl"
  lines = file.read_text("utf-8").splitlines() if file.exists() else []
  return [json.loads(line) for line in lines], result


def test_heat_is_of_each_images_own_size(tmp_path, images):
  out = tmp_path / "out"
  lines, result = explain("classifier", out, f"--images={images}", "--label=3")
  assert [line["file"] for line in lines] == [
    str(images / name) for name in ("a.png", "b.png", "more/ä.jpg")
  ]
  assert lines[1]["error"] == "unreadable image"
  assert "gradcam of CNN, layer bn4" in result.err
  assert f"Unreadable, left out: 1: {images / 'b.png'}" in result.err
  for line, size in ((lines[0], (30, 20)), (lines[2], (17, 31))):
    assert line["label"] == 3 and line["method"] == "gradcam"
    drawn = Image.open(line["heat"])
    assert drawn.size == size and drawn.mode == "RGB"
  lines, result = explain("classifier", out, f"--images={images}", code=2)
  assert "holds results of an earlier call" in result.err


@pytest.mark.slow
def test_features_and_filters(tmp_path, images):
  shutil.rmtree(images / "more")
  flags = (f"--images={images}", "--method=features", "--layer=bn1")
  lines, _ = explain("classifier", tmp_path / "maps", *flags)
  assert Image.open(lines[0]["heat"]).size == (30, 20)
  assert min(Image.open(lines[0]["maps"]).size) >= 500
  _, result = explain("classifier", tmp_path / "own", "--method=filters")
  assert "filters of CNN, layer conv1: " in result.err
  assert [x.name for x in (tmp_path / "own").iterdir()] == ["filters.png"]


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--method=gradcam"], "--mode=explain needs --images=IMAGES and"),
    (["--method=filters", "--label=1"], "--label is of --method=gradcam"),
    (["--images=/no/such"], "/no/such does not exist"),
    (["--images=IMAGES", "--label=owl"], "--label: got 'owl'; "),
    (["--images=IMAGES", "--layer=conv9"], "the nearest is 'conv"),
    (["--images=IMAGES", "--method=attention"], "=attention: CNN has none"),
  ],
)
def test_bad_input(tmp_path, images, flags, message):
  flags = [x.replace("IMAGES", str(images)) for x in flags]
  lines, result = explain("classifier", tmp_path / "out", *flags, code=2)
  assert lines == [] and not (tmp_path / "out").exists()
  assert message in result.err


@pytest.mark.slow
@pytest.mark.parametrize(
  ("kind", "method"),
  [("vit", "attention"), ("segmenter", "gradcam"), ("detector", "gradcam")],
)
def test_other_tasks(tmp_path, images, kind, method):
  flags = (f"--images={images}", f"--method={method}")
  lines, _ = explain(kind, tmp_path / "out", *flags)
  assert Image.open(lines[0]["heat"]).size == (30, 20)
  assert ("class" in lines[0]) is (method == "gradcam")
