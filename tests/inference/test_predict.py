"""Images in, predictions out, also where the training data are gone."""

import json
import pathlib
import re
import shutil
import types

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from PIL import Image

from tests.programs.blobs import CLASSES, Blobs, Net
from tests.programs.command import BLOBS, ROOT, call, stored, train
from tests.programs.files import content, write_folder
from tests.programs.halves import halves, run_halves
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference.predict import predict_folder
from vision_jax.ops.inputs import normalize
from vision_jax.parallel.named import make_execution
from vision_jax.writers import folder as outputs

COUNT = 70  # more than two batches


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """The workdir of a run on images that are gone since."""
  folder = tmp_path_factory.mktemp("predict")
  write_folder(folder / "data", each=15)
  train(
    folder / "run",
    f"--config.data_dir={folder / 'data'}",
    "--config.holdout=8",
    "--config.steps=6",
  )
  shutil.rmtree(folder / "data")
  return folder / "run"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  """A folder of PNGs of 8x8, a text file and a folder; and the arrays."""
  folder = tmp_path_factory.mktemp("images")
  images = Blobs(COUNT, 5).load()["image"]
  for i, image in enumerate(images):
    Image.fromarray(image).save(folder / f"{i:03}.png")
  (folder / "notes.txt").write_text("no image")
  (folder / "more").mkdir()
  return folder, images


def predict(workdir, images, output, *flags, code=0):
  """Predicts; returns the lines and how the command ended."""
  result = call(
    "--mode=predict",
    f"--workdir={workdir}",
    f"--images={images}",
    f"--output={output}",
    *flags,
  )
  assert result.code == code, result.err
  file = output / "predictions.jsonl"
  lines = file.read_text().splitlines() if file.exists() else []
  return [json.loads(line) for line in lines], result


def expected_scores(workdir, images, which):
  """Applies the model to the stored weights; returns probabilities (n, k)."""
  arrays = stored(workdir)
  first = "" if which == "raw" else "ema/"
  variables = {}
  for kind in ("params", "stats"):
    for name, x in arrays.items():
      prefix = f"{first}{kind}/model/"
      if name.startswith(prefix):
        path = name.removeprefix(prefix).split("/")
        path = ["params", *path] if kind == "params" else path
        node = variables
        for part in path[:-1]:
          node = node.setdefault(part, {})
        node[path[-1]] = x
  logits = Net(128, 0.2).apply(
    variables, images / np.float32(127.5) - 1, train=False
  )
  scores = np.exp(np.asarray(logits, np.float64))
  return scores / scores.sum(-1, keepdims=True)


@pytest.mark.parametrize("which", ["raw", "ema"])
@pytest.mark.parametrize("execution", ["jit", "fsdp", "pmap"])
def test_predictions(tmp_path, trained, images, execution, which):
  folder, images = images
  lines, result = predict(
    trained,
    folder,
    tmp_path / "out",
    f"--weights={which}",
    f"--execution={execution}",
  )
  assert f"{COUNT} images: {tmp_path / 'out' / 'predictions.jsonl'}" in (
    result.err
  )
  kind = {"raw": "raw", "ema": "averaged (ema)"}[which]
  assert f"Weights: {kind}, of step " in result.err
  names = [line["file"] for line in lines]
  assert names == [str(folder / f"{i:03}.png") for i in range(COUNT)]
  scores = expected_scores(trained, images, which)
  for line, row in zip(lines, scores, strict=True):
    order = np.argsort(-row)
    assert line["label"] == order[0]
    # The class names are the folders', sorted.
    assert line["class"] == CLASSES[order[0]]
    assert line["score"] == pytest.approx(row[order[0]], abs=2e-5)
    assert [x["class"] for x in line["top"]] == [CLASSES[k] for k in order]
    assert sum(x["score"] for x in line["top"]) == pytest.approx(1, abs=1e-5)


