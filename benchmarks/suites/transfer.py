"""Rows of few images of new classes: what a trained backbone is worth.

The backbone is a ResNet-20 that has seen five classes of CIFAR-10; five images
of each of the other five are given. Fine-tuned, trained from scratch for as
many steps, or probed with nothing trained at all. What is frozen was chosen on
val, by a seed that is none of the rows'.
"""

import json

from benchmarks.row import Row

BACKBONE = "cifar10_five"
CLASSES = "dog,frog,horse,ship,truck"
RESNET20 = {
  **{"model": "backbones.resnet.ResNet", "num_classes": 5},
  **{"stages": [3, 3, 3], "bottleneck": False, "width": 16, "stem": "small"},
  **{"shortcut": "A", "zero_init": False},
}
FEW = {
  **{"dataset": "cifar10", "classes": CLASSES, "shots": "5"},
  **{"holdout": "500", "batch_size": "25", "eval_batch_size": "250"},
  **{"steps": "100", "warmup": "10", "eval_every": "0"},
  **{"augment.crop": "", "augment.translation": "0.125"},
}


def _few(name: str, target: float, **more) -> Row:
  return Row(
    **{"config": "configs/classification/folder_finetune.py", **more},
    name=name,
    dataset="cifar10_jpeg",
    reference="",
    tolerance=0.0,
    target=target,
    differs=(
      "nothing comparable is published; of cifar10_jpeg, a lossy copy of "
      "CIFAR-10 (quality 75, 4:2:0)"
    ),
    data="cifar10",
    seconds=120,
  )


_TRAINED = {
  "file": f"{BACKBONE}/config.json",
  "backbone": BACKBONE,
  "made_by": (
    "python -m vision_jax.main --config=configs/classification/cifar10_five.py "
    f"--workdir=FOLDER/{BACKBONE}"
  ),
}
_TEST = "5,000 test images of these classes, single view"

TRANSFER = (
  _few(
    "transfer_finetune_5shot",
    0.4,
    variant="cpu",
    protocol=(
      "a backbone of five classes, its last stage and a new head fine-tuned on "
      f"5 images of each of the other five, 100 steps; {_TEST}, last step"
    ),
    overrides=FEW | {"freeze": "^(?!fc/|conv4_)", "batch_norm": "frozen"},
    **_TRAINED,
  ),
  _few(
    "transfer_scratch_5shot",
    0.3,
    variant="cpu",
    protocol=(
      "the same net from a random start, all of it trained on the same images "
      f"by the same recipe and steps; {_TEST}, last step"
    ),
    overrides=FEW | {"net": json.dumps(RESNET20), "image_size": "32"},
  ),
  _few(
    "transfer_probe_5shot",
    0.4,
    config="configs/classification/cifar10_five.py",
    metric="test/logistic",
    also=("test/ridge", "test/knn"),
    protocol=(
      "frozen features of the same backbone, 5 images of each of the other "
      f"five classes, a draw a seed; {_TEST}"
    ),
    probe={"dataset": "cifar10", "classes": CLASSES, "shots": "5"},
    **_TRAINED,
  ),
)

SUITES = {"transfer": TRANSFER}
