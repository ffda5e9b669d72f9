"""Forms change no config's first loss, at its full size."""

import pytest

from benchmarks.memory.command import config_paths
from tests.marks import two_of_each_task
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
  "configs/translation/photos_cycle.py",
  "configs/video/digits_vivit.py",
)


def test_what_is_too_large_exists():
  assert set(TOO_LARGE) < set(config_paths())


@pytest.mark.slow
@pytest.mark.parametrize(
  "path", two_of_each_task(x for x in config_paths() if x not in TOO_LARGE)
)
def test_forms_of_an_accelerator_give_the_same_first_loss(path):
  losses = first_losses(path)
  if losses:
    assert apart(losses) < 1e-5
