"""A small CoCa on generated scenes with captions (Yu et al., 2022).

Scenes have one or two of four shapes in six colours, and a caption such as "a
red circle above a blue square". The net learns to tell which caption belongs to
which image, and to write it. Evaluated are the captions that are right in every
word (`val/captions`), the word error rate, the share of right colours, shapes
and places, and recall at 1 and 5 of an image's caption among all and the other
way (`val/image_to_text_recall_at_1`, ...).

Nobody teaches it to classify, and it can: `zero_shot/accuracy` is of scenes
with one shape, the class whose prompt ("a red circle", by `--config.prompts`,
several with | between) is nearest. Shapes that `--config.unseen` names are in
no scene to train on, in those colours; `unseen/accuracy` is theirs, among all
24 classes.

`:cpu` is a smaller net, for some minutes of a core. How well either does has
not been measured yet; the tests let a tiny one learn captions by heart.

On your own images: `--config.dataset=folder --config.data_dir=MY_DATA`, a
folder with one csv of paths (`file`), captions (`text` or `caption`) and, if
you have them, splits (`split`); without them a tenth is held out, chosen by
name. The vocabulary is what the captions have, or `--config.vocabulary=a,b`;
other words are refused by name. `--config.length` are the words of the longest
caption.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.captions.coca import CoCa
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.captions import captioning, weights_of
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.captions import CaptionData, resolve_words
from vision_jax.tasks.captions import Captioning


def get_config():
  """Returns the values.

  loss_weights: of the contrastive and of the captioning loss. prompts: texts
  with {} where the name of a class goes, with a | in between.
  """
  return base_config(
    steps=10_000,
    batch_size=256,
    eval_batch_size=200,
    log_every=100,
    eval_every=1000,
    dataset="scenes",
    vocabulary=(),
    length=8,
    scenes=(50_000, 1000, 2000),
    unseen=("red triangle", "green cross", "blue circle", "yellow square"),
    prompts="a {}",
    image_size=32,
    patch=4,
    features=192,
    depth=6,
    layers=3,
    decoder_layers=3,
    heads=4,
    hidden=768,
    num_queries=16,
    embedding=64,
    dropout=0.0,
    loss_weights=(1.0, 2.0),
    lr=1e-3,
    warmup=500,
    weight_decay=0.05,
    clip=1.0,
    remat="none",
    dtype="float32",
  )


VARIANTS = {
  "cpu": {
    "steps": 1500,
    "batch_size": 64,
    "eval_every": 500,
    "scenes": (20_000, 500, 1000),
    "features": 64,
    "depth": 3,
    "layers": 1,
    "decoder_layers": 1,
    "hidden": 128,
    "num_queries": 8,
    "warmup": 100,
    "lr": 2e-3,
  },
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 20,
    "log_every": 10,
    "eval_every": 0,
    "scenes": (64, 20, 20),
    "image_size": 16,
    "patch": 8,
    "features": 16,
    "depth": 1,
    "layers": 1,
    "decoder_layers": 1,
    "heads": 2,
    "hidden": 16,
    "num_queries": 2,
    "embedding": 8,
    "warmup": 2,
  },
}


resolve = resolve_words


def build(config):
  images = CaptionData.of(config)
  d, how = config.features, {"remat": config.remat, "dtype": config.dtype}
  encoder = ViT(
    0,
    patch=config.patch,
    features=d,
    depth=config.depth,
    heads=config.heads,
    mlp_ratio=config.hidden / d,
    head="tokens",
    dropout=config.dropout,
    **how,
  )
  net = CoCa(
    encoder,
    len(images.words) + 1,
    config.length,
    features=d,
    layers=config.layers,
    decoder_layers=config.decoder_layers,
    heads=config.heads,
    hidden=config.hidden,
    queries=config.num_queries,
    embedding=config.embedding,
    dropout=config.dropout,
    **how,
  )
  task = Captioning(net, images.words, **weights_of(config.loss_weights))
  data = captioning(
    task=task,
    train=images.train,
    evals=images.evals,
    classified=images.classified(),
    prompts=config.prompts.split("|"),
    word_kinds=images.word_kinds,
    image_size=config.image_size,
    loading=Loading.of(config),
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={
      "model": adamw(
        schedule, weight_decay=config.weight_decay, clip=config.clip
      )
    },
    best=("val/captions", "max"),
    **data.fields(),
  )
