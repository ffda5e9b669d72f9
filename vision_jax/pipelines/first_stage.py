"""A trained autoencoder as values of a config: the first of two stages.

autoencoder: its workdir, a checkpoint or a file of weights. autoencoder_net:
what it is, see `models.described`; "" finds it out.
"""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import ml_collections
from etils import epath

from vision_jax.errors import UserError
from vision_jax.models import described
from vision_jax.recipe.recipe import load_workdir
from vision_jax.weights import Weights

# The keys of a config that has one, with what says nothing yet.
FIRST_STAGE = {
  "autoencoder": "",
  "autoencoder_net": "",
}
TRAINS = (
  "python -m vision_jax.main --config=configs/generation/mnist_vqvae.py "
  "--workdir=out/mnist_vqvae"
)


def resolve_first_stage(config: ml_collections.ConfigDict) -> None:
  """Fills in what the autoencoder is, as a run begins.

  A net that is described and has no weights stays as it is: its weights are
  random, as in tests.

  Raises:
    UserError: without an autoencoder, with the command that trains one; and
      where weights do not say what net they are of.
  """
  path = config.autoencoder
  if not path and config.autoencoder_net:
    return
  place = epath.Path(path) if path else None
  if place is None or not place.exists():
    what = f"{path}, which is not there" if path else "none"
    raise UserError(
      f"--config.autoencoder: got {what}; expected the workdir of a trained "
      f"autoencoder. This trains one: {TRAINS}"
    )
  if config.autoencoder_net:
    return
  folders = [x for x in (place, *place.parents) if (x / "config.json").exists()]
  if not folders:
    raise UserError(
      f"--config.autoencoder: {path} is of no workdir, which would say what "
      "net it is; expected one, --config.autoencoder_net with its class and "
      "fields as JSON, or the workdir that --mode=import makes of the file."
    )
  config.autoencoder_net = _net(folders[0])


@dataclasses.dataclass(frozen=True)
class FirstStage:
  """The autoencoder of a config with the keys of FIRST_STAGE.

  Attributes:
    model: the net.
    fixed: its weights, by the net's name; {} leaves it random.
  """

  model: nn.Module
  fixed: Mapping[str, Weights]

  @classmethod
  def of(cls, config: ml_collections.ConfigDict, name: str) -> "FirstStage":
    """Returns the autoencoder, which a task knows by a name."""
    path, net = config.autoencoder, config.autoencoder_net
    model = described.build(net or _ANY, dtype=config.dtype)
    if model.channels != config.channels:
      raise UserError(
        f"--config.autoencoder: its images have {model.channels} channels; "
        f"expected {config.channels}, those of the data."
      )
    return cls(model, {name: Weights(path, part="model")} if path else {})


# Of a config that is only looked at: mnist_vqvae.py's.
_ANY = (
  '{"model": "generation.vq_vae.VQVAE", "channels": 1, "features": 8, '
  '"widths": [32, 64], "hidden": 64}'
)


def _net(workdir: epath.Path) -> str:
  """Returns the autoencoder of a workdir, as text."""
  recipe, _ = load_workdir(workdir, lambda line: None)
  with recipe.build() as experiment:
    model = getattr(experiment.task, "model", None)
    if not hasattr(model, "latent") or not hasattr(model, "decode"):
      raise UserError(
        f"--config.autoencoder: {workdir} is a run of "
        f"{type(experiment.task).__name__}; expected one of an autoencoder "
        f"with maps of codes. This trains one: {TRAINS}"
      )
    return described.describe(model)
