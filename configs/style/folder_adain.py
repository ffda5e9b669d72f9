"""AdaIN on your own images: one decoder, which draws in any image's style.

  python -m vision_jax.main --config=configs/style/folder_adain.py \
      --config.images=PHOTOS --config.styles=PAINTINGS \
      --config.judge=vgg19.pth --workdir=out/adain
  python -m vision_jax.main --mode=predict --workdir=out/adain \
      --images=PHOTOS --config.painting=painting.jpg --config.style_alpha=0.7 \
      --output=OUT

As in Huang and Belongie (2017, arxiv.org/abs/1703.06868): a fixed VGG-19 up to
relu4_1 encodes, the decoder is trained on batches of eight squares of 256
pixels, 160,000 steps of Adam, weight 10 of the style. A tenth of both folders
is held out by the names, and `val/content`, `val/style` are measured there.
Predictions are of whole images at their own size, in the style of
`--config.painting`, by as much as `--config.style_alpha` says, 0 to 1.

`--config.random_features=true` in the place of a VGG-19 is a demonstration of
the training by random filters, and no neural style: `tiny` is one. No time and
no expected result are given: it is your data. For a GPU; not run there yet.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.translation.adain_decoder import AdaINDecoder
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import constant
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.photos import PhotoData
from vision_jax.pipelines.style import (
  Painting,
  Squares,
  beside_styles,
  style_judge,
)
from vision_jax.tasks.adain import LAYERS, AdaIN


def get_config():
  """Returns the values.

  dataset: "folder", or "photographs" for those that come with packages.
  images, styles: folders of one's own. photos_train, photos_val: names of
  photographs, of both. painting: file of the image in whose style predictions
  are. photo_painting: name of a photograph, where there is no file.
  painting_size: pixels of its short side, where that is longer. style_alpha:
  how much of the style predictions take on. judge: VGG-19 that encodes,
  torchvision's file or a workdir. random_features: random filters in its place.
  content_weight, style_weight: of the losses. least: the least share of an
  image that is trained on as a square. lr: after the warm-up.
  """
  return base_config(
    steps=160_000,
    batch_size=8,
    eval_batch_size=8,
    log_every=100,
    eval_every=8_000,
    save_every=8_000,
    dataset="folder",
    images="",
    styles="",
    photos_train=("china", "astronaut", "cat", "coffee", "motorcycle"),
    photos_val=("rocket",),
    painting="",
    photo_painting="",
    painting_size=512,
    style_alpha=1.0,
    judge="",
    random_features=False,
    image_size=256,
    least=0.25,
    flip=0.5,
    content_weight=1.0,
    style_weight=10.0,
    lr=1e-4,
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
  },
}


def build(config):
  judge, fixed = style_judge(
    config.judge, random=config.random_features, layers=LAYERS, depth=19
  )
  stages = (*judge.stages[:3], judge.stages[3][:1])  # up to relu4_1
  task = AdaIN(
    AdaINDecoder(stages, dtype=config.dtype),
    judge.clone(dtype=config.dtype, remat=config.remat),
    Painting(config.painting, config.painting_size, config.photo_painting),
    content=config.content_weight,
    style=config.style_weight,
    alpha=config.style_alpha,
  )
  squares = Squares(config.image_size, config.least, Loading.of(config))
  images = PhotoData.of(config, "images", config.images)
  styles = PhotoData.of(config, "styles", config.styles)
  rate = constant(config.lr, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    fixed=fixed,
    **beside_styles(images, styles, squares, flip=config.flip).fields(),
  )
