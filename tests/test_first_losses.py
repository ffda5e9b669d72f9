"""Forms change no config's first loss, at its full size."""

import pytest

from benchmarks.memory.command import config_paths
from tests.programs.first_losses import apart, first_losses

# Over 20 seconds of a CPU each; `python -m tests.programs.first_losses` does
# them, and the others.
TOO_LARGE = (
  "configs/captions/scenes_coca.py",
  "configs/classification/imagenet_vit_s16.py",
  "configs/depth/scenes_depth.py",
  "configs/detection/bccd_deformable_detr.py",
  "configs/detection/bccd_fcos.py",
  "configs/detection/bccd_rt_detr.py",
  "configs/detection/bccd_yolox.py",
  "configs/detection/coco_detr_r50.py",
  "configs/detection/coco_keypoint_rcnn.py",
  "configs/detection/own_boxes.py",
  "configs/detection/voc_detr.py",
  "configs/instance/digit_scenes_mask2former.py",
  "configs/instance/nuclei_maskrcnn.py",
  "configs/instance/nuclei_stardist.py",
  "configs/segmentation/camvid_deeplabv3.py",
  "configs/segmentation/camvid_enet.py",
  "configs/segmentation/camvid_espnet.py",
  "configs/segmentation/camvid_fc_densenet.py",
  "configs/segmentation/camvid_fcn8s.py",
  "configs/segmentation/camvid_unet.py",
  "configs/self_supervised/cifar10_dino.py",
  "configs/self_supervised/cifar10_mae.py",
  "configs/translation/folder_cyclegan.py",
  "configs/translation/folder_pix2pix.py",
  "configs/translation/photos_cartoon.py",
  "configs/video/digits_vivit.py",
)


def two_of_each_task():
  """Returns the first and the last config of each folder, of those left."""
  found = {}
  for path in config_paths():
    if path not in TOO_LARGE:
      found.setdefault(path.split("/")[1], []).append(path)
  return sorted({x for paths in found.values() for x in (paths[0], paths[-1])})


def test_what_is_too_large_exists():
  assert set(TOO_LARGE) < set(config_paths())


@pytest.mark.slow
@pytest.mark.parametrize("path", two_of_each_task())
def test_forms_of_an_accelerator_give_the_same_first_loss(path):
  losses = first_losses(path)
  if losses:
    assert apart(losses) < 1e-5
