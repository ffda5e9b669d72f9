"""`--mode=export`: each format of each task, read again by others."""

import json
import os
import pathlib
import subprocess
import sys
import types

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import safe_open

from tests.export.trained import workdir
from tests.marks import with_slow
from tests.oracles import library
from tests.programs.command import call, stored, train
from tests.programs.flags import real_environment
from vision_jax.data.transforms.boxes import letterbox
from vision_jax.data.transforms.crops import resize_centre_crop
from vision_jax.data.transforms.image import decode, resize
from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import RunFailure, UserError
from vision_jax.experiment import Predict
from vision_jax.export import compare, place
from vision_jax.export.about import describe
from vision_jax.export.examples import examples
from vision_jax.export.huggingface import preprocessor
from vision_jax.files import whole_folder
from vision_jax.inference import trained
from vision_jax.ops.inputs import normalize

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


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_runs_by_itself(kind, tmp_path):
  onnxruntime = library("onnxruntime")
  library("jax2onnx")
  before = dict(vars(jnp))
  result = export(kind, "onnx", tmp_path / "out", "--platforms=cpu")
  assert {k: x for k, x in vars(jnp).items() if k in before} == before
  assert "Largest difference from the live net" in result.err
  image, expected = pixels(kind)
  session = onnxruntime.InferenceSession(
    tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"]
  )
  (given,) = session.get_inputs()
  assert given.name == "image" and given.shape == ["b", *image.shape[1:]]
  names = [x.name for x in session.get_outputs()]
  assert {*names} == OUTPUTS[kind]
  for count in (1, 3):  # other batches than the one that was compared
    found = session.run(names, {"image": image[:count]})
    got = dict(zip(names, found, strict=True))
    live = {name: x[:count] for name, x in expected.items()}
    compare.check_same(live, {name: got[name] for name in live})
  about = session.get_modelmeta().custom_metadata_map
  assert json.loads(about["step"]) == 2 and "classes" in about


def test_onnx_says_what_to_install(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "jax2onnx", None)
  result = export("classifier", "onnx", tmp_path / "out", code=2)
  assert "pip install --no-deps jax2onnx" in result.err
  assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_hugging_face_folder(kind, tmp_path):
  hub = library("huggingface_hub")
  out = tmp_path / "out"
  result = export(kind, "huggingface", out)
  assert "licence is unknown: give it with --license" in result.err
  names = ("README.md", "config.json", "model.safetensors")
  assert sorted(os.listdir(out)) == [*names, "preprocessor_config.json"]
  config = json.loads((out / "config.json").read_text())
  image, _ = pixels(kind)
  assert config["model_type"] == "vision_jax"
  assert config["image_size"] == [*image.shape[1:3]]
  assert config["num_channels"] == image.shape[3]
  assert len(config["id2label"]) == len(config["label2id"]) >= 10
  assert config["id2label"][str(config["label2id"]["3"])] == "3"
  head = hub.ModelCard.load(out / "README.md").data
  assert head.license == "unknown" and head.library_name == "vision_jax"
  assert head.pipeline_tag.startswith(("image-", "object-"))
  found = {(x.dataset_split, x.metric_type): x.metric_value
           for x in head.eval_results}  # fmt: skip
  lines = pathlib.Path(workdir(kind), "metrics.jsonl").read_text().splitlines()
  logged = {k: x for line in lines for k, x in json.loads(line).items()}
  for (split, name), value in found.items():
    assert value == pytest.approx(logged[f"{split}/{name}"])
  assert any(name in ("accuracy", "miou", "ap") for _, name in found)
  given = export(kind, "huggingface", tmp_path / "own", "--license=apache-2.0")
  assert "licence is unknown" not in given.err
  text = (tmp_path / "own" / "README.md").read_text()
  assert "\nlicense: apache-2.0\n" in text


@pytest.mark.parametrize(
  ("transform", "kind"),
  [
    (resize((20, 30)), "ViTImageProcessor"),
    (resize_centre_crop(40, 32), "BitImageProcessor"),
    (Preprocess((28, 30), 40, "bicubic").transform(), "BitImageProcessor"),
  ],
)
def test_preprocessor_is_transformers(transform, kind):
  """Its slow processors resize by Pillow, as ours do."""
  content = preprocessor(described(transform, "uint8"))
  assert content["image_processor_type"] == kind
  image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
  expected = transform({"image": image}, None)["image"]
  side = content.get("crop_size", content["size"])
  assert (side["height"], side["width"]) == expected.shape[:2]
  assert content["do_resize"] and content["do_normalize"]
  assert content["image_mean"] == [0.5, 0.25, 0.1]
  assert content["image_std"] == [0.2, 0.3, 0.4]


def test_steps_that_transformers_has_not_are_left_out():
  content = preprocessor(described(letterbox((32, 32)), "uint16"))
  assert content["do_resize"] is False and "size" not in content
  assert content["rescale_factor"] == 1 / 65535


def described(transform, dtype):
  """What is said of a net that sees images through a transform."""
  experiment = types.SimpleNamespace(
    task=None,
    predict=Predict([decode(3), transform]),
    inputs=normalize((0.5, 0.25, 0.1), (0.2, 0.3, 0.4)),
  )
  return describe(experiment, [np.zeros((1, 4, 4, 3), dtype)], {})


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
  with pytest.raises(RunFailure), whole_folder(tmp_path / "a" / "out") as new:
    (new / "half").write_text("")
    raise RunFailure("differs")
  assert [*(tmp_path / "a").iterdir()] == []
  with whole_folder(tmp_path / "a" / "out") as new:
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
