"""A small CRNN that reads strings of MNIST's digits (Shi et al., 2015).

Strings of 3 to 7 digits are pasted side by side, over one another by 8 to 12 of
28 pixels and moved by up to 2; test's are of five digits that no string to
train on has, of which 96.8 % are read right in every digit (one seed, ten
minutes of a core). `--config.textures=1` lays them on textures of other greys,
and then 95.5 % are.

Of your own images: `--config.dataset=folder --config.data_dir=MY_DATA`, a
folder with one csv, of paths (`file`), texts (`text`) and, if you have them,
splits (`split`); without them a tenth is held out, chosen by name.
`--config.alphabet` has every letter that texts may have, `--config.letters` the
most of a text as its second number, and images are resized to
`--config.image_size`, height and width. `--config.dataset=idx` pastes the
characters of a folder with MNIST's or EMNIST's files.

`--config.lexicon=WORDS.txt` reads one of the words in the file, one a line: the
likeliest, by all ways to write it. Evaluated are the strings that are right
(`val/strings`), and the error rates of letters and of words (`val/cer`,
`val/wer`).
"""

from vision_jax.data.text.letters import read_lexicon
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.text.crnn import CRNN
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.reading import reading
from vision_jax.pipelines.sources.texts import TextData
from vision_jax.tasks.reading import CtcReading


def get_config():
  return base_config(
    steps=3000,
    batch_size=64,
    eval_batch_size=100,
    log_every=100,
    eval_every=1000,
    dataset="mnist",
    alphabet="0123456789",
    letters=(3, 7),
    test_letters=(5, 5),
    overlap=(8, 12),
    shift=2,
    textures=0.0,
    strings=(200_000, 1000, 2000),
    glyph_size=28,
    holdout=5000,
    image_size=(32, 152),
    channels=1,
    width=64,
    hidden=64,
    layers=1,
    lr=3e-3,
    warmup=300,
    weight_decay=1e-4,
    clip=5.0,
    lexicon="",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 20,
    "log_every": 10,
    "eval_every": 0,
    "dataset": "digits",
    "overlap": (4, 6),
    "strings": (640, 20, 20),
    "glyph_size": 16,
    "holdout": 137,
    "image_size": (20, 92),
    "width": 8,
    "hidden": 8,
    "warmup": 2,
  },
}


def build(config):
  w = config.width
  texts = TextData.of(config)
  data = reading(
    train=texts.train,
    evals=texts.evals,
    image_size=tuple(config.image_size),
    loading=Loading.of(config),
  )
  net = CRNN(
    len(config.alphabet) + 1,
    stages=((w // 2, (2, 2)), (w, (1, 1)), (w, (2, 1)), (w, (2, 1))),
    stride=2,
    hidden=config.hidden,
    layers=config.layers,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=CtcReading(
      net,
      config.alphabet,
      read_lexicon(config.lexicon, config.alphabet),
    ),
    optimizers={
      "model": adamw(
        schedule, weight_decay=config.weight_decay, clip=config.clip
      )
    },
    best=("val/strings", "max"),
    **data.fields(),
  )
