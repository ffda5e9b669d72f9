"""Fast style on your own images: a net that redraws any in one's style.

  python -m vision_jax.main --config=configs/style/folder_fast_style.py \
      --config.images=PHOTOS --config.painting=painting.jpg \
      --config.judge=vgg16.pth --workdir=out/fast
  python -m vision_jax.main --mode=predict --workdir=out/fast \
      --images=clip.mp4 --output=OUT

As in Johnson et al. (2016, arxiv.org/abs/1603.08155): content and style by a
fixed VGG-16, batches of four squares of 256 pixels, 40,000 steps of Adam. The
net has instance norm (Ulyanov et al., 2016), and repeats pixels where the
paper's has transposed convolutions. A tenth of the images is held out by the
names, and `val/content`, `val/style` are measured there. Predictions are of
whole images at their own size, and of videos.

`--config.random_features=true` in the place of a VGG-16 is a demonstration of
the training by random filters, and no neural style: `tiny` is one. No time and
no expected result are given: it is your data. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.translation.resnet import StyleTransformer
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import constant
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.photos import PhotoData
from vision_jax.pipelines.style import Painting, Squares, redrawn, style_judge
from vision_jax.tasks.style import LAYERS, FastStyle


def get_config():
  """Returns the values.

  dataset: "folder", or "photographs" for those that come with packages.
  images: folder of one's own. photos_train, photos_val: names of photographs.
  painting: file of the image whose style is learned. photo_painting: name of
  such a photograph, where there is no file. painting_size: pixels of its short
  side, where that is longer. judge: VGG-16 that content and style are compared
  by, torchvision's file or a workdir. random_features: random filters in its
  place. content_weight, style_weight, variation_weight: of the losses. least:
  the least share of an image that is trained on as a square. blocks: residual
  ones. lr: after the warm-up.
  """
  return base_config(
    steps=40_000,
    batch_size=4,
    eval_batch_size=8,
    log_every=100,
    eval_every=4_000,
    save_every=4_000,
    dataset="folder",
    images="",
    photos_train=("china", "astronaut", "cat", "coffee", "motorcycle"),
    photos_val=("rocket",),
    painting="",
    photo_painting="",
    painting_size=256,
    judge="",
    random_features=False,
    image_size=256,
    least=0.25,
    flip=0.5,
    width=32,
    blocks=5,
    content_weight=1.0,
    style_weight=1e5,
    variation_weight=0.0,
    lr=1e-3,
    warmup=0,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "log_every": 10,
    "eval_every": 0,
    "save_every": 0,
    "eval_batch_size": 65,
    "dataset": "photographs",
    "photos_train": ("china",),
    "photos_val": ("flower",),
    "photo_painting": "flower",
    "painting_size": 32,
    "random_features": True,
    "image_size": 32,
    "width": 4,
    "blocks": 1,
  },
}


def build(config):
  judge, fixed = style_judge(
    config.judge, random=config.random_features, layers=LAYERS, depth=16
  )
  task = FastStyle(
    StyleTransformer(
      width=config.width, blocks=config.blocks, dtype=config.dtype
    ),
    judge.clone(dtype=config.dtype, remat=config.remat),
    Painting(config.painting, config.painting_size, config.photo_painting),
    content=config.content_weight,
    style=config.style_weight,
    variation=config.variation_weight,
  )
  squares = Squares(config.image_size, config.least, Loading.of(config))
  images = PhotoData.of(config, "images", config.images)
  data = redrawn(images, squares, flip=config.flip)
  rate = constant(config.lr, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    fixed=fixed,
    **data.fields(),
  )
