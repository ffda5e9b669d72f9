"""Every config file: its tiny variant takes a first step, its full one builds.

A classifier and a segmenter train to their ends; `pytest -m slow` trains what
no other test trains, takes the first steps that are costly to trace, and builds
what is large.
"""

import json
import math
import pathlib

import jax
import numpy as np
import pytest

from tests.data.test_detection_data import write_voc
from tests.data_fixtures import encode, random_image
from tests.marks import with_slow
from tests.programs.command import ROOT, metrics, train
from tests.programs.files import write_folder
from vision_jax.core.step import make_eval_step
from vision_jax.data.errors import DataError
from vision_jax.data.found import KINDS
from vision_jax.data.recognise import config_of
from vision_jax.data.sources.people import KEYPOINTS
from vision_jax.data.text.tokenizer import of_bytes
from vision_jax.recipe import automatic, recipe

CONFIGS = [
  str(path.relative_to(ROOT))
  for path in sorted((ROOT / "configs").glob("*/*.py"))
  if path.name != "__init__.py"
]
TRAINED = {
  "configs/classification/digits_cnn.py",
  "configs/segmentation/digit_scenes_unet.py",
}
# Trained by tests of their own, everywhere or by the command, or by what the
# README has to run, which a test does.
ELSEWHERE = (
  "configs/captions/scenes_coca.py",
  "configs/classification/folder_resnet18.py",
  "configs/classification/mnist_lenet.py",
  "configs/classification/mnist_vit.py",
  "configs/depth/scenes_depth.py",
  "configs/detection/coco_keypoint_rcnn.py",
  "configs/detection/digit_scenes_detr.py",
  "configs/detection/voc_detr.py",
  "configs/generation/digits_ddpm.py",
  "configs/generation/digits_vae.py",
  "configs/generation/scenes_text.py",
  "configs/generation/scenes_text_gan.py",
  "configs/instance/digit_scenes_mask2former.py",
  "configs/instance/nuclei_maskrcnn.py",
  "configs/reading/mnist_attention.py",
  "configs/reading/mnist_crnn.py",
  "configs/segmentation/camvid_unet.py",
  "configs/segmentation/folder_unet.py",
  "configs/skeletons/actions_mstcn.py",
  "configs/translation/folder_cyclegan.py",
  "configs/translation/folder_pix2pix.py",
  "configs/video/digits_r3d.py",
)
# What they train is trained with another net, on other data or by a test of
# its own, and their steps are costly to compile: traced.
TRACED = (
  "configs/classification/cifar10_resnet18.py",
  "configs/classification/cifar10_resnet56.py",
  "configs/classification/imagenet_resnet50.py",
  "configs/classification/imagenet_vit_s16.py",
  "configs/detection/bccd_deformable_detr.py",
  "configs/detection/bccd_rt_detr.py",
  "configs/detection/bccd_yolox.py",
  "configs/detection/coco_detr_r50.py",
  "configs/detection/own_boxes.py",
  "configs/generation/cifar10_dcgan.py",
  "configs/generation/cifar10_ddpm.py",
  "configs/generation/mnist_ddpm.py",
  "configs/generation/mnist_flow_matching.py",
  "configs/generation/mnist_vqgan.py",
  "configs/segmentation/camvid_deeplabv3.py",
  "configs/segmentation/camvid_enet.py",
  "configs/segmentation/camvid_lraspp.py",
  "configs/segmentation/imported.py",
  "configs/self_supervised/cifar10_mae.py",
  "configs/self_supervised/cifar10_simclr.py",
)
LARGE = (  # their data or nets take seconds to build
  "configs/classification/cifar10_five.py",
  "configs/detection/coco_keypoint_rcnn.py",
  "configs/instance/nuclei_maskrcnn.py",
  "configs/metric_learning/mnist_embedding.py",
  "configs/reading/mnist_attention.py",
  "configs/reading/mnist_crnn.py",
  "configs/segmentation/camvid_fc_densenet.py",
)
HEAVY = (
  "configs/captions/scenes_coca.py",
  "configs/classification/cifar10_fast.py",
  "configs/classification/cifar10_resnet18.py",
  "configs/classification/cifar10_resnet20.py",
  "configs/classification/cifar10_resnet56.py",
  "configs/classification/cifar10_vit.py",
  "configs/classification/folder_resnet18.py",
  "configs/classification/imagenet_resnet50.py",
  "configs/classification/imagenet_vit_s16.py",
  "configs/classification/imported.py",
  "configs/classification/zero_shot.py",
  "configs/detection/bccd_deformable_detr.py",
  "configs/detection/bccd_detr.py",
  "configs/detection/bccd_fcos.py",
  "configs/detection/bccd_rt_detr.py",
  "configs/detection/bccd_yolox.py",
  "configs/detection/coco_detr_r50.py",
  "configs/detection/coco_keypoint_rcnn.py",
  "configs/detection/digit_scenes_detr.py",
  "configs/detection/digit_scenes_yolo.py",
  "configs/detection/imported.py",
  "configs/detection/own_boxes.py",
  "configs/detection/voc_detr.py",
  "configs/generation/cifar10_dcgan.py",
  "configs/generation/cifar10_ddpm.py",
  "configs/generation/digits_ddpm.py",
  "configs/generation/digits_gan.py",
  "configs/generation/imported_autoencoder.py",
  "configs/generation/mnist_autoencoder.py",
  "configs/generation/mnist_conditional_vae.py",
  "configs/generation/mnist_dcgan.py",
  "configs/generation/mnist_ddpm.py",
  "configs/generation/mnist_flow_matching.py",
  "configs/generation/mnist_gan.py",
  "configs/generation/mnist_glow.py",
  "configs/generation/mnist_inpainting.py",
  "configs/generation/mnist_latent.py",
  "configs/generation/mnist_mean_flow.py",
  "configs/generation/mnist_stylegan2.py",
  "configs/generation/mnist_vq_prior.py",
  "configs/generation/mnist_vqgan.py",
  "configs/generation/mnist_vqvae.py",
  "configs/generation/scenes_text.py",
  "configs/generation/scenes_text_gan.py",
  "configs/instance/digit_scenes_mask2former.py",
  "configs/instance/nuclei_maskrcnn.py",
  "configs/instance/nuclei_stardist.py",
  "configs/reading/mnist_attention.py",
  "configs/restoration/div2k_srgan.py",
  "configs/segmentation/camvid_deeplabv3.py",
  "configs/segmentation/camvid_enet.py",
  "configs/segmentation/camvid_espnet.py",
  "configs/segmentation/camvid_fc_densenet.py",
  "configs/segmentation/camvid_fcn8s.py",
  "configs/segmentation/camvid_lraspp.py",
  "configs/segmentation/camvid_unet.py",
  "configs/segmentation/folder_unet.py",
  "configs/segmentation/imported.py",
  "configs/self_supervised/cifar10_dino.py",
  "configs/self_supervised/cifar10_mae.py",
  "configs/self_supervised/cifar10_simclr.py",
  "configs/skeletons/actions_mstcn.py",
  "configs/skeletons/actions_stgcn.py",
  "configs/style/folder_adain.py",
  "configs/style/folder_fast_style.py",
  "configs/translation/digits_cycle.py",
  "configs/translation/digits_edges.py",
  "configs/translation/folder_cyclegan.py",
  "configs/translation/folder_pix2pix.py",
  "configs/translation/photos_cartoon.py",
  "configs/translation/photos_cycle.py",
  "configs/video/digits_r2plus1d.py",
  "configs/video/digits_r3d.py",
  "configs/video/digits_vivit.py",
)
KEY = jax.random.key(0)


