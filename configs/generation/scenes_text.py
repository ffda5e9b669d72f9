"""Scenes of two digits from captions: "a red 3 left of a blue 7".

Flow matching on scenes of 16x32 that scikit-learn's digits make, each in one of
four colours. A small text transformer is trained along with the U-Net; places
of the image attend to its words. At the end a scene is drawn for each of 1,000
captions in ten steps of the solver, none of which it was trained on, and read
back by a CNN that was trained apart on true scenes: `test/ema/captions` is the
share of captions of which both digits, both colours and their places are right,
and `test/ema/captions_real` what the CNN reads right of true scenes of held-out
digits. `--mode=sample --sample.prompt="a red 3 left of a blue 7"` draws,
several texts with | between.

`:cpu` has guidance, two evaluations a step. Of its scenes 97.3 % are read
right, and 98.0 % of true ones, after 35 minutes of a core that had other work
too. The full variant is for a GPU and not measured.
"""

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.prompted_unet import PromptedUNet
from vision_jax.models.generation.word_canvas import WordCanvas
from vision_jax.models.text.tower import TextTower
from vision_jax.ops.diffusion import Density, path
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.diffusion import Solving, rate
from vision_jax.pipelines.prompted_scenes import prompted_scenes
from vision_jax.pipelines.scene_reader import scene_reader
from vision_jax.pipelines.sources.prompted import PromptedData
from vision_jax.tasks.condition_tokens import TokenCondition, Words
from vision_jax.tasks.flow_matching import FlowMatching


def get_config():
  """Returns the values.

  features, layers, heads:
  of the text transformer. canvas: channels of what the text says of a place.
  reader_steps: how long what reads the scenes is trained.
  """
  return base_config(
    steps=10_000,
    batch_size=64,
    eval_batch_size=200,
    log_every=100,
    save_every=1000,
    dataset="captioned_digits",
    scenes=(200_000, 1000),
    features=64,
    layers=2,
    heads=4,
    canvas=16,
    width=64,
    multipliers=(1, 2),
    attention=(4,),
    blocks=2,
    groups=8,
    patch=2,
    dropout=0.0,
    lr=1e-3,
    warmup=500,
    decay="cosine",
    ema=0.999,
    path="rectified",
    prediction="velocity",
    density="normal",
    centre=0.0,
    deviation=1.0,
    drop_label=0.1,
    clip=True,
    solver="dpmpp",
    sampling_steps=10,
    spacing="even",
    guidance=1.0,
    reader_steps=3000,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 20,
    "log_every": 10,
    "save_every": 0,
    "scenes": (64, 20),
    "features": 8,
    "layers": 1,
    "heads": 2,
    "canvas": 4,
    "width": 8,
    "multipliers": (1,),
    "attention": (),
    "blocks": 1,
    "warmup": 5,
    "sampling_steps": 2,
    "reader_steps": 2,
  },
  "cpu": {
    "steps": 4000,
    "width": 48,
    "blocks": 1,
    "lr": 1.5e-3,
    "guidance": 2.0,
    "eval_every": 1000,
    "save_every": 500,
    "reader_steps": 2000,
    "warmup": 200,
  },
}


def net(config, text):
  """The denoiser, with a transformer of the text's tokens."""
  how = {"dtype": config.dtype}
  unet = DDPMUNet(
    width=config.width,
    multipliers=config.multipliers,
    blocks=config.blocks,
    attention=config.attention,
    groups=config.groups,
    patch=config.patch,
    dropout=config.dropout,
    remat=config.remat,
    **how,
  )
  tower = TextTower(
    len(text.tokenize.vocabulary) + 1,
    text.length,
    config.features,
    depth=config.layers,
    heads=config.heads,
    causal=False,
    pooled="none",
    std=1.0,
    **how,
  )
  return PromptedUNet(unet, WordCanvas(tower, features=config.canvas, **how))


def build(config):
  images = PromptedData.of(config)
  text = TokenCondition(images.length, Words(images.words))
  task = FlowMatching(
    net(config, text),
    path(config.path),
    prediction=config.prediction,
    density=Density(config.density, config.centre, config.deviation),
    drop_label=config.drop_label,
    clip=config.clip,
    condition=text,
  )
  data = prompted_scenes(
    text,
    Solving.of(config).output(task),
    train=images.train,
    test=images.evals["test"],
    reader=scene_reader(config.reader_steps),
    loading=Loading.of(config),
  )
  lr = rate(config.decay, config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(lr, weight_decay=0.0, clip=1.0)},
    ema={"model": config.ema},
    **data.fields(),
  )
