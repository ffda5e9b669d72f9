"""A narrow net of every family, and what of it can be asked without a task."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tests.tables import SMALL_TWO_STAGE, small_resnet, small_ssd
from vision_jax.models.backbones.cnn import CNN
from vision_jax.models.backbones.csp_darknet import CSPDarknet
from vision_jax.models.backbones.darknet import Darknet
from vision_jax.models.backbones.decorrelated import DecorrelatedCNN
from vision_jax.models.backbones.lenet import LeNet5
from vision_jax.models.backbones.mlp import MLP
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.tanh import TanhNet
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.detection.deformable_detr import DeformableDetr
from vision_jax.models.detection.detr import Detr
from vision_jax.models.detection.faster_rcnn import FasterRCNN
from vision_jax.models.detection.fcos import FCOS
from vision_jax.models.detection.keypoint_rcnn import KeypointRCNN
from vision_jax.models.detection.mask_rcnn import MaskRCNN
from vision_jax.models.detection.retinanet import RetinaNet
from vision_jax.models.detection.rt_detr import RTDetr
from vision_jax.models.detection.two_stage_detr import TwoStageDetr
from vision_jax.models.detection.yolo import YOLO
from vision_jax.models.detection.yolox import YOLOX
from vision_jax.models.generation import autoencoder, dcgan, gan, vae
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.dit import DiT
from vision_jax.models.generation.tied_autoencoder import TiedAutoencoder
from vision_jax.models.restoration.carn import CARN
from vision_jax.models.restoration.dncnn import DnCNN
from vision_jax.models.restoration.espcn import ESPCN
from vision_jax.models.restoration.imdn import IMDN
from vision_jax.models.segmentation import fcn
from vision_jax.models.segmentation.enet import ENet
from vision_jax.models.segmentation.segnet import SegNetBasic
from vision_jax.models.segmentation.unet import UNet
from vision_jax.models.skeletons.stgcn import STGCN
from vision_jax.models.temporal.mstcn import MSTCN
from vision_jax.models.video.factorised_vit import FactorisedViT
from vision_jax.models.video.r2plus1d import R2Plus1D
from vision_jax.models.video.r3d import R3D

SHAPE = (16, 16, 3)
IMAGE = jax.ShapeDtypeStruct((4, *SHAPE), jnp.float32)
CLIP = jax.ShapeDtypeStruct((2, 4, 8, 8, 3), jnp.float32)
JOINTS = jax.ShapeDtypeStruct((2, 6, 3, 3), jnp.float32)
FRAMES = jax.ShapeDtypeStruct((2, 6), jnp.float32)
LATENT = jax.ShapeDtypeStruct((4, 5), jnp.float32)


@dataclasses.dataclass(frozen=True)
class Family:
  """A narrow net.

  Attributes:
    make: (**fields) -> module; takes dtype.
    blocks: whether it takes remat.
    inputs: of its call.
  """

  make: Callable[..., Any]
  blocks: bool = False
  inputs: tuple[Any, ...] = (IMAGE,)

  def variables(self, model: Any) -> Any:
    """Initial variables, abstract."""
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(0)}
    return jax.eval_shape(
      lambda *x: model.init(keys, *x, train=False), *self.inputs
    )


def _detr(detr, remat="none", layers=2, **fields):
  backbone = ResNet(
    0, (1, 1), False, 4, "small", remat=remat, zero_init=False, **fields
  )
  return detr(
    4,
    backbone,
    levels=("c2", "c3"),
    num_queries=5,
    features=8,
    heads=2,
    hidden=16,
    attention_dropout=0.1,
    encoder_layers=layers,
    decoder_layers=layers,
    remat=remat,
    **fields,
  )


_deformable = functools.partial(
  DeformableDetr, groups=4, points=2, refine=True, two_stage=True
)
_rt_detr = functools.partial(
  RTDetr,
  points=2,
  encoder_features=8,
  encoder_hidden=16,
  blocks=1,
  expansion=0.5,
)
_fcos = functools.partial(FCOS, groups=4)


def _dense(detector, remat="none", **fields):
  body = ResNet(
    0, (1, 1), False, 4, "small", remat=remat, zero_init=False, **fields
  )
  sizes = {"features": 8, "convs": 1, "more": 1}
  return detector(4, body, ("c2", "c3"), **sizes, **fields)


def _yolox(**fields):
  body = CSPDarknet(4, (1, 1), **fields)
  return YOLOX(4, body, ("c2", "c3"), features=8, **fields)


def _yolo(remat="none", **fields):
  body = Darknet(4, (1, 1, 1), remat=remat, **fields)
  anchors = ((3, 3), (5, 7), (8, 5), (10, 12))
  return YOLO(4, body, ("c2", "c3"), anchors, convs=1, **fields)


def _two_stage(detector, remat="none", more=(), **fields):
  body = ResNet(
    0, (1, 1), False, 4, "small", remat=remat, zero_init=False, **fields
  )
  sizes = SMALL_TWO_STAGE | {"size": 2} | dict(more)
  return detector(4, body, **sizes, **fields)


_mask_rcnn = functools.partial(
  _two_stage, MaskRCNN, more={"mask_convs": 1}.items()
)
_keypoint_rcnn = functools.partial(
  *(_two_stage, KeypointRCNN),
  more={"num_keypoints": 3, "keypoint_features": 8}.items(),
)


def _fcn(**fields):
  stages = ((4, 4),) * 5
  return fcn.FCN8s(4, stages=stages, hidden=8, norm=True, **fields)


def _enet(**fields):
  return ENet(4, (4, 8, 8), (0, 0, 0), context=(2, -5), repeats=1, **fields)


def _vit(**fields):
  return ViT(4, 4, 16, 2, 2, head="gap", dropout=0.1, drop_path=0.2, **fields)


def _ddpm(**fields):
  options = {"width": 8, "multipliers": (1, 1), "blocks": 1, "groups": 4}
  return DDPMUNet(attention=(8,), **options, **fields)


def _dit(**fields):
  return DiT(4, 4, 16, 2, 2, **fields)


def _autoencoder(**fields):
  return autoencoder.Autoencoder(
    autoencoder.ConvEncoder(5, (4,), **fields),
    autoencoder.ConvDecoder(SHAPE, (4,), **fields),
  )


def _stgcn(**fields):
  return STGCN(4, ((0, 1), (1, 2)), 1, layers=((4, 1), (8, 2)), **fields)


def _mstcn(**fields):
  return MSTCN(4, stages=2, layers=2, features=8, **fields)


def _factorised_vit(**fields):
  sizes = {"features": 16, "depth": 1, "temporal_depth": 1, "heads": 2}
  return FactorisedViT(4, patch=4, dropout=0.1, **sizes, **fields)


def _r3d(net, **fields):
  return net(4, (1, 1), 4, stem="small", **fields)


FAMILIES = {
  "mlp": Family(lambda **f: MLP(4, **f)),
  "lenet": Family(lambda **f: LeNet5(4, **f)),
  "tanh": Family(lambda **f: TanhNet(4, (2, 3), (8,), **f)),
  "cnn": Family(lambda **f: CNN(4, ((4,), (4,)), **f)),
  "decorrelated": Family(lambda **f: DecorrelatedCNN(4, (4,), **f)),
  "resnet": Family(lambda **f: small_resnet().clone(**f), True),
  "vit": Family(_vit, True),
  "unet": Family(lambda **f: UNet(4, 4, 1, dropout=0.1, **f), True),
  "fcn": Family(_fcn, True),
  "enet": Family(_enet, True),
  "segnet": Family(lambda **f: SegNetBasic(4, 4, 2, 3, **f), True),
  "carn": Family(lambda **f: CARN(2, (2,), 8, 2, **f)),
  "dncnn": Family(lambda **f: DnCNN(3, 4, 4, **f)),
  "espcn": Family(lambda **f: ESPCN(2, 3, (4,), (3, 3), **f)),
  "imdn": Family(lambda **f: IMDN(2, 3, 16, 4, 2, **f)),
  "ddpm": Family(_ddpm, True),
  "dit": Family(_dit, True),
  "detr": Family(lambda **f: _detr(Detr, **f), True),
  "detr_encoder": Family(lambda **f: _detr(TwoStageDetr, **f), True),
  "deformable_detr": Family(lambda **f: _detr(_deformable, **f), True),
  "rt_detr": Family(lambda **f: _detr(_rt_detr, layers=1, **f), True),
  "fcos": Family(lambda **f: _dense(_fcos, **f), True),
  "retinanet": Family(lambda **f: _dense(RetinaNet, **f), True),
  "yolox": Family(_yolox, True),
  "yolo": Family(_yolo, True),
  "ssd": Family(lambda **f: small_ssd(**f).model, True),
  "faster_rcnn": Family(lambda **f: _two_stage(FasterRCNN, **f), True),
  "mask_rcnn": Family(_mask_rcnn, True),
  "keypoint_rcnn": Family(_keypoint_rcnn, True),
  "r3d": Family(lambda **f: _r3d(R3D, **f), inputs=(CLIP,)),
  "r2plus1d": Family(lambda **f: _r3d(R2Plus1D, **f), inputs=(CLIP,)),
  "factorised_vit": Family(_factorised_vit, inputs=(CLIP,)),
  "stgcn": Family(_stgcn, inputs=(JOINTS,)),
  "mstcn": Family(_mstcn, inputs=(JOINTS, FRAMES)),
  "autoencoder": Family(_autoencoder),
  "tied_autoencoder": Family(lambda **f: TiedAutoencoder(SHAPE, 4, (5,), **f)),
  "dense_vae": Family(lambda **f: vae.dense_vae(SHAPE, hidden=(8,), **f)),
  "conv_vae": Family(lambda **f: vae.conv_vae(SHAPE, widths=(4,), **f)),
  "dense_generator": Family(
    lambda **f: gan.DenseGenerator(SHAPE, 5, **f), inputs=(LATENT,)
  ),
  "dcgan_generator": Family(
    lambda **f: dcgan.DCGANGenerator(SHAPE, 5, (4, 4), **f), inputs=(LATENT,)
  ),
  "dense_discriminator": Family(lambda **f: gan.DenseDiscriminator(**f)),
  "dcgan_discriminator": Family(
    lambda **f: dcgan.DCGANDiscriminator((4,), **f)
  ),
  "spectral_discriminator": Family(
    lambda **f: dcgan.DCGANDiscriminator((4,), 0, "spectral", **f)
  ),
}
WITH_BLOCKS = [name for name, family in FAMILIES.items() if family.blocks]
