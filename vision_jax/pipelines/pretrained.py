"""The net of a run, or of a published source, as values of a config.

A fine-tune has the net that its weights are of, whatever workdir they come
from; its config keeps what that is, so that its own workdir is whole without.

init_from: the workdir, checkpoint or file whose weights it begins with; as
--init_from. source: what a published file without a workdir is, such as
torchvision:resnet50. net: what the net is, see `models.described`; "" finds it
out. batch_norm: "train", by the moments of the batch, or "frozen", by those of
the weights. freeze: a regex, searched in parameters' paths, of those that stay
as they are; "" for none. lora: rank of low-rank updates, which are trained with
the head alone; 0 for none. lora_layers: a regex of the layers that have them;
"" is all but the head. lora_alpha: factor of the updates, over their rank.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import ml_collections
import numpy as np
from etils import epath

from vision_jax.core.types import Inputs
from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop import published
from vision_jax.interop.places import holds_tensors
from vision_jax.models import described
from vision_jax.models.adapted import Adapted
from vision_jax.pipelines.colours import Colours
from vision_jax.recipe.recipe import load_workdir
from vision_jax.weights import Weights

# The keys of a config that has such a net, with what says nothing yet.
PRETRAINED = {
  "init_from": "",
  "source": "",
  "net": "",
  "preprocess": {
    "size": (),
    "resize": -1,
    "interpolation": "",
    "mean": (),
    "std": (),
    "middle": "",
  },
  "batch_norm": "train",
  "lora": 0,
  "lora_layers": "",
  "lora_alpha": 1.0,
}
_SMALL = 64  # pixels: images that are resized whole, without a margin
_MARGIN = 8 / 7  # 256 / 224, of larger ones


def resolve_pretrained(config: ml_collections.ConfigDict) -> None:
  """Fills in the net and what its images go through, as a run begins.

  net: that of the workdir `init_from`, or of the published `source`.
  preprocess: size, short side before the middle is cut out (0 resizes to the
  size), interpolation, mean, std and middle, as that run or source has them.

  Raises:
    UserError: if nothing says what net it is.
  """
  block = config.preprocess
  if config.source:
    found = published.find(config.source)[1]
    net, given = described.describe(found.model()), found.preprocess
  elif workdir := _workdir(config.init_from):
    net, given = _of_workdir(workdir)
  elif config.net:
    side = config.image_size
    net, given = config.net, Preprocess((side, side), resize=0)
  else:
    place = config.init_from
    what = f"{place} is of no workdir" if place else "got none"
    raise UserError(
      f"--init_from: {what}; expected the workdir whose weights are "
      "fine-tuned, which says what net they are of. Of a published file say "
      "that with --config.source=SOURCE:MODEL; --mode=import makes a workdir "
      "of one."
    )
  config.net = config.net or net
  size = block.size or given.size
  block.size = dataclasses.replace(given, size=size, resize=0).size
  if block.resize < 0:
    block.resize = given.margin(block.size)
  for name in ("interpolation", "middle"):
    block[name] = block[name] or getattr(given, name)
  for name, colour in zip(("mean", "std"), given.colours, strict=True):
    block[name] = tuple(block[name]) or colour


@dataclasses.dataclass(frozen=True)
class Pretrained:
  """A net that is fine-tuned, as a config has it.

  Attributes:
    model: the net, its head with the config's number of classes.
    preprocess: what images go through.
    start: what weights a new run begins with; {} is at random.
    frozen: regexes of the parameters that stay as they are.
  """

  model: nn.Module | Adapted
  preprocess: Preprocess
  start: Mapping[str, Weights]
  frozen: tuple[str, ...]

  @classmethod
  def of(
    cls, config: ml_collections.ConfigDict, num_classes: int
  ) -> "Pretrained":
    """Returns the net of a config with the keys of PRETRAINED.

    And `freeze`, a regex of parameters, "" for none. With `lora`, the rank of
    low-rank updates, all that is neither an update nor of the head is frozen.
    """
    if config.batch_norm not in ("train", "frozen"):
      raise UserError(
        f"--config.batch_norm: got {config.batch_norm!r}; expected train (by "
        "the batch's moments) or frozen (by those of the weights)."
      )
    fields = {"dtype": config.dtype, "remat": config.remat}
    model = described.build(config.net, num_classes=num_classes, **fields)
    model = _adapted(model, config)
    block = dict(config.preprocess.items())
    for name in ("size", "mean", "std"):
      block[name] = tuple(block[name])
    start = {"": Weights(config.init_from)} if config.init_from else {}
    frozen = (config.freeze,) if config.freeze else ()
    if config.lora:
      frozen = (*frozen, rf"^(?!.*lora_[ab]$)(?!{_HEADS}/)")
    return cls(model, Preprocess(**block), start, frozen)

  @property
  def colours(self) -> Colours:
    """Mean and standard deviation of pixels in [0, 1]."""
    return self.preprocess.mean, self.preprocess.std


_HEADS = r"(head|head_dist|fc|fc8|classifier|output|logits)"


def _adapted(
  model: nn.Module, config: ml_collections.ConfigDict
) -> nn.Module | Adapted:
  frozen = config.batch_norm == "frozen"
  if not (config.lora or frozen):
    return model
  if not config.lora and hasattr(model, "frozen_norm"):
    return model.clone(frozen_norm=True)
  layers = config.lora_layers or rf"^(?!{_HEADS}$)"
  return Adapted(model, config.lora, layers, config.lora_alpha, frozen)


def _workdir(path: str) -> epath.Path | None:
  """Returns the workdir that is named, or that a checkpoint named is of."""
  folder = epath.Path(path)
  places = (folder, folder.parent, folder.parent.parent) if path else ()
  own = lambda x: (x / "config.json").exists() and not holds_tensors(x)
  return next(filter(own, places), None)


def _of_workdir(path: epath.Path) -> tuple[str, Preprocess]:
  """Returns the net of a workdir, and what its images go through."""
  recipe, batch = load_workdir(path, lambda line: None)
  with recipe.build() as experiment:
    model = getattr(experiment.task, "model", None)
    if model is None or "image" not in batch:
      raise UserError(
        f"--init_from: {path} is a run of {type(experiment.task).__name__}; "
        "expected one with a single net of images, such as a classifier."
      )
    model = model.module if isinstance(model, Adapted) else model
    net = described.describe(model)
    mean, std = _colours(experiment.inputs, batch)
  size = tuple(batch["image"].shape[1:3])
  margin = 0 if min(size) <= _SMALL else int(min(size) * _MARGIN)
  given = Preprocess(size, margin, mean=mean, std=std)
  if "preprocess" in recipe.config:
    own = recipe.config.preprocess
    names = {"resize", "interpolation", "middle"} & {*own}
    given = dataclasses.replace(given, **{name: own[name] for name in names})
  return net, given


def _colours(
  inputs: Inputs, batch: Mapping[str, Any]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
  """Finds mean and std of what normalises: from what black and white become."""
  zeros = {k: np.zeros((2, *x.shape[1:]), x.dtype) for k, x in batch.items()}
  kind = zeros["image"].dtype
  white = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1
  zeros["image"][1] = white
  black, white = jax.device_get(inputs(zeros)["image"])[:, 0, 0].astype(float)
  std = 1 / (white - black)
  rounded = lambda x: tuple(float(np.round(v, 6)) for v in x)
  return rounded(-black * std), rounded(std)