def test_there_are_configs():
  assert len(CONFIGS) >= 10
  assert set(CONFIGS) >= TRAINED | {*ELSEWHERE, *TRACED}


@pytest.mark.parametrize(
  "path",
  [
    pytest.param(path, marks=() if path in TRAINED else pytest.mark.slow)
    for path in CONFIGS
    if path not in ELSEWHERE + TRACED
  ],
)
def test_tiny_variant_trains_to_its_end(tmp_path, path):
  """Of six steps, which is where it is measured once."""
  short = ("--config.steps=6", "--config.eval_every=0")
  train(tmp_path, *short, config=f"{path}:tiny", devices=1)
  lines = metrics(tmp_path)
  config = json.loads((tmp_path / "config.json").read_text())["values"]
  assert lines[-1]["step"] == config["steps"]
  evaluated = [k for k in lines[-1] if k.startswith(("val/", "test/"))]
  assert evaluated, lines[-1]
  for line in lines:
    for name, x in line.items():
      assert x is not None and math.isfinite(x), name


def shapes(tree):
  return jax.tree.map(lambda x: (x.shape, x.dtype), tree)


def abstract(experiment, batch):
  """The shapes of an experiment's state."""
  return jax.eval_shape(lambda: experiment.initial_state(KEY, batch))


