"""Published nets of restoration, as values of a config.

source: SOURCE:MODEL, what the file is, as --source. fields: more fields of the
model, as JSON. channels: of the images; set as a run begins, by what the net
takes. luma: which luma of colours it restores; "" for all channels, "auto"
finds it out. smaller: how images are made smaller, see `with_smaller`. sigma:
of the noise on what is not made smaller, in levels of 255. sigma_most: of
training, up to which; 0 is sigma alone. levels: from which sigma to which it
was trained; () says nothing. train: the folder of images to train on; "" for
what is usual of such a net. tests: folders to evaluate; () likewise.
"""

import dataclasses

import flax.linen as nn
import ml_collections

from vision_jax.interop import published
from vision_jax.pipelines.restoration import Worse, check_level

# The keys of a config that has such a net, with what says nothing yet.
RESTORATION = {
  "source": "kair:dncnn_25",
  "fields": "",
  "channels": 3,
  "luma": "auto",
  "smaller": "bicubic",
  "sigma": 25.0,
  "sigma_most": 0.0,
  "levels": (),
}
AUTO = "auto"
# Which sets, where a config names none: to train on, and to evaluate.
DENOISING = ("Train400", ("Set12", "BSD68"))
ENLARGING = ("T91", ("Set5", "Set14"))


def resolve_restoration(config: ml_collections.ConfigDict) -> None:
  """Fills in what follows from the net, as a run begins."""
  net = Restores.of(config)
  train, tests = ENLARGING if net.worse.scale > 1 else DENOISING
  config.train = config.train or train
  config.tests = tuple(config.tests) or tests
  config.luma = net.luma
  config.channels = 3 if net.luma else net.channels


@dataclasses.dataclass(frozen=True)
class Restores:
  """A published net, and what it undoes.

  Attributes:
    model: the module.
    channels: of what the module takes.
    luma: which luma of colours that is; "" for all channels.
    worse: what is done to images before it sees them.
  """

  model: nn.Module
  channels: int
  luma: str
  worse: Worse

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Restores":
    """Returns the net of a config with the keys of RESTORATION."""
    _, net = published.find(config.source)
    model = net.build(published.fields_of(config.fields))
    channels, scale = len(net.preprocess.mean), getattr(model, "scale", 1)
    usual = "video" if scale > 1 and channels == 1 else ""
    known = getattr(model, "takes_noise", False)
    noise = {"sigma": config.sigma, "most": config.sigma_most or None}
    noise |= {"known": known}
    if scale == 1:
      check_level("sigma", config.sigma, config.levels)
    worse = Worse(scale, config.smaller, **(noise if scale == 1 else {}))
    luma = usual if config.luma == AUTO else config.luma
    return cls(model, channels, luma, worse)
