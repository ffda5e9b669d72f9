"""Keypoint R-CNN on COCO's people: AP 65.0 of keypoints is what to reach.

torchvision's recipe and form, whose published weights have AP 54.6 of boxes too
(val2017; 46 epochs, the rate a tenth after 36 and again after 43); images with
fewer than ten labelled keypoints are not trained on. `--config.data_dir` has
annotations/person_keypoints_SPLIT.json, train2017 and val2017. The backbone has
to start from ImageNet: `--init_from=WORKDIR|FILE`; its BatchNorm, stem and
first stage stay as they are. `val/keypoint_ap` is by object keypoint
similarity.

Of your own: `--config.dataset=folder --config.splits=` and a folder with COCO's
json, whose categories have `keypoints`, any number of names, and if you like
`skeleton`. Of things that are no person `--config.sigmas=0.05,0.05,...` says
how much of an object's size each keypoint is unsure by. In a mirror left_x
becomes right_x and the other way, by the names or by the category's
`flip_pairs`; other keypoints stay themselves. `--config.least_points=1` trains
on images with fewer keypoints; with few images `--config.warmup=100` as well.

Differs from the recipe: images are fitted into one square canvas, where there
the short side has 640 to 800 pixels and the long one 1333 at most; here they
are shrunk by up to a fifth on the device. Days on eight GPUs; not run here.
"""

from vision_jax.experiment import Experiment
from vision_jax.losses.two_stage import Draw, TwoStageCriterion
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.metrics.keypoints import KeypointAveragePrecision, sigmas_of
from vision_jax.models.detection import keypoint_rcnn
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import step_decay
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.values import detection_config, resolve_keypoints
from vision_jax.tasks.keypoint_detection import WEIGHTS, KeypointDetection


def get_config():
  """Returns the values.

  anchor_size: side of the first level's anchors, in pixels. candidates: the
  best anchors of a level, in training and otherwise. proposals: boxes that are
  left of them, in training and otherwise. drawn_anchors: of an image, that are
  learned from. drawn_proposals: of an image, that are learned from. features:
  channels of the pyramid. hidden: features of the head of boxes. convs: of the
  head of keypoints. head_features: channels of that head. detections: kept of
  an image, at most. least: score above which a box counts. overlap: IoU with a
  better box above which one is dropped. sigmas: of each keypoint, by how much
  of an object's size its place is unsure; () for COCO's of a person. momentum:
  of SGD. drops: the parts of the steps after which the rate is a tenth.
  """
  return detection_config(
    dataset="coco",
    splits=("train2017", "val2017", ""),
    image_size=(1024, 1024),
    letterbox=True,
    in_memory=False,
    max_boxes=100,
    on_bad_box="drop",
    keypoint_names=(),
    mirrored=(),
    skeleton=(),
    sigmas=(),
    least_points=10,
    crop=(1.0, 1.25),
    flip=0.5,
    epochs=46.0,
    steps=46 * 56_599 // 16,  # of all images with a keypoint; fewer have ten
    batch_size=16,
    log_every=100,
    eval_every=10_000,
    save_every=5_000,
    backbone="R50",
    frozen_norm=True,
    frozen=(r"^backbone/(conv1|bn1|conv2_\d+)/", r"bn\d?/"),
    features=256,
    hidden=1024,
    convs=8,
    head_features=512,
    anchor_size=32,
    candidates=(2000, 1000),
    proposals=(2000, 1000),
    drawn_anchors=256,
    drawn_proposals=512,
    detections=100,
    least=0.05,
    overlap=0.5,
    lr=0.02,
    momentum=0.9,
    warmup=1000,
    drops=(36 / 46, 43 / 46),
    weight_decay=1e-4,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "dataset": "people",
    "splits": ("train", "val", "test"),
    "scenes": (64, 8, 8),
    "class_names": ("person",),
    "image_size": (48, 48),
    "max_boxes": 3,
    "least_points": 0,
    "epochs": 0.0,
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "backbone": "tiny",
    "frozen_norm": False,
    "frozen": (),
    "features": 8,
    "hidden": 16,
    "convs": 1,
    "head_features": 8,
    "anchor_size": 8,
    "candidates": (30, 30),
    "proposals": (20, 20),
    "drawn_anchors": 16,
    "drawn_proposals": 8,
    "detections": 10,
    "warmup": 2,
  },
}

resolve = resolve_keypoints


def build(config):
  boxes, names = BoxData.of(config), tuple(config.class_names)
  loading = Loading.of(config)
  sigmas = sigmas_of(config.keypoint_names, config.sigmas)
  pipeline = detection(
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
      colours=loading.colours,
      mirrored=tuple(config.mirrored),
    ),
    metrics={
      "ap": AveragePrecision(
        names, per_class=config.per_class, voc=config.voc_ap
      ),
      "keypoints": KeypointAveragePrecision(
        names, per_class=config.per_class, sigmas=sigmas
      ),
    },
    loading=loading,
    annotations=config.annotations,
    skeleton=tuple(map(tuple, config.skeleton)),
  )
  drops = [round(part * config.steps) for part in config.drops]
  optimizer = sgd(
    step_decay(config.lr, drops, warmup=config.warmup),
    config.momentum,
    weight_decay=config.weight_decay,
    no_decay=(),
    frozen=tuple(config.frozen),
  )
  return Experiment(
    task=task_of(config),
    optimizers={"model": optimizer},
    best=("val/keypoint_ap", "max"),
    **pipeline.fields(),
  )


def task_of(config):
  model = keypoint_rcnn.variant(
    config.backbone,
    len(config.class_names),
    frozen_norm=config.frozen_norm,
    remat=config.remat,
    dtype=config.dtype,
    features=config.features,
    hidden=config.hidden,
    size=config.anchor_size,
    candidates=tuple(config.candidates),
    proposed=tuple(config.proposals),
    num_keypoints=len(config.keypoint_names),
    keypoint_features=config.head_features,
    keypoint_convs=config.convs,
  )
  criterion = TwoStageCriterion(
    WEIGHTS,
    anchors=Draw(config.drawn_anchors, 0.5, 0.7, 0.3, best=True),
    regions=Draw(config.drawn_proposals, 0.25, 0.5, 0.5, best=False),
  )
  return KeypointDetection(
    model,
    criterion,
    least=config.least,
    overlap=config.overlap,
    detections=config.detections,
  )
