"""A detector that others have published: what `--mode=import` writes.

  python -m vision_jax.main --mode=import --source=facebook:detr_r50 \
      --file=detr-r50-e632da11.pth --output=out/detr
  python -m vision_jax.main --mode=predict --workdir=out/detr \
      --images=IMAGES --output=out/detr_predictions

Images are fitted into one canvas of `preprocess.size`, with padding. The
published models see each at its own proportions, the short side at 800 pixels
and the long one at 1333 at most. Classes have COCO's names, and numbers where
it has none (`--config.class_names=...` names others). To train one on your own
boxes take a config of this folder with `--init_from=WORKDIR`.
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.dense import AnchorCriterion, PointCriterion
from vision_jax.losses.detection import Varifocal
from vision_jax.losses.multibox import MultiBoxCriterion
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.losses.sim_ota import SimOTACriterion
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.detection.faster_rcnn import FasterRCNN
from vision_jax.models.detection.fcos import FCOS
from vision_jax.models.detection.keypoint_rcnn import KeypointRCNN
from vision_jax.models.detection.mask_rcnn import MaskRCNN
from vision_jax.models.detection.retinanet import RetinaNet
from vision_jax.models.detection.rt_detr import RTDetr
from vision_jax.models.detection.ssd import SSD
from vision_jax.models.detection.yolox import YOLOX
from vision_jax.optim.optimizers import sgd
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.imported import IMPORTED, Imported, resolve_imported
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config
from vision_jax.tasks.dense_detection import DenseDetection
from vision_jax.tasks.detection import Detection
from vision_jax.tasks.instance_segmentation import InstanceSegmentation
from vision_jax.tasks.keypoint_detection import KeypointDetection
from vision_jax.tasks.two_stage_detection import TwoStageDetection

# What their publisher's models take for a box.
RETINANET = {"least": 0.05, "overlap": 0.5, "detections": 300}
SSD300 = {"least": 0.01, "overlap": 0.45, "detections": 200}
MEGVII = {"least": 0.01, "overlap": 0.65}
RT_DETR = SetCriterion(Varifocal(), cost={"class": 2.0, "l1": 5.0, "giou": 2.0})


def get_config():
  return detection_config(
    steps=1000,
    batch_size=4,
    eval_batch_size=4,
    dataset="folder",
    splits=(),
    letterbox=True,
    in_memory=False,
    on_bad_box="drop",
    lr=1e-5,
    convolutional=True,
    **(IMPORTED | {"source": "facebook:detr_r50", "num_classes": 91}),
  )


VARIANTS = {
  "tiny": {
    "source": "facebook:detr_r50",
    "fields": '{"name": "tiny", "features": 16, '
    '"heads": 2, "hidden": 16, "encoder_layers": 1, "decoder_layers": 1, '
    '"num_queries": 6, "frozen_norm": false}',
    "dataset": "scenes",
    "splits": ("train", "val", "test"),
    "scenes": (16, 8, 8),
    "class_names": DIGITS,
    "num_classes": 10,
    "preprocess": {"size": (32, 32), "resize": 0},
    "image_size": (32, 32),
    "steps": 4,
    "batch_size": 8,
    "eval_batch_size": 8,
    "max_boxes": 5,
  },
}


def resolve(config):
  resolve_imported(config)
  config.image_size = config.preprocess.size
  if not config.class_names:
    config.class_names = tuple(map(str, range(config.num_classes)))
  config.num_classes = len(config.class_names)


def task_of(model):
  if isinstance(model, FCOS):
    return DenseDetection(model, PointCriterion())
  if isinstance(model, RetinaNet):
    return DenseDetection(model, AnchorCriterion(), **RETINANET)
  if isinstance(model, SSD):
    return DenseDetection(model, MultiBoxCriterion(), **SSD300)
  if isinstance(model, YOLOX):
    return DenseDetection(model, SimOTACriterion(), **MEGVII)
  if isinstance(model, MaskRCNN):
    return InstanceSegmentation(model)
  if isinstance(model, KeypointRCNN):
    return KeypointDetection(model)
  if isinstance(model, FasterRCNN):
    return TwoStageDetection(model)
  if isinstance(model, RTDetr):
    return Detection(model, RT_DETR)
  return Detection(model)


def build(config):
  net, boxes = Imported.of(config), BoxData.of(config)
  names = tuple(config.class_names)
  data = detection(
    train=boxes.train,
    evals=boxes.evals,
    class_names=names,
    image_size=config.image_size,
    letterbox=config.letterbox,
    max_boxes=config.max_boxes,
    in_memory=config.in_memory,
    augment=box_augment(
      crop=config.crop,
      ratio=config.crop_ratio,
      probability=config.crop_probability,
      flip=config.flip,
      vertical=config.flip_vertical,
      jitter=config.jitter,
      colours=net.colours,
    ),
    metrics={
      "ap": AveragePrecision(
        names, per_class=config.per_class, voc=config.voc_ap
      )
    },
    colours=net.colours,
    loading=Loading.of(config),
    annotations=config.annotations,
  )
  return Experiment(
    task=task_of(net.model),
    optimizers={"model": sgd(config.lr, momentum=0.0)},
    **data.fields(),
  )