@pytest.mark.parametrize(
  "path",
  with_slow([x for x in CONFIGS if x not in HEAVY or x in TRACED], *TRACED),
)
def test_tiny_variant_takes_its_first_step(path):
  """And measures: traced on real batches, where it is not trained whole."""
  loaded = recipe.load(f"{path}:tiny")
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  state = abstract(experiment, batch)
  step = experiment.train_step(accumulate=loaded.config.accumulate)
  after, logs = jax.eval_shape(step, state, batch)
  assert shapes(after) == shapes(state)
  assert jax.tree.leaves(logs)
  for data in experiment.evals.values():
    measure = make_eval_step(
      experiment.task,
      data.metrics,
      inputs=experiment.inputs,
      output=data.output,
      losses=data.losses,
    )
    states = {name: metric.state for name, metric in data.metrics.items()}
    weights = state.weights(data.weights[-1])
    assert jax.eval_shape(measure, *weights, states, data.data.batch(0), KEY)


def write_masks(folder):
  """Six images with masks of 0 and 1."""
  for part in ("images", "masks"):
    (folder / part).mkdir()
    for i in range(6):
      pixels = random_image(40, 60, 3 if part == "images" else 1, seed=i)
      pixels = pixels if part == "images" else pixels % 2
      (folder / part / f"{i}.png").write_bytes(encode(pixels, "PNG"))
  return {part: str(folder / part) for part in ("images", "masks")}


def write_objects(folder):
  """Six grey images, whose masks number objects."""
  given = write_masks(folder)
  for i in range(6):
    data = encode(random_image(40, 60, 1, seed=i), "PNG")
    (folder / "images" / f"{i}.png").write_bytes(data)
  return given | {"crop": "24"}


def write_cut_objects(folder):
  """The same, of which squares are cut that are larger than the crop."""
  return write_objects(folder) | {"cut": "40"}


def write_coco(folder, classes=91):
  """Eight images for each split, in COCO's folders."""
  (folder / "annotations").mkdir()
  for split in ("train2017", "val2017"):
    (folder / split).mkdir()
    for i in range(8):
      name = folder / split / f"{i}.jpg"
      name.write_bytes(encode(random_image(40, 60, seed=i)))
    content = {
      "images": [
        {"id": i, "file_name": f"{i}.jpg", "height": 40, "width": 60}
        for i in range(8)
      ],
      "categories": [{"id": k, "name": f"class {k}"} for k in range(classes)],
      "annotations": [
        {"id": k, "image_id": k % 8, "category_id": k, "bbox": [6, 4, 24, 16]}
        for k in range(classes)
      ],
    }
    file = folder / "annotations" / f"instances_{split}.json"
    file.write_text(json.dumps(content))
  return {"data_dir": str(folder)}


def write_people(folder):
  """The same of persons, one in each image, with their keypoints."""
  given = write_coco(folder, classes=8)
  for path in (folder / "annotations").glob("*.json"):
    content = json.loads(path.read_text())
    category = content["categories"][0] | {"keypoints": KEYPOINTS.names}
    content["categories"] = [category]
    for row in content["annotations"]:
      row |= {"category_id": 0, "keypoints": [15, 10, 2] * 17}
    name = path.name.replace("instances", "person_keypoints")
    path.with_name(name).write_text(json.dumps(content))
  return given | {"epochs": "0"}


