"""Published sizes of convolutional classifiers, with every leaf but moments."""

from typing import Any

# name -> model of `listing`, parameters, their source, fields.
CONVOLUTIONAL: dict[str, tuple[str, int, str, dict[str, Any]]] = {
  name: (name, count, "torchvision", {})
  for name, count in {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg19_bn": 143_678_248,
    "mobilenet_v2": 3_504_872,
    "mobilenet_v3_large": 5_483_032,
    "mobilenet_v3_small": 2_542_856,
    "densenet121": 7_978_856,
    "googlenet": 6_624_904,
    "resnext50_32x4d": 25_028_904,
    "wide_resnet50_2": 68_883_240,
  }.items()
} | {
  "mobilenet_v1": ("mobilenet_v1", 4_231_976, "Keras' metadata; timm", {}),
  "xception": ("xception", 22_855_952, "Keras' metadata; timm", {}),
  "googlenet_auxiliary": (
    *("googlenet", 13_004_888, "torchvision"),
    {"auxiliary": True},
  ),
  "inception_v3_auxiliary": (
    *("inception_v3", 27_161_264, "torchvision"),
    {"auxiliary": True},
  ),
}
