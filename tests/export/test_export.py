"""`--mode=export`: each format of each task, read again by others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open

from tests.export.trained import workdir
from tests.marks import with_slow
from tests.programs.command import call, stored, train
from tests.programs.flags import real_environment
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import RunFailure, UserError
from vision_jax.experiment import Predict
from vision_jax.export import compare, place
from vision_jax.export.examples import examples
from vision_jax.inference import trained

KINDS = ("classifier", "segmenter", "detector")
OUTPUTS = {
  "classifier": {"label", "logits", "probs"},
  "segmenter": {"probs", "target"},
  "detector": {"boxes", "label", "score"},
}


def export(kind, format, output, *flags, code=0):
  """Exports a tiny net; returns how the command ended."""
  result = call(
    "--mode=export",
    f"--workdir={workdir(kind)}",
    f"--format={format}",
    f"--output={output}",
    *flags,
    devices=1,
  )
  assert result.code == code, result.err
  return result


def pixels(kind):
  """Images as the net is given them, and what it predicts of them."""
  net = trained.load(workdir(kind), log=lambda line: None)
  c = net.batch["image"].shape[-1]
  (image,) = examples(net.experiment.predict, c)
  return image, net.predict(image)


@pytest.mark.parametrize("kind", with_slow(KINDS, *KINDS[1:]))
def test_safetensors_are_the_weights_and_start_a_run(kind, tmp_path):
  result = export(kind, "safetensors", tmp_path / "out")
  assert "Largest difference from the live net: " in result.err
  file = tmp_path / "out" / "model.safetensors"
  assert [*file.parent.iterdir()] == [file]
  with safe_open(file, "numpy") as opened:
    about = {k: json.loads(x) for k, x in opened.metadata().items()
             if k != "format"}  # fmt: skip
    got = {name: opened.get_tensor(name) for name in [*opened.keys()]}
  expected = {
    name: x
    for name, x in stored(workdir(kind)).items()
    if name.split("/")[0] in ("params", "stats")
  }
  assert got.keys() == expected.keys()
  for name, x in expected.items():
    np.testing.assert_array_equal(got[name], x, err_msg=name)
  assert about["step"] == 2 and about["weights"] == "raw"
  assert about["variant"] == "tiny" and "data_dir" not in about["values"]
  assert about["outputs"].keys() == OUTPUTS[kind]
  if kind == "classifier":
    names = [x["name"] for x in about["preprocessing"]["transforms"]]
    assert names == ["decode", "resize"]
    assert about["preprocessing"]["mean"] == [0.5]
    assert about["inputs"]["image"]["shape"] == ["b", 8, 8, 1]
    assert len(about["classes"]) == 10
    assert any(name.endswith("/accuracy") for name in about["metrics"])


@pytest.mark.slow
def test_a_run_starts_from_what_was_written(tmp_path):
  export("classifier", "safetensors", tmp_path / "out")
  file = tmp_path / "out" / "model.safetensors"
  flags = (f"--init_from={file}", "--config.steps=1", "--config.lr=0")
  config = "configs/classification/digits_cnn.py:tiny"
  train(tmp_path / "next", *flags, config=config, devices=1)
  before, after = stored(workdir("classifier")), stored(tmp_path / "next")
  for name in [x for x in before if x.startswith("params/")]:
    np.testing.assert_array_equal(after[name], before[name])


WITHOUT_US = """
import sys, json, numpy as np
from jax import export
folder = sys.argv[1]
exported = export.deserialize(bytearray(open(folder + "/model.stablehlo", "rb").read()))
image = np.load(folder + "/../image.npy")
out = exported.call(image)
np.savez(folder + "/../out.npz", **out)
assert exported.platforms == ("cpu", "cuda", "tpu")
assert not any(name.startswith("vision_jax") for name in sys.modules)
"""  # noqa: E501


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_stablehlo_runs_where_this_package_is_not(kind, tmp_path):
  export(kind, "stablehlo", tmp_path / "out")
  about = json.loads((tmp_path / "out" / "model.json").read_text())
  image, expected = pixels(kind)
  image = image[:3]  # another batch than the one that was compared
  np.save(tmp_path / "image.npy", image)
  environment = {k: x for k, x in real_environment().items()
                 if k != "PYTHONPATH"}  # fmt: skip
  subprocess.run(
    [sys.executable, "-c", WITHOUT_US, tmp_path / "out"],
    env=environment | {"JAX_PLATFORMS": "cpu"},
    cwd=tmp_path,
    check=True,
  )
  got = np.load(tmp_path / "out.npz")
  assert {*got} == {*about["outputs"]} == OUTPUTS[kind]
  assert about["inputs"]["image"]["shape"] == ["b", *image.shape[1:]]
  assert about["inputs"]["image"]["dtype"] == "uint8"
  live = {k: x[:3] for k, x in expected.items()}
  compare.check_same(live, {k: got[k] for k in live})
  for name, x in live.items():
    assert about["outputs"][name]["shape"] == ["b", *x.shape[1:]]


@pytest.mark.slow
def test_a_program_of_a_cpu_alone_has_its_forms(tmp_path):
  flags = ("--platforms=cpu", "--weights=raw")
  for kind in ("vit", "detector"):
    export(kind, "stablehlo", tmp_path / kind, *flags)
    about = json.loads((tmp_path / kind / "model.json").read_text())
    assert about["platforms"] == ["cpu"]


def test_outputs_that_exist_or_are_files_are_refused(tmp_path):
  (tmp_path / "there").mkdir()
  result = export("classifier", "safetensors", tmp_path / "there", code=2)
  assert "there exists; expected a folder that does not" in result.err
  file = tmp_path / "net.safetensors"
  result = export("classifier", "safetensors", file, code=2)
  assert "expected a folder, which the format's files" in result.err
  assert [*tmp_path.iterdir()] == [tmp_path / "there"]
  with pytest.raises(UserError, match="expected a local folder"):
    place.check_place("gs://bucket/out")


def test_what_is_missing(tmp_path):
  result = call("--mode=export", f"--workdir={tmp_path}", "--format=onnx")
  assert result.code == 2
  assert "needs --format=FORMAT and --output=FOLDER" in result.err
  flags = ("--platforms=tpu",)
  result = export("classifier", "stablehlo", tmp_path / "o", *flags, code=2)
  assert "expected this machine's, cpu, among them" in result.err
  flags = ("--platforms=cpu,kuda",)
  result = export("classifier", "stablehlo", tmp_path / "o", *flags, code=2)
  assert "did you mean 'cuda'" in result.err
  flags = (f"--images={tmp_path}/none",)
  result = export("classifier", "stablehlo", tmp_path / "o", *flags, code=2)
  assert "none does not exist" in result.err
  assert [*tmp_path.iterdir()] == []


def test_what_fails_leaves_nothing(tmp_path):
  with pytest.raises(RunFailure), place.whole(tmp_path / "a" / "out") as new:
    (new / "half").write_text("")
    raise RunFailure("differs")
  assert [*(tmp_path / "a").iterdir()] == []
  with place.whole(tmp_path / "a" / "out") as new:
    (new / "all").write_text("")
  assert os.listdir(tmp_path / "a") == ["out"]
  assert os.listdir(tmp_path / "a" / "out") == ["all"]


def scores(*rows):
  """Outputs of a classifier with these probabilities."""
  probs = np.array(rows, np.float32)
  return {"probs": probs, "label": probs.argmax(-1)}


@pytest.mark.parametrize(
  ("got", "message"),
  [
    (scores([0.7, 0.3]), None),
    (scores([0.70001, 0.3]), None),
    (scores([0.7, 0.31]), "probs differs by 0.01 from the live net's"),
    (scores([np.nan, 0.3]), "probs differs by nan"),
    (scores([0.7, 0.3]) | {"label": np.array([1])}, "1 of 1 values of label"),
    ({"probs": np.zeros((1, 3))}, "what was written gives"),
  ],
)
def test_what_differs_is_found(got, message):
  live = scores([0.7, 0.3])
  if message is None:
    assert "probs " in compare.check_same(live, got)
    return
  with pytest.raises(RunFailure, match=message):
    compare.check_same(live, got)


def test_ties_may_come_in_another_order():
  live = scores([0.5, 0.5]) | {"label": np.array([0])}
  compare.check_same(live, live | {"label": np.array([1])})
  boxes = np.array([[[0, 0, 9, 9], [5, 5, 8, 8]]], np.float32)
  label, score = np.array([[1, 2]]), np.array([[0.5, 0.5]], np.float32)
  live = {"boxes": boxes, "label": label, "score": score}
  turned = {name: x[:, ::-1] for name, x in live.items()}
  compare.check_same(live, turned)
  with pytest.raises(RunFailure, match="values of label"):
    compare.check_same(live, live | {"label": label[:, ::-1]})
  with pytest.raises(RunFailure, match="boxes differs"):
    compare.check_same(live, live | {"boxes": boxes + 0.1})


def test_photographs_are_not_what_a_net_of_five_bands_sees():
  how = Predict([decode(5), resize((8, 8))])
  with pytest.raises(UserError, match="--images: got none, and photographs"):
    examples(how, 5)
  (image,) = examples(Predict([decode(1), resize((8, 8))]), 1)
  assert image.shape == (4, 8, 8, 1) and image.dtype == np.uint8
  assert len({x.tobytes() for x in image}) == 4