def write_boxes(folder):
  for split in ("train", "val"):
    for i in range(8):
      write_voc(
        folder, [("dog", 6, 4, 30, 20)], name=f"{split}{i}", split=split
      )
  return {"data_dir": str(folder)}


def write_classes(folder):
  write_folder(folder, each=3)
  return {"data_dir": str(folder)}


def write_described(folder):
  vocabulary = of_bytes().encode.vocabulary
  (folder / "vocab.json").write_text(json.dumps(vocabulary))
  (folder / "merges.txt").write_text("")
  return write_classes(folder) | {"tokenizer": str(folder)}


def write_finetuned(folder):
  """Classes, and the net that weights would be of."""
  net = '{"model": "backbones.resnet.ResNet", "num_classes": 5}'
  return write_classes(folder) | {"net": net, "image_size": "64"}


def write_sets(folder):
  for name in ("Train400", "Set12", "BSD68"):
    write_set(folder / name, channels=1)
  for name in ("T91", "DIV2K", "Set5", "Set14"):
    write_set(folder / name, channels=3)
  return {"data_dir": str(folder)}


def write_pairs(folder):
  """Four pairs in each of two splits."""
  for split in ("train", "val"):
    for i in range(4):
      for part in ("input", "target"):
        (folder / split / part).mkdir(parents=True, exist_ok=True)
        data = encode(random_image(40, 60, seed=i), "PNG")
        (folder / split / part / f"{i}.png").write_bytes(data)
  return {"data_dir": str(folder)}


def write_kinds(folder):
  """Two folders of images that do not correspond."""
  for side, number in (("a", 4), ("b", 6)):
    (folder / side).mkdir()
    for i in range(number):
      data = encode(random_image(40, 60, seed=i), "PNG")
      (folder / side / f"{i}.png").write_bytes(data)
  return {side: str(folder / side) for side in ("a", "b")}


def write_photos(folder):
  """Four images, a painting, and where VGG-16 would be."""
  given = write_kinds(folder)
  painting = {"painting": f"{given['b']}/0.png", "judge": "vgg16.pth"}
  return {"images": given["a"]} | painting


def write_both(folder):
  """Four images, six paintings, and where VGG-19 would be."""
  given = write_kinds(folder)
  return {"images": given["a"], "styles": given["b"], "judge": "vgg19.pth"}


def write_clouds(folder):
  """Small images with labels, tiles, and the masks of both."""
  rng = np.random.default_rng(0)
  bytes_of = lambda *shape: rng.integers(0, 256, (*shape, 3), np.uint8)
  bits_of = lambda *shape: rng.integers(0, 2, shape, np.uint8)
  np.savez(
    folder / "toy.npz",
    train_images=bytes_of(8, 64, 64),
    train_labels=np.arange(8) % 2,
    train_masks=bits_of(8, 64, 64),
    test_images=bytes_of(4, 64, 64),
    test_labels=np.arange(4) % 2,
    eval_tiles=bytes_of(4, 72, 80),
    eval_masks=bits_of(4, 72, 80),
  )
  return {"dataset": "npz", "data_dir": str(folder / "toy.npz")}


def write_set(folder, channels):
  folder.mkdir()
  for i in range(2):
    data = encode(random_image(140, 150, channels, seed=i), "PNG")
    (folder / f"{i}.png").write_bytes(data)


