"""DETR on BCCD's blood cells from scratch: red, white cells and platelets.

205 / 87 / 72 images of 640 x 480, in `--config.data_dir` (a VOC folder), or in
`bccd_voc` of the folder that VISION_JAX_DATA names. AP50 >= 0.85 is what to
reach; published detectors from scratch have 0.875 (RT-DETR-R50) to 0.927. The
paper's form learns nothing from 205 images; what this preset changes:

- queries start from the encoder's tokens, of two scales, and every decoder
  layer corrects their boxes;
- sigmoids with focal loss in place of a softmax with "no object";
- half the resolution, a ResNet-18 with trained BatchNorm, few and narrow
  transformer layers without dropout;
- random windows, flips both ways and colours; a long schedule, and averaged
  weights.

`--config.denoising=5` puts as many groups of noised boxes beside the queries in
training, from which it learns what they were (DN-DETR); not measured.

`--config.form=paper` is the plain form: learned queries, softmax, six layers of
256 features, one scale. For a GPU; not run there yet. The variant `cpu` is a
narrower net on smaller images for 2 cores: AP50 0.68 and AP 0.36 on test (one
seed), and 0.38 the AP50 of the platelets, which are about ten pixels wide
there. Those are of the raw weights, while the averaged ones choose the
checkpoint; and that run had one more backbone stage, which fed no output, and
was not repeated without it.

Two boxes have no area, one of train, which is left out, and one of val, which
counts. Corners are taken as plain coordinates (`one_based=False`), though none
is below 1: the files have labelImg's fields, which writes plain coordinates and
lifts zeros to 1. 237 boxes begin at x = 1 and as many end at 640, the width,
which either would give. The images do not tell: around 133 stained cells away
from the edges, found by their saturation, the boxes' centres are off by -0.7
and 1.2 pixels in x and y (+- 0.3), where counting from 1 would be 0.5 in both.
"""

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.losses.detection import SigmoidFocal
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.metrics.box_threshold import BoxThreshold
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.detr import Detr
from vision_jax.models.detection.two_stage_detr import TwoStageDetr
from vision_jax.ops.noised_boxes import BoxNoise
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import detection_config, resolve_boxes
from vision_jax.tasks.detection import Detection


def get_config():
  """Returns the values.

  form: "anchored", or "paper", which takes none of the sizes that follow.
  features: width of a token. heads: of each attention. hidden:
  features within a block's MLP. encoder_layers, decoder_layers: how many.
  num_queries: boxes that the decoder may find. denoising: groups of noised
  boxes in training, of "anchored" alone; 0 is none.
  """
  return detection_config(
    dataset="voc",
    splits=("train", "val", "test"),
    image_size=(240, 320),
    class_names=("Platelets", "RBC", "WBC"),
    max_boxes=40,
    on_bad_box="drop",
    crop=(0.5, 1.1),
    crop_ratio=(0.8, 1.25),
    flip=0.5,
    flip_vertical=0.5,
    jitter=0.3,
    per_class=True,
    voc_ap=True,
    steps=8_000,
    batch_size=16,
    log_every=50,
    eval_every=500,
    save_every=500,
    form="anchored",
    width=64,
    stages=(2, 2, 2, 2),
    features=192,
    heads=4,
    hidden=512,
    encoder_layers=2,
    decoder_layers=4,
    num_queries=100,
    denoising=0,
    lr=2e-4,
    backbone_rate=1.0,
    warmup=100,
    weight_decay=1e-4,
    clip=1.0,
    ema=0.999,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "image_size": (32, 32),
    "scenes": (64, 16, 32),
    "eval_batch_size": 16,
    "class_names": DIGITS,
    "max_boxes": 5,
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "width": 8,
    "stages": (1, 1, 1, 1),
    "features": 32,
    "hidden": 64,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "num_queries": 10,
    "lr": 5e-4,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "image_size": (120, 160),
    "steps": 1_500,
    "batch_size": 8,
    "width": 16,
    "features": 96,
    "hidden": 192,
    "decoder_layers": 2,
    "num_queries": 60,
    "lr": 5e-4,
    "ema": 0.99,
  },
}

resolve = resolve_boxes


def build(config):
  if config.form not in ("anchored", "paper"):
    raise UserError(
      f"--config.form: got {config.form!r}; expected anchored or paper."
    )
  paper = config.form == "paper"
  if paper and config.denoising:
    raise UserError(
      f"--config.denoising: got {config.denoising} with --config.form=paper, "
      "whose queries are no boxes; expected 0, or form=anchored."
    )
  levels = ("c5",) if paper else ("c3", "c4")
  # No stage beyond the last level: it would be computed, and learn nothing.
  stages = tuple(config.stages) if paper else tuple(config.stages)[:-1]
  backbone = ResNet(
    num_classes=0,
    stages=stages,
    bottleneck=False,
    width=config.width,
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  size = {
    "features": config.features,
    "heads": config.heads,
    "hidden": config.hidden,
    "encoder_layers": config.encoder_layers,
    "decoder_layers": config.decoder_layers,
    "dropout": 0.0,
    "denoise": config.denoising > 0,
  }
  model = (Detr if paper else TwoStageDetr)(
    len(config.class_names),
    backbone,
    levels=levels,
    num_queries=config.num_queries,
    background=paper,
    attention_dropout=0.1 if paper else 0.0,
    remat=config.remat,
    dtype=config.dtype,
    **({} if paper else size),
  )
  optimizer = adamw(
    warmup_cosine(config.lr, config.steps, warmup=config.warmup),
    weight_decay=config.weight_decay,
    rates={"^backbone/": config.backbone_rate},
    clip=config.clip,
  )
  focal = SetCriterion(
    SigmoidFocal(), weights={"class": 2.0, "l1": 5.0, "giou": 2.0}
  )
  noise = BoxNoise(config.denoising) if config.denoising else None
  task = Detection(model, SetCriterion() if paper else focal, noise=noise)
  boxes, names = BoxData.of(config), tuple(config.class_names)
  loading = Loading.of(config)
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
    ),
    metrics={
      "ap": AveragePrecision(
        names, per_class=config.per_class, voc=config.voc_ap
      ),
      "threshold": BoxThreshold(),
    },
    loading=loading,
    annotations=config.annotations,
    weights=("raw", "ema"),
  )
  return Experiment(
    task=task,
    optimizers={"model": optimizer},
    ema={"model": config.ema},
    best=("val/ema/ap50", "max"),
    **pipeline.fields(),
  )
