"""ResNet-18 on your own images: `--config.data_dir=MY_DATA`.

Its layout is found out: `train/CLASS/*.jpg` and, where there are such, val (or
valid, validation, dev) and test; the class folders alone; a csv of paths and
classes; npz; a prepared TFDS set; Hugging Face's parquet or arrow; WebDataset's
tars; MNIST's or CIFAR's own files; exports of CVAT and Label Studio. Where it
may be read in two ways, `--config.layout=NAME` says which;
`--mode=check --config.data_dir=MY_DATA` shows what is in it. Without val a
tenth of each class is held out, chosen by name: an image more moves one other
at most. Class names are read from the data and kept with the run.
Images of other channels than three are read by `--config.channels=7`, or some
of them by `--config.bands=0,1,2,6`: tif and npy of 8 or 16 bits
(`--config.bits=16`) or floats (`--config.bits=32`). They are normalised by mean
and deviation of the images to train on, as those of three channels are by
`--config.mean=measured --config.std=measured`.
`--config.epochs=20` sets the steps by passes over train, and
`--config.balance=true` weights classes so that rare ones count alike. Images
are cropped and mirrored at random; `--config.augment.rotation=15`, `.scale`,
`.translation`, `.brightness`, `.noise=0.05`, `.erasing=0.25` and so on change
them further, `--config.augment.flip=0` less (`pipelines/augmentation.py` has
them all), and `--mode=check` draws some as they are trained on.

Evaluated are accuracy, precision, recall and F1 (`val/f1_macro`; of each class
where there are at most 10; of two classes `val/f1`, of the second), the area
under the ROC curve and average precision (`val/auc`; of more than two classes
means of each against the rest), calibration (`val/ece`), and of two classes
`val/confusion/LABEL/PREDICTION`, numbers of images, and `val/threshold`, the
probability from which on the second is predicted for the best F1.

The variant `cpu`, which is taken where there is no accelerator and no variant
is named (`:full` is the whole one), has half the width, images of 96 pixels and
a number of steps that does not grow with the data: within 20 minutes of two
cores. Its values were set before a run had been seen, but for the steps, which
were doubled as the first run took a fifth of that time.
"""

from vision_jax.data.transforms.crops import (
  random_resized_crop,
  resize_centre_crop,
)
from vision_jax.experiment import Experiment
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.curves import Curves
from vision_jax.metrics.decisions import ConfusionMatrix, PrecisionRecallF1
from vision_jax.models.backbones.resnet import ResNet18
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import label_config, resolve_labels
from vision_jax.tasks.classification import Classification

NAMED = 10  # classes, at most, that have metrics of their own


def get_config():
  return label_config(
    steps=5000,
    batch_size=64,
    eval_batch_size=64,
    log_every=100,
    eval_every=500,
    dataset="folder",
    image_size=224,
    augment=augment_config(
      crop=(0.08, 1.0), crop_ratio=(3 / 4, 4 / 3), flip="horizontal"
    ),
    width=64,
    lr=0.05,
    warmup=250,
    weight_decay=1e-4,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 120,
    "log_every": 10,
    "eval_every": 10,
    "dataset": "digits",
    "image_size": 32,
    "holdout": 240,
    "class_names": DIGITS,
    "width": 4,
    "warmup": 2,
  },
  "cpu": {
    "image_size": 96,
    "augment": {"crop": (0.25, 1.0)},  # milder, as the schedule is short
    "width": 32,
    "steps": 3_000,
    "batch_size": 32,
    "eval_every": 500,
    "save_every": 500,
    "warmup": 150,
  },
}
ON_CPU = "cpu"


resolve = resolve_labels


def build(config):
  model = ResNet18(
    len(config.class_names),
    width=config.width,
    remat=config.remat,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  size = config.image_size
  images, names = LabelData.of(config), tuple(config.class_names)
  augment = Augmentation.of(config)
  loading = Loading.of(config)
  measured = {
    "accuracy": Accuracy((1, 5) if len(names) >= 5 else (1,)),
    "f1": PrecisionRecallF1(names if len(names) <= NAMED else ()),
    "curves": Curves(),
    "calibration": CalibrationError(),
  }
  if len(names) == 2:
    measured["confusion"] = ConfusionMatrix(names, matrix=True)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=names,
    train_crop=random_resized_crop(
      size, augment.crop, augment.crop_ratio, **loading.pixels
    )
    if augment.crop
    else None,
    crop=resize_centre_crop(size * 256 // 224, size),
    loading=loading,
    metrics=measured,
  )
  return Experiment(
    task=Classification(
      model, class_weights=tuple(config.class_weights) or None
    ),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    augment=augment.labels(loading.colours),
    best=("val/accuracy", "max"),
    **data.fields(),
  )
