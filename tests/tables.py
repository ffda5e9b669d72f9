"""What the tests enumerate: tasks, each small, with a batch of its kind.

A new task gets a line here; shape, gradient, parity of all executions, resume
and overfitting are then tested.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from vision_jax.losses.dense import PointCriterion
from vision_jax.losses.grid import GridCriterion
from vision_jax.losses.multibox import MultiBoxCriterion
from vision_jax.losses.sim_ota import SimOTACriterion
from vision_jax.losses.two_stage import Draw, TwoStageCriterion
from vision_jax.models.backbones.csp_darknet import CSPDarknet
from vision_jax.models.backbones.darknet import Darknet
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vgg import VGG
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.captions.coca import CoCa
from vision_jax.models.detection.detr import Detr
from vision_jax.models.detection.faster_rcnn import FasterRCNN
from vision_jax.models.detection.fcos import FCOS
from vision_jax.models.detection.mask_rcnn import MaskRCNN
from vision_jax.models.detection.ssd import SSD
from vision_jax.models.detection.two_stage_detr import TwoStageDetr
from vision_jax.models.detection.yolo import YOLO
from vision_jax.models.detection.yolox import YOLOX
from vision_jax.models.generation.dcgan import (
  DCGANDiscriminator,
  DCGANGenerator,
)
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.vae import conv_vae
from vision_jax.models.segmentation.unet import UNet
from vision_jax.models.temporal.mstcn import MSTCN
from vision_jax.models.text.crnn import CRNN
from vision_jax.models.text.reader import Reader
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.models.translation.resnet import ResNetGenerator
from vision_jax.models.translation.unet import TranslationUNet
from vision_jax.ops import augment, diffusion
from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes
from vision_jax.tasks.captions import Captioning
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.cycle import CycleTranslation
from vision_jax.tasks.dense_detection import DenseDetection
from vision_jax.tasks.depth import Depth
from vision_jax.tasks.detection import Detection
from vision_jax.tasks.diffusion import Diffusion
from vision_jax.tasks.embedding import Embedding
from vision_jax.tasks.flow_matching import FlowMatching
from vision_jax.tasks.gan import GAN
from vision_jax.tasks.instance_segmentation import WEIGHTS, InstanceSegmentation
from vision_jax.tasks.reading import AttentionReading, CtcReading
from vision_jax.tasks.regression import Regression
from vision_jax.tasks.segmentation import Segmentation
from vision_jax.tasks.temporal import TemporalSegmentation
from vision_jax.tasks.translation import PairedTranslation
from vision_jax.tasks.two_stage_detection import TwoStageDetection
from vision_jax.tasks.vae import VariationalAutoencoding


@dataclasses.dataclass(frozen=True)
class TaskCase:
  """A task to test.

  Attributes:
    name: of the test.
    make: () -> task, narrow.
    batch: (size, seed) -> batch of numpy arrays, all examples real.
    augment: (batch, key) -> batch, or None.
    ema: net -> decay.
    rate: of SGD; less where rounding grows within three steps.
  """

  name: str
  make: Callable[[str | None], Any]
  batch: Callable[[int, int], dict[str, np.ndarray]]
  augment: Callable[..., Any] | None = None
  ema: dict[str, float] = dataclasses.field(default_factory=dict)
  rate: float = 0.1


def labelled_images(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 8x8 images with one of four labels."""
  rng = np.random.default_rng(seed)
  label = rng.integers(0, 4, size).astype(np.int32)
  image = rng.normal(size=(size, 8, 8, 3)) + label[:, None, None, None]
  return {
    "image": image.astype(np.float32),
    "label": label,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def small_resnet() -> ResNet:
  """A narrow ResNet with BatchNorm."""
  return ResNet(num_classes=4, stages=(1, 1), width=8, stem="small")


def small_vit() -> ViT:
  """A narrow ViT with everything random in it."""
  return ViT(
    num_classes=4,
    patch=4,
    features=16,
    depth=2,
    heads=2,
    dropout=0.1,
    drop_path=0.2,
  )


def small_diffusion() -> Diffusion:
  """A narrow denoiser: noise, times, labels left out, a learned variance."""
  model = DDPMUNet(
    num_classes=4,
    width=8,
    multipliers=(1,),
    blocks=1,
    attention=(8,),
    groups=4,
    dropout=0.0,
    learned_variance=True,
  )
  return Diffusion(model, diffusion.cosine(50), variance="learned")


def small_flow_matching() -> FlowMatching:
  """A narrow denoiser in continuous time, by EDM, of patches."""
  model = DDPMUNet(
    num_classes=4,
    width=8,
    multipliers=(1,),
    blocks=1,
    attention=(4,),
    groups=4,
    dropout=0.0,
    patch=2,
  )
  density = diffusion.Density("normal", -1.2, 1.2)
  return FlowMatching(model, diffusion.path("edm"), "edm", density)


def segmented_images(
  size: int, seed: int, *, image: tuple[int, int] = (8, 8)
) -> dict[str, np.ndarray]:
  """A batch of images with a class out of four for each pixel, or none."""
  rng = np.random.default_rng(seed)
  h, w = image
  coarse = rng.integers(0, 4, (size, -(-h // 4), -(-w // 4))).astype(np.uint8)
  target = coarse.repeat(4, 1).repeat(4, 2)[:, :h, :w].copy()
  pixels = rng.normal(size=(size, h, w, 3)) * 0.3 + target[..., None]
  target[:, 0, :3] = 255
  return {
    "image": pixels.astype(np.float32),
    "target": target,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def small_segmentation() -> Segmentation:
  """A narrow U-Net with every kind of loss term."""
  model = UNet(4, width=4, depth=1, dropout=0.1)
  terms = {"cross_entropy": 1.0, "dice": 0.5, "ohem": 0.5, "lovasz": 0.5}
  return Segmentation(model, terms, class_weights=(0.5, 1.0, 2.0, 1.0))


def boxed_images(size: int, seed: int, padded: bool = False):
  """A batch of 16x16 images with up to three boxes of one of four classes."""
  rng = np.random.default_rng(seed)
  box_mask = (np.arange(3) < rng.integers(0, 4, (size, 1))).astype(np.float32)
  centre = rng.uniform(0.3, 0.7, (size, 3, 2))
  side = rng.uniform(0.2, 0.5, (size, 3, 2))
  boxes = np.concatenate([centre, side], -1) * box_mask[..., None]
  batch = {
    "image": rng.normal(size=(size, 16, 16, 3)).astype(np.float32),
    "boxes": boxes.astype(np.float32),
    "label": rng.integers(0, 4, (size, 3)).astype(np.int32),
    "box_mask": box_mask,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }
  if padded:
    image_mask = np.ones((size, 16, 16), np.float32)
    image_mask[::2, 12:], image_mask[1::3, :, 8:] = 0, 0
    batch["image"] *= image_mask[..., None]
    batch["image_mask"] = image_mask
    batch["crowd"] = (rng.random((size, 3)) < 0.2).astype(np.float32)
  return batch


def small_detection(queries: str) -> Detection:
  """A narrow DETR, in the paper's form or from the encoder's tokens."""
  learned = queries == "learned"
  model = (Detr if learned else TwoStageDetr)(
    4,
    ResNet(0, (1, 1), False, 4, stem="small", zero_init=False),
    levels=("c3",) if learned else ("c2", "c3"),
    num_queries=5,
    features=8,
    heads=2,
    hidden=8,
    dropout=0.1 if learned else 0.0,
    encoder_layers=1,
    decoder_layers=2,
    background=learned,
  )
  return Detection(model)


def small_dense_detection() -> DenseDetection:
  """A narrow FCOS on strides 4 and 8."""
  body = ResNet(0, (1, 1), False, 4, zero_init=False)
  sizes = {"more": 0, "features": 8, "convs": 1, "groups": 4}
  model = FCOS(4, body, ("c2", "c3"), **sizes)
  return DenseDetection(model, PointCriterion(), least=0.0)


def small_yolox() -> DenseDetection:
  """A narrow YOLOX on strides 4 and 8."""
  body = CSPDarknet(4, (1, 1))
  model = YOLOX(4, body, ("c2", "c3"), features=8)
  return DenseDetection(model, SimOTACriterion(), least=0.0)


def small_yolo() -> DenseDetection:
  """A narrow YOLO with two anchors on each of strides 4 and 8."""
  anchors = ((3, 3), (5, 7), (8, 5), (10, 12))
  body = Darknet(4, (1, 1, 1))
  model = YOLO(4, body, ("c2", "c3"), anchors, convs=1)
  return DenseDetection(model, GridCriterion(), least=0.0)


def small_ssd(**fields: Any) -> DenseDetection:
  """A narrow SSD of three maps, of strides 4, 8 and 16."""
  body = VGG(0, ((4,), (4,), (8,), (8,)), **fields)
  model = SSD(
    *(4, body, ("c3", "c4")),
    hidden=8,
    more=((8, 2),),
    scales=(0.2, 0.4, 0.6, 0.8),
    ratios=((2,), (2,), (2,)),
    steps=(),
    dtype=body.dtype,
  )
  return DenseDetection(model, MultiBoxCriterion(), least=0.0)


# Of a narrow Faster R-CNN on strides 4 and 8.
SMALL_TWO_STAGE = {
  **{"levels": ("c2", "c3"), "features": 8, "hidden": 16, "size": 4},
  **{"candidates": (20, 20), "proposed": (12, 12), "canonical": 32.0},
}


def small_two_stage() -> TwoStageDetection:
  """A narrow Faster R-CNN that draws a part of what it may learn from."""
  body = ResNet(0, (1, 1), False, 4, zero_init=False)
  criterion = TwoStageCriterion(
    anchors=Draw(16, 0.5, 0.6, 0.3, best=True),
    regions=Draw(8, 0.5, 0.5, 0.5, best=False),
  )
  model = FasterRCNN(4, body, **SMALL_TWO_STAGE)
  return TwoStageDetection(model, criterion, least=0.0)


def numbered_objects(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 16x16 images with up to three squares, numbered with gaps."""
  rng = np.random.default_rng(seed)
  instances = np.zeros((size, 16, 16), np.int32)
  for one in instances:
    for i in range(rng.integers(0, 4)):
      y, x = rng.integers(0, 12, 2)
      one[y : y + 4, x : x + 5] = 1 + 300 * i
  image = rng.normal(size=(size, 16, 16, 3)) * 0.3 + (instances > 0)[..., None]
  return {
    "image": image.astype(np.float32),
    "instances": instances,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def small_instances() -> InstanceSegmentation:
  """A narrow Mask R-CNN of one class."""
  body = ResNet(0, (1, 1), False, 4, zero_init=False)
  model = MaskRCNN(1, body, **SMALL_TWO_STAGE, mask_convs=1)
  plain = small_two_stage().criterion
  criterion = TwoStageCriterion(WEIGHTS, plain.anchors, plain.regions)
  return InstanceSegmentation(model, criterion, least=0.0, max_objects=3)


def small_vae() -> VariationalAutoencoding:
  """A narrow conditional VAE that binarises its images."""
  model = conv_vae((8, 8, 3), latent=3, widths=(4, 4), num_classes=4)
  return VariationalAutoencoding(model, pixels="stochastic", beta=2.0)


def small_gan() -> GAN:
  """A narrow conditional GAN: statistics in both nets, two steps of one."""
  return GAN(
    DCGANGenerator((8, 8, 3), 5, (4,), 4),
    DCGANDiscriminator((4, 4), 4, "spectral"),
    loss="least_squares",
    discriminator_steps=2,
    penalty=1.0,
  )


def numbered_images(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 8x8 images with two numbers each, of their brightness."""
  batch = labelled_images(size, seed)
  label = batch.pop("label").astype(np.float32)
  return batch | {"number": np.stack([10 + 3 * label, -label], -1)}


def small_regression() -> Regression:
  """A mixture of two numbers, by a narrow ResNet with BatchNorm."""
  model = ResNet(10, stages=(1,), width=8, stem="small")
  how = {"centre": (14.5, -1.5), "scale": (3.0, 1.0), "components": 2}
  return Regression(model, "mixture", **how)


def deep_images(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 8x8 images that are darker where they are deep, with holes."""
  rng = np.random.default_rng(seed)
  depth = rng.uniform(1, 9, (size, 4, 4)).repeat(2, 1).repeat(2, 2)
  image = rng.normal(size=(size, 8, 8, 3)) * 0.1 - np.log(depth)[..., None]
  depth[:, 0, :3], depth[::3, 1, 1], depth[size - 1] = 0, np.nan, 0
  return {
    "image": image.astype(np.float32),
    "depth": depth.astype(np.float32),
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def images_of_texts(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 8x16 images with texts of one to three letters out of "abc"."""
  rng = np.random.default_rng(seed)
  length = rng.integers(1, 4, (size, 1))
  text = rng.choice(np.array([97, 98, 99], np.int32), (size, 3))
  text = np.where(np.arange(3) < length, text, 0).astype(np.int32)
  image = 0.5 * rng.normal(size=(size, 8, 16, 1))
  image[:, :, :15] += (text % 97).repeat(5, 1)[:, None, :, None]
  return {
    "image": image.astype(np.float32),
    "text": text,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def sequences(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 9 frames of two joints, some of them padding, with classes."""
  rng = np.random.default_rng(seed)
  target = rng.integers(0, 3, (size, 3)).astype(np.uint8).repeat(3, 1)
  joints = rng.normal(size=(size, 9, 2, 3)) * 0.3
  joints += target[..., None, None]
  frames = (np.arange(9) < rng.integers(6, 10, (size, 1))).astype(np.float32)
  return {
    "joints": joints.astype(np.float32),
    "target": np.where(frames > 0, target, 255).astype(np.uint8),
    "frame_mask": frames,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def small_temporal() -> TemporalSegmentation:
  """A narrow MS-TCN of two stages, with dropout."""
  model = MSTCN(3, stages=2, layers=2, features=8, dropout=0.1)
  return TemporalSegmentation(model)


def small_depth() -> Depth:
  """A narrow U-Net that gives the logarithm of depth."""
  return Depth(UNet(1, width=4, depth=1), typical=3.0)


def small_embedding() -> Embedding:
  """A narrow ResNet with BatchNorm, whose images meet all of the batch."""
  model = ResNet(5, stages=(1,), width=8, stem="small")
  return Embedding(model, "semi_hard", margin=1.0)


def small_ctc() -> CtcReading:
  """A narrow CRNN: BatchNorm, an LSTM in each direction."""
  model = CRNN(4, ((4, (2, 1)), (4, (2, 2))), hidden=4, layers=1)
  return CtcReading(model, "abc")


def small_attention() -> AttentionReading:
  """A narrow encoder and decoder, with dropout."""
  sizes = {"encoder_layers": 1, "decoder_layers": 1, "heads": 2}
  stages = ((4, (2, 2)), (4, (1, 1)))
  model = Reader(4, 3, stages, features=8, hidden=8, dropout=0.1, **sizes)
  return AttentionReading(model, "abc")


def captioned_images(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 8x8 images with captions of one to three words out of three."""
  rng = np.random.default_rng(seed)
  length = rng.integers(1, 4, (size, 1))
  word = rng.integers(0, 3, (size, 3))
  image = 0.5 * rng.normal(size=(size, 8, 8, 3))
  image[:, 1:7] += word.repeat(2, 1)[:, :, None, None]
  return {
    "image": image.astype(np.float32),
    "tokens": np.where(np.arange(3) < length, word, 3).astype(np.int32),
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def small_captioning() -> Captioning:
  """A narrow CoCa, with dropout, whose captions meet all of the batch."""
  image = ViT(0, 4, 8, 1, 2, head="tokens", dropout=0.1)
  sizes = {"features": 8, "layers": 1, "decoder_layers": 1, "heads": 2}
  how = {"hidden": 8, "queries": 2, "embedding": 8, "dropout": 0.1}
  return Captioning(CoCa(image, 4, 3, **sizes, **how), ("a", "b", "c"))


def pairs_of_images(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 16x16 images, and their negatives."""
  rng = np.random.default_rng(seed)
  coarse = rng.uniform(size=(size, 4, 4, 3))
  image = coarse.repeat(4, 1).repeat(4, 2).astype(np.float32)
  return {
    "image": image,
    "wanted": 1 - image,
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32) + size * seed,
  }


def two_kinds_of_images(size: int, seed: int) -> dict[str, np.ndarray]:
  """A batch of 16x16 images and of negatives of others, as of a `Together`."""
  a, b = pairs_of_images(size, 2 * seed), pairs_of_images(size, 2 * seed + 1)
  rows = {"mask": a["mask"], "index": np.arange(size, dtype=np.int32)}
  return {
    "a/image": a["image"],
    "b/image": b["wanted"],
    **{f"{side}/mask": a["mask"] for side in "ab"},
    **rows,
  }


def small_paired_translation() -> PairedTranslation:
  """A narrow pix2pix with BatchNorm in both nets."""
  return PairedTranslation(TranslationUNet(3, 4, 2), PatchGAN(4, 1), l1=10.0)


def small_cycle_translation() -> CycleTranslation:
  """A narrow CycleGAN, whose pool is larger than a batch."""
  judge = PatchGAN(4, 1, norm="instance")
  return CycleTranslation(ResNetGenerator(3, 4, 1), judge, pool=40)


TASKS = (
  TaskCase(
    "classification_resnet",
    lambda: Classification(small_resnet()),
    labelled_images,
    augment.random_crop_flip(pad=2),
    {"model": 0.9},
  ),
  TaskCase(
    "classification_vit_mixup",
    lambda: Classification(small_vit()),
    labelled_images,
    augment.mixup(0.2, 4),
  ),
  TaskCase("diffusion", small_diffusion, labelled_images, None, {"model": 0.9}),
  TaskCase(
    "flow_matching", small_flow_matching, labelled_images, None, {"model": 0.9}
  ),
  TaskCase(
    "segmentation",
    small_segmentation,
    segmented_images,
    augment.sequence(
      augment.random_affine((0.5, 2.0), 20), augment.random_flip()
    ),
  ),
  TaskCase(
    "detection_learned_queries",
    lambda: small_detection("learned"),
    lambda size, seed: boxed_images(size, seed, padded=True),
  ),
  TaskCase(
    "detection_encoder_queries",
    lambda: small_detection("encoder"),
    boxed_images,
    augment.sequence(
      random_crop_boxes((0.6, 1.2)),
      augment.random_affine(degrees=10, translation=0.1),
      random_flip_boxes(),
      augment.random_noise(0.05, value_range=(-2.0, 2.0)),
    ),
    {"model": 0.9},
  ),
  TaskCase(
    "dense_detection",
    small_dense_detection,
    lambda size, seed: boxed_images(size, seed, padded=True),
    random_flip_boxes(),
    {"model": 0.9},
  ),
  TaskCase(
    "yolox",
    small_yolox,
    lambda size, seed: boxed_images(size, seed, padded=True),
    random_flip_boxes(),
    {"model": 0.9},
  ),
  TaskCase(
    "two_stage_detection",
    small_two_stage,
    lambda size, seed: boxed_images(size, seed, padded=True),
    random_flip_boxes(),
    {"model": 0.9},
  ),
  TaskCase("yolo", small_yolo, boxed_images, random_crop_boxes((0.6, 1.2))),
  TaskCase("ssd", small_ssd, boxed_images),
  TaskCase("instance_segmentation", small_instances, numbered_objects),
  TaskCase("regression", small_regression, numbered_images),
  TaskCase("depth", small_depth, deep_images, augment.random_flip()),
  TaskCase("embedding", small_embedding, labelled_images),
  TaskCase("reading_ctc", small_ctc, images_of_texts, None, {"model": 0.9}),
  TaskCase("reading_attention", small_attention, images_of_texts),
  TaskCase("captioning", small_captioning, captioned_images),
  TaskCase("temporal", small_temporal, sequences),
  TaskCase(
    "paired_translation",
    small_paired_translation,
    pairs_of_images,
    augment.random_flip(),
    {"generator": 0.9},
  ),
  TaskCase(
    "cycle_translation",
    small_cycle_translation,
    two_kinds_of_images,
    rate=1e-3,
  ),
  TaskCase("vae", small_vae, labelled_images),
  TaskCase("gan", small_gan, labelled_images, None, {"generator": 0.9}),
)
