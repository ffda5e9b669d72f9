"""What tests of models enumerate: every model, with its published size."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from tests.tables_convolutional import CONVOLUTIONAL
from vision_jax.models import listing
from vision_jax.models.backbones import convnext, efficientnet, resnet, swin
from vision_jax.models.backbones.cnn import CNN
from vision_jax.models.backbones.decorrelated import DecorrelatedCNN
from vision_jax.models.backbones.lenet import LeNet5
from vision_jax.models.backbones.mlp import MLP
from vision_jax.models.backbones.tanh import TANH_NETS
from vision_jax.models.backbones.vit import ViT, dinov2, variant
from vision_jax.models.text.image_text import clip


@dataclasses.dataclass(frozen=True)
class ModelRow:
  """A model, the images it takes, and how many parameters were published.

  Attributes:
    name: of the test's case.
    make: (**fields) -> module, of the published size.
    image: (h, w, c).
    parameters: exact count.
    source: where the count is from.
    narrow: fields of a small net of the same structure, for tests that run.
    small_image: (h, w, c) for it.
    slow: whether only `.ci/run` counts it: a smaller one has its structure.
  """

  name: str
  make: Callable[..., Any]
  image: tuple[int, int, int]
  parameters: int
  source: str
  narrow: dict[str, Any] = dataclasses.field(default_factory=dict)
  small_image: tuple[int, int, int] = (32, 32, 3)
  slow: bool = False


def _mnist():
  image = (28, 28, 1)
  yield ModelRow(
    "mlp",
    functools.partial(MLP, 10),
    image,
    784 * 800 + 800 + 800 * 10 + 10,
    "Simard et al. (2003), 784-800-10: by the layers' sizes",
    {"hidden": (8, 8)},
    (8, 8, 1),
  )
  yield ModelRow(
    "lenet5",
    functools.partial(LeNet5, 10),
    image,
    156 + (6 * 25 + 1) * 16 + 48_120 + 10_164 + 850,
    "LeCun et al. (1998), section II.B: C1, C5, F6; C3 complete; Dense output",
    {},
    (16, 16, 1),
  )
  lenet1 = 26 * 4 + 8 + (4 * 25 + 1) * 12 + 24 + (192 + 1) * 10
  lenet4 = 26 * 4 + 8 + (4 * 25 + 1) * 16 + 32 + 48_120 + 1210
  counts = {
    "mlp300": ((28, 28, 1), (784 + 1) * 300 + 3010),
    "mlp800": ((28, 28, 1), (784 + 1) * 800 + 8010),
    "lenet1": ((22, 22, 1), lenet1),
    "lenet4": ((28, 28, 1), lenet4),
    "lenet5": ((28, 28, 1), 61_706 + 2 * (6 + 16)),
    "simard": ((28, 28, 1), 26 * 5 + 126 * 50 + (1250 + 1) * 100 + 1010),
  }
  for name, (image_, count) in counts.items():
    yield ModelRow(
      f"tanh_{name}",
      functools.partial(TANH_NETS[name], 10),
      image_,
      count,
      "LeCun et al. (1998), Simard et al. (2003): by the layers' sizes, "
      "complete tables",
      {"maps": (2, 3), "hidden": (8,)},
      (16, 16, 1),
    )
  yield ModelRow(
    "cnn",
    functools.partial(CNN, 10),
    image,
    CNN_PARAMETERS,
    "ours: by the layers' sizes",
    {"stages": ((4, 4), (8,))},
    (8, 8, 1),
  )


# A 5x5 and three 3x3 convolutions with scales and biases, 7x7x64 features.
CNN_PARAMETERS = (
  25 * 32
  + 9 * (32 * 32 + 32 * 64 + 64 * 64)
  + 2 * (32 + 32 + 64 + 64)
  + (7 * 7 * 64 + 1) * 10
)


def _fast():
  yield ModelRow(
    "decorrelated_cnn",
    functools.partial(DecorrelatedCNN, 10),
    (32, 32, 3),
    # With the scales of norms, which the paper's net is without.
    9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    + 2 * (12 + 2 * 64 + 4 * 256)
    + 2570,
    "Jordan (2024): 1.97M, by the layers' sizes",
    {"widths": (4, 6, 4)},
    (32, 32, 3),
  )


def _resnets():
  source = "akamaster/pytorch_resnet_cifar10, option A; 0.27M-1.7M in He et al."
  counts = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}
  for depth, count in counts.items():
    make = functools.partial(getattr(resnet, f"ResNet{depth}"), 10)
    narrow = {"width": 4, "stages": (1, 2)}
    yield ModelRow(
      f"resnet{depth}", make, (32, 32, 3), count, source, narrow, (8, 8, 3)
    )
  counts = {
    18: 11_689_512,
    34: 21_797_672,
    50: 25_557_032,
    101: 44_549_160,
    152: 60_192_808,
  }
  for depth, count in counts.items():
    make = functools.partial(
      getattr(resnet, f"ResNet{depth}"), num_classes=1000
    )
    narrow = {"num_classes": 10, "width": 4, "stages": (1, 1, 2, 1)}
    yield ModelRow(
      f"resnet{depth}",
      make,
      (224, 224, 3),
      count,
      "torchvision",
      narrow,
      (16, 16, 3),
    )


def _convolutional():
  for name, (model, count, source, fields) in CONVOLUTIONAL.items():
    entry = listing.find(model)
    make = functools.partial(entry.make, **fields)
    yield ModelRow(name, make, entry.image, count, source)


def _vits():
  # Class token, learned positions, 224 x 224 images, 1000 classes.
  counts = {
    "Ti/16": (5_717_416, "timm, DeiT"),
    "S/16": (22_050_664, "timm, DeiT"),
    "S/32": (22_878_952, "timm"),
    "B/16": (86_567_656, "timm, DeiT, torchvision"),
    "B/32": (88_224_232, "torchvision"),
    "L/16": (304_326_632, "torchvision"),
    "L/32": (306_535_400, "torchvision"),
  }
  narrow = {
    "num_classes": 10,
    "patch": 8,
    "features": 16,
    "depth": 2,
    "heads": 2,
  }
  for name, (count, source) in counts.items():
    make = functools.partial(ViT, **{"num_classes": 1000, **variant(name)})
    yield ModelRow(
      f"vit_{name.lower().replace('/', '')}",
      make,
      (224, 224, 3),
      count,
      source,
      narrow,
      (16, 16, 3),
    )


def _distilled_and_dinov2():
  narrow = {"patch": 8, "features": 16, "depth": 2, "heads": 2}
  distilled = {**variant("B/16"), "num_classes": 1000, "head": "distilled"}
  yield ModelRow(
    "deit_b16_distilled",
    functools.partial(ViT, **distilled),
    (224, 224, 3),
    87_338_192,
    "timm, DeiT",
    {**narrow, "num_classes": 10},
    (16, 16, 3),
  )
  # Published are these and a mask token, of pre-training, of d values.
  counts = {
    ("S", 0): 22_056_576 - 384,
    ("S", 4): 22_056_576 - 384 + 4 * 384,
    ("B", 0): 86_580_480 - 768,
    ("g", 0): 1_136_480_768 - 1536,
  }
  for (size, registers), count in counts.items():
    yield ModelRow(
      f"dinov2_{size.lower()}14" + f"_reg{registers}" * bool(registers),
      functools.partial(ViT, **dinov2(size, registers)),
      (224, 224, 3),
      count,
      "facebookresearch/dinov2",
      {**narrow, "num_classes": 10, "grid": (3, 3)},
      (16, 16, 3),
    )


def _of_windows():
  """ConvNeXt and Swin."""
  counts = {"T": 28_589_128, "S": 50_223_688, "B": 88_591_464}
  narrow = {
    "num_classes": 10,
    "stages": (1, 2),
    "widths": (4, 8),
    "layer_scale": 1.0,
  }
  for size, count in counts.items():
    make = getattr(convnext, f"ConvNeXt{size}")
    yield _imagenet(f"convnext_{size.lower()}", make, count, narrow)
  narrow = {
    "num_classes": 10,
    "stages": (2, 1),
    "features": 8,
    "heads": (2, 4),
    "window": 3,
  }
  counts = {"T": 28_288_354, "S": 49_606_258, "B": 87_768_224}
  for size, count in counts.items():
    make = getattr(swin, f"Swin{size}")
    yield _imagenet(f"swin_{size.lower()}", make, count, narrow)


def _efficientnets():
  for size, count in {"B0": 5_288_548, "V2S": 21_458_488}.items():
    make = getattr(efficientnet, f"EfficientNet{size}")
    side = efficientnet.SIZES[size]
    narrow = {"num_classes": 10, "stem": 4, "last": 16}
    narrow["stages"] = NARROW_STAGES[size]
    name = f"efficientnet_{size.lower()}"
    yield _imagenet(name, make, count, narrow, (side, side, 3))


def _imagenet(name, make, count, narrow, image=(224, 224, 3)):
  make = functools.partial(make, num_classes=1000)
  slow = name.endswith(("_s", "_b", "_v2s"))
  return ModelRow(name, make, image, count, "torchvision", narrow, slow=slow)


# Each kind of block: with and without expansion, halving and as a residual.
NARROW_STAGES = {
  "B0": (
    efficientnet.Stage(False, 1, 3, 1, 4, 1),
    efficientnet.Stage(False, 6, 5, 2, 8, 2),
  ),
  "V2S": (
    efficientnet.Stage(True, 1, 3, 1, 8, 1),
    efficientnet.Stage(True, 4, 3, 2, 8, 2),
  ),
}


def _clips():
  counts = {"B/32": 151_277_313, "B/16": 149_620_737}
  for name, count in counts.items():
    yield ModelRow(
      f"clip_{name.lower().replace('/', '')}",
      functools.partial(clip, name),
      (224, 224, 3),
      count,
      "openai/CLIP",
    )


MODELS = (
  *_mnist(),
  *_fast(),
  *_resnets(),
  *_convolutional(),
  *_of_windows(),
  *_efficientnets(),
  *_vits(),
  *_distilled_and_dinov2(),
  *_clips(),
)


def _structures():
  """One narrow net for each structure: what tests run and differentiate."""
  rows = {row.name: row for row in MODELS}
  more = {
    "mlp": {},
    "lenet5": {},
    "tanh_lenet5": {},
    "cnn": {},
    "decorrelated_cnn": {},
    "resnet20": {},
    "resnet18": {"stem": "small"},
    "resnet50": {},
    "convnext_t": {},
    "swin_t": {},
    "efficientnet_b0": {},
    "efficientnet_v2s": {},
  }
  for name, fields in more.items():
    row = rows[name]
    yield (
      name,
      functools.partial(row.make, **{**row.narrow, **fields}),
      row.small_image,
    )
  row = rows["vit_s16"]
  for head in ("cls", "gap", "map"):
    for positions in ("learned", "sincos2d"):
      fields = {**row.narrow, "head": head, "positions": positions}
      make = functools.partial(row.make, **fields)
      yield f"vit_{head}_{positions}", make, row.small_image
  more = {
    **{"head": "distilled", "registers": 2, "class_position": False},
    **{"layer_scale": 0.1, "mlp": "swiglu", "pre_norm": True},
  }
  make = functools.partial(row.make, **row.narrow, **more)
  yield "vit_distilled", make, row.small_image


# (name, make, image) of each structure, narrow.
STRUCTURES = tuple(_structures())
