"""What an MLP, a CNN and a ViT withstand on MNIST, plain and augmented.

`net` is mlp, cnn or vit; with `augment` digits are shifted, turned and scaled
in training, as far as the strongest of the test sets that are. Four epochs, one
recipe for all; the rows of the CNN have ten. At its end a run measures, beside
test, its images shifted, rotated, scaled, of less contrast, noisy and occluded,
each at five strengths: `robustness/rotation3/accuracy`. Augmented, the CNN is
above the plain one on shifts, turns and sizes from the third strength on, by
0.2 to 55.7 points, and below it on contrast, noise and occlusion (three seeds
each). `digits` is the same on scikit-learn's digits, enlarged.
`python -m benchmarks.robustness` draws the curves of results.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.cnn import CNN
from vision_jax.models.backbones.mlp import MLP
from vision_jax.models.backbones.vit import ViT
from vision_jax.ops.augment import normalized_range, random_affine
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import MNIST
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.robustness import robustness
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  """Returns the values.

  net: "mlp", "cnn" or "vit". augment: whether digits are shifted, turned and
  scaled in training, as far as the strongest of the test sets that are.
  """
  return base_config(
    steps=1720,  # 4 epochs
    batch_size=128,
    eval_batch_size=1000,
    log_every=100,
    eval_every=430,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=5000,
    net="cnn",
    augment=True,
    strengths=5,
    hidden=800,
    width=16,
    features=64,
    depth=4,
    heads=4,
    lr=2e-3,
    weight_decay=0.05,
    dtype="float32",
    convolutional=True,
  )


DIGITS = {
  "steps": 400,  # 21 epochs
  "batch_size": 64,
  "eval_batch_size": 120,
  "eval_every": 0,
  "dataset": "digits",
  "holdout": 240,
}
VARIANTS = {
  "digits": DIGITS,
  "tiny": DIGITS
  | {
    "steps": 20,
    "batch_size": 16,
    "log_every": 10,
    "strengths": 1,
    "width": 4,
  },
}


def build(config):
  images = LabelData.of(config)
  loading = Loading.of(config)
  crop = resize((config.image_size, config.image_size))
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    num_classes=10,
    colours=MNIST,
    crop=crop,
    loading=loading,
    metrics={"accuracy": Accuracy()},
  )
  corrupted = robustness(
    images.evals["test"],
    Accuracy(),
    loading=loading,
    crop=crop,
    num_classes=10,
    strengths=config.strengths,
  )
  schedule = one_cycle(config.lr, config.steps, rise=0.2)
  return Experiment(
    task=Classification(net_of(config)),
    optimizers={
      "model": adamw(schedule, weight_decay=config.weight_decay, clip=1.0)
    },
    augment=moved() if config.augment else None,
    best=("val/accuracy", "max"),
    **data.fields() | {"evals": {**data.evals, **corrupted}},
  )


def net_of(config):
  dtype = config.dtype
  if config.net == "mlp":
    return MLP(10, hidden=(config.hidden,), dtype=dtype)
  if config.net == "cnn":
    w = config.width
    return CNN(10, stages=((w, w), (2 * w, 2 * w)), dtype=dtype)
  if config.net == "vit":
    return ViT(
      10,
      patch=7,
      features=config.features,
      depth=config.depth,
      heads=config.heads,
      head="gap",
      dtype=dtype,
    )
  raise UserError(
    f"--config.net: got {config.net!r}; expected mlp, cnn or vit."
  )


def moved():
  """Shifts, turns and scales; black is what comes in at the sides."""
  (black,), _ = normalized_range(*MNIST)
  return random_affine((1 / 1.5, 1.5), 50.0, translation=0.2, fill=black)