RESTORED = [path for path in CONFIGS if "/restoration/" in path]
# Of configs for one's own data, and for data that tests cannot bring.
WRITTEN = {
  "configs/classification/folder_finetune.py": write_finetuned,
  "configs/classification/folder_resnet18.py": write_classes,
  "configs/classification/imported.py": write_classes,
  "configs/classification/zero_shot.py": write_described,
  "configs/detection/coco_detr_r50.py": write_coco,
  "configs/detection/coco_keypoint_rcnn.py": write_people,
  "configs/detection/imported.py": write_boxes,
  "configs/detection/own_boxes.py": write_boxes,
  "configs/detection/voc_detr.py": write_boxes,
  "configs/instance/nuclei_maskrcnn.py": write_objects,
  "configs/instance/nuclei_stardist.py": write_cut_objects,
  **dict.fromkeys(RESTORED, write_sets),
  "configs/segmentation/clouds_classifier.py": write_clouds,
  "configs/segmentation/clouds_fcn.py": write_clouds,
  "configs/segmentation/clouds_unet.py": write_clouds,
  "configs/segmentation/folder_unet.py": write_masks,
  "configs/segmentation/imported.py": write_masks,
  "configs/style/folder_adain.py": write_both,
  "configs/style/folder_fast_style.py": write_photos,
  "configs/translation/folder_cyclegan.py": write_kinds,
  "configs/translation/folder_pix2pix.py": write_pairs,
}


# Nets in place of their weights, of configs that go on from a run.
VQVAE = {
  "autoencoder_net": '{"model": "generation.vq_vae.VQVAE", "channels": 1}'
}
DESCRIBED = {
  "configs/generation/mnist_latent.py": VQVAE,
  "configs/generation/mnist_vq_prior.py": VQVAE,
}


@pytest.mark.parametrize("path", with_slow(CONFIGS, *LARGE))
def test_full_variant_builds(tmp_path, path, request):
  if path in WRITTEN:
    overrides = WRITTEN[path](tmp_path) | {"batch_size": "2"}
  else:
    root = request.getfixturevalue("data_root")
    root = root / "camvid" if "/camvid_" in path else root
    overrides = {"data_dir": str(root)} | DESCRIBED.get(path, {})
  full = recipe.load(path, overrides)
  experiment = full.build()
  state = abstract(experiment, batch_of(experiment, full.config))
  assert set(state.opt_state) == {o.net for o in experiment.task.objectives}
  assert sum(x.size for x in jax.tree.leaves(state.params)) > 0
  assert experiment.evals
  check_classes(path, experiment)


@pytest.mark.parametrize(
  "path",
  with_slow(
    {config_of(has): 0 for has in KINDS}, "configs/detection/voc_detr.py"
  ),
)
def test_what_is_chosen_on_a_cpu_takes_a_handful_of_images(
  tmp_path, path, monkeypatch
):
  monkeypatch.setattr(automatic.tuning, "on_cpu", lambda: True)
  lines = []
  name = automatic.to_begin(path, lines.append)
  assert name == f"{path}:cpu" and f"--config={path}:full is" in lines[0]
  loaded = recipe.load(name, WRITTEN[path](tmp_path))
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)  # larger than the data
  assert len(batch["mask"]) == loaded.config.batch_size
  state = abstract(experiment, batch)
  after, _ = jax.eval_shape(experiment.train_step(), state, batch)
  assert shapes(after) == shapes(state)


def check_classes(path, experiment):
  """Labels that a net has no class for are refused by every loader."""
  if path.split("/")[1] not in ("classification", "generation"):
    return
  task = experiment.task
  net = task if hasattr(task, "num_classes") else task.model
  evals = [data.data for data in experiment.evals.values()]
  for loader in (experiment.train_data, *evals):
    assert getattr(net, "num_classes", 0) in (0, loader.num_classes)


def batch_of(experiment, config):
  """A batch of the training data; one like it of an ImageNet that is absent."""
  absent = config.get("dataset") == "imagenet2012"
  if not absent or (pathlib.Path(config.data_dir) / "imagenet2012").exists():
    return experiment.train_data.batch(0)
  with pytest.raises(DataError, match="imagenet2012: not prepared in"):
    experiment.train_data.batch(0)
  b, size = config.batch_size, config.image_size
  return {
    "image": np.zeros((b, size, size, config.channels), np.uint8),
    "label": np.zeros(b, np.int32),
    "mask": np.ones(b, np.float32),
    "index": np.arange(b, dtype=np.int32),
  }
