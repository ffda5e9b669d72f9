"""Nets that others have published, as values of a config.

A config says where a net comes from, `source`, and keeps what its images go
through beside it, so that a workdir tells all of it by itself.

source: SOURCE:MODEL, what the file is, as --source. described: the text of a
Hugging Face config.json; "" for none. fields: more fields of the model, as
JSON. num_classes: outputs; another number than the source's makes a new head.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import ml_collections

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop import published
from vision_jax.interop.published import Published

# The keys of a config that has such a net, with what says nothing yet.
IMPORTED = {
  "source": "",
  "described": "",
  "fields": "",
  "num_classes": 1000,
  "preprocess": {
    "size": (),
    "resize": -1,
    "interpolation": "",
    "mean": (),
    "std": (),
    "largest": 0.0,
    "middle": "",
  },
}


def resolve_imported(config: ml_collections.ConfigDict) -> None:
  """Fills in what a source publishes and the config does not say.

  preprocess: see `Preprocess`. class_names: of the source, if `num_classes` is
  as many; another number than the source's makes a new head.
  """
  net = _published(config)
  given, block = net.preprocess, config.preprocess
  if not config.get("class_names", ()) and (
    len(net.class_names) == config.get("num_classes", 0)
  ):
    config.class_names = net.class_names
  if not block.size:
    block.size = given.size
  dataclasses.replace(given, size=block.size, resize=0)  # checks the size
  if block.resize < 0:
    block.resize = given.margin(block.size)
  for name in ("interpolation", "middle"):
    block[name] = block[name] or getattr(given, name)
  for name in ("mean", "std"):
    own, value = tuple(block[name]), getattr(given, name)
    channels = config.get("channels", len(value))
    if len(own) not in (0, 1, channels):
      raise UserError(
        f"--config.preprocess.{name}: got {own}; expected one for each of the "
        f"{channels} channels, or one for all."
      )
    if len(value) not in (1, channels):  # of a net that is widened
      value = (sum(value) / len(value),) * channels
    block[name] = own or value
  block.largest = block.largest or given.largest


@dataclasses.dataclass(frozen=True)
class Imported:
  """A published net as a config has it.

  Attributes:
    model: the module, with the config's number of classes.
    preprocess: what its images go through.
    published: as the source has it.
  """

  model: nn.Module
  preprocess: Preprocess
  published: Published

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Imported":
    """Returns the net of a config with the keys of IMPORTED."""
    net = _published(config)
    given = net.preprocess
    block = dict(config.preprocess.items())
    if not block["size"]:  # as it is before the data are looked at
      return cls(net.model(), given, net)
    for name in ("size", "mean", "std"):
      block[name] = tuple(block[name])
    fields = published.fields_of(config.fields)
    classes = config.get("num_classes", net.num_classes)
    if classes != net.num_classes:
      fields["num_classes"] = classes
    model = net.build(fields)
    return cls(model, Preprocess(**block), net)

  @property
  def colours(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of pixels in [0, 1]."""
    return self.preprocess.colours


def described(config: ml_collections.ConfigDict) -> Mapping[str, Any] | None:
  """Returns the config.json of a Hugging Face folder; None without one."""
  return json.loads(config.described) if config.described else None


def _published(config: ml_collections.ConfigDict) -> Published:
  return published.find(config.source, described(config))[1]