def test_an_unreadable_image(tmp_path, trained, images):
  folder = tmp_path / "images"
  shutil.copytree(images[0], folder)
  (folder / "000.png").write_bytes(b"")
  data = (folder / "040.png").read_bytes()
  (folder / "040.png").write_bytes(data[: len(data) // 2])
  strict, output = "--config.on_bad_image=error", tmp_path / "out"
  lines, failed = predict(trained, folder, output, strict, code=2)
  assert lines == []
  assert "000.png" in failed.err and "on_bad_image=skip" in failed.err
  lines, result = predict(trained, folder, output)
  assert f"2 of {COUNT} images could not be read" in result.err
  end = result.err[result.err.index("could not be read") :]
  assert f"  {folder / '000.png'}: the file is empty\n" in end
  assert re.search(r"  .*040\.png: .*truncated", end)
  assert re.search(r"70 images in .* s: .* then .* images/s\.", end)
  assert len(lines) == COUNT
  for i, line in enumerate(lines):
    assert line["file"].endswith(f"{i:03}.png")
    if i in (0, 40):
      assert line == {"file": line["file"], "error": "unreadable image"}
    else:
      assert 0 < line["score"] <= 1


def test_images_above_the_limit_are_refused(tmp_path, trained, images):
  out = tmp_path / "out"
  lines, failed = predict(trained, images[0], out, "--max_pixels=30", code=2)
  assert lines == []
  assert re.search(r"000\.png: 8x8 .*are 64 pixels.*limit of 30", failed.err)
  lines, _ = predict(trained, images[0], out, "--max_pixels=64")
  assert len(lines) == COUNT


def test_images_are_a_pattern_and_a_format_is_named(tmp_path, trained, images):
  folder, out = images[0], tmp_path / "out"
  lines, _ = predict(trained, folder / "0[12]*.png", out, "--format=csv,")
  assert [line["file"] for line in lines] == [
    str(folder / f"{i:03}.png") for i in range(10, 30)
  ]
  rows = (out / "predictions.csv").read_text().splitlines()[1:]
  assert [row.split(",")[:2] for row in rows] == [
    [line["file"], line["class"]] for line in lines
  ]


def test_a_threshold_of_four_classes_has_no_use(tmp_path, trained, images):
  flags = (tmp_path / "out", "--threshold=0.4")
  lines, failed = predict(trained, images[0] / "000.png", *flags, code=2)
  assert lines == []
  assert "--threshold: got 0.4; expected none, as this task" in failed.err


def test_what_fills_a_batch_is_an_image(tmp_path, images):
  """A net that sees the whole batch sees no image of zeros."""

  class Darkest:
    def predict(self, params, stats, batch, key):
      b, *_ = batch["image"].shape
      darkest = jnp.min(jnp.sum(batch["image"], (1, 2, 3)))
      return {"logits": jnp.full((b, 2), darkest)}

  def write(file, row, name):
    return {"darkest": float(row["logits"][0])}

  write.needs, write.close = (), lambda: None
  how = Predict([decode()], (), [lambda about: write])
  predict_folder(
    types.SimpleNamespace(task=Darkest(), predict=how, inputs=normalize()),
    ({}, {}),
    make_execution("jit", ""),
    str(images[0]),
    epath.Path(tmp_path),
    batch_size=128,
    log=lambda text: None,
  )
  lines = (tmp_path / "predictions.jsonl").read_text().splitlines()
  expected = (images[1] / 255).sum((1, 2, 3)).min()
  got = [json.loads(line)["darkest"] for line in lines]
  np.testing.assert_allclose(got, [expected] * COUNT, rtol=1e-4)


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--output=x"], "--mode=predict needs --images=IMAGES and --output"),
    (
      ["--images=x", "--output=y", "--overlap=3"],
      "--overlap: got 3 without --tile, whose windows would",
    ),
    (["--images=x"], "--mode=predict needs --images=IMAGES and --output"),
    (
      ["--images=/no/x", "--output=y"],
      "--images: /no/x does not exist; expected an image, a ",
    ),
  ],
)
def test_what_is_missing(trained, flags, message):
  result = call("--mode=predict", f"--workdir={trained}", *flags)
  assert result.code == 2
  assert message in result.err


def test_outputs_have_names_of_their_own():
  given = ["cell.jpg", "cell.png", "Cell.bmp", "b.png", "c.png", "c.png.gif"]
  given += ["d/b.png", "e.f/b.png"]
  files = [pathlib.Path("x", name) for name in given]
  got = outputs.names(files, pathlib.Path("x"))
  shorter = ["b", "c", "c.png.gif", "d/b", "e.f/b"]
  assert got == ["cell.jpg", "cell.png", "Cell.bmp", *shorter]
  assert len({name.casefold() for name in got}) == len(got)


def test_images_of_one_name_have_masks_and_overlays_of_their_own(tmp_path):
  images = {"cell.jpg": (0, 8, 6), "cell.png": (3, 10, 4), "b.png": (1, 5, 5)}
  (tmp_path / "in").mkdir()
  for name, (value, h, w) in images.items():
    image = np.full((h, w, 3), value, np.uint8)
    Image.fromarray(image).save(tmp_path / "in" / name)
  write = lambda: run_halves(
    halves(tmp_path / "none", 0, ("masks", "overlay")),
    *(tmp_path / "in", tmp_path / "out"),
    batch_size=2,
  )
  write()
  text = (tmp_path / "out" / "predictions.jsonl").read_text()
  lines = {
    pathlib.Path(line["file"]).name: line
    for line in map(json.loads, text.splitlines())
  }
  assert lines.keys() == images.keys()
  assert lines["b.png"]["mask"].endswith("masks/b.png")
  for name, (value, h, w) in images.items():
    mask = np.asarray(Image.open(lines[name]["mask"]))
    np.testing.assert_array_equal(mask, np.full((h, w), value))
    assert Image.open(lines[name]["overlay"]).size == (w, h)
  before = content(tmp_path / "out")
  with pytest.raises(UserError, match=r"earlier call \(masks, over"):
    write()
  assert content(tmp_path / "out") == before


def test_a_folder_without_images(tmp_path, trained):
  (tmp_path / "more").mkdir()
  images, output = tmp_path / "more", tmp_path / "out"
  lines, result = predict(trained, images, output, code=2)
  assert "has no images; expected at least one of" in result.err
  assert lines == []


def test_evaluation_needs_the_data(tmp_path, trained):
  result = call("--mode=eval", f"--workdir={trained}")
  assert result.code == 2
  assert "does not exist; expected a folder" in result.err
  write_folder(tmp_path / "moved", each=15)
  place = f"--config.data_dir={tmp_path / 'moved'}"
  result = call("--mode=eval", f"--workdir={trained}", place)
  assert result.code == 0, result.err
  assert "val/accuracy" in json.loads(result.out)


def test_a_config_that_does_not_predict(tmp_path):
  config = tmp_path / "own.py"
  text = (ROOT / BLOBS).read_text()
  at = text.index("    predict=")
  config.write_text(text[:at] + "  )\n")
  train(tmp_path / "run", "--config.steps=1", config=config)
  _, result = predict(tmp_path / "run", tmp_path, tmp_path / "out", code=2)
  assert "this config's Experiment has no `predict`; add" in result.err
