"""Which channels images have, and by what they are normalised, by a config."""

import functools
import logging

import ml_collections

from vision_jax.data.errors import some
from vision_jax.data.measured import Measured, measure
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.pipelines.colours import IMAGENET, UNIT, Colours
from vision_jax.pipelines.sources.base import DataSet
from vision_jax.recipe.values import MEASURED
from vision_jax.viz.bands import check_show

_RGB = 3  # channels, which are normalised as ImageNet's where nothing is said
_SMALL = 1e-7  # a deviation, beside its mean, that is roundings alone
_LOG = logging.getLogger(__name__)

# The keys of a config that say it, with what most data are.
PIXELS = {
  "channels": _RGB,
  "bands": (),
  "show_bands": (),
  "mean": (),
  "std": (),
}


def colours_of(config: ml_collections.ConfigDict) -> Colours:
  """Returns a config's mean and std, once `set_pixels` has run; else stand-ins.

  Those of ImageNet where the config has no such keys.
  """
  mean, std = tuple(config.get("mean", ())), tuple(config.get("std", ()))
  if mean and std and MEASURED not in (*mean, *std):
    return mean, std
  return IMAGENET if config.get("channels", _RGB) == _RGB else UNIT


def set_pixels(config: ml_collections.ConfigDict, data: DataSet) -> None:
  """Fills in channels, mean and std, as a run begins.

  channels: of the images; 3 is colour, to which grey is turned. bands: those of
  a file's channels that are taken, from 0 on, in this order; () takes all.
  show_bands: of these the one or three that pictures show, see
  `viz.bands.show_bands`; () for the first. mean, std: a number for each
  channel, or one for all, of pixels in [0, 1], or as they are of bits=32;
  "measured" takes them from images of train, see `measure`, as () does of
  other channels than 3, of which it takes ImageNet's.

  Raises:
    UserError: for values that do not fit each other, and where a channel that
      is measured has one value alone.
  """
  _set_channels(config)
  n, measured = config.channels, functools.cache(lambda: _measure(config, data))
  for key, usual in zip(("mean", "std"), IMAGENET, strict=True):
    given = tuple(config[key])
    if given == (MEASURED,) or (not given and n != _RGB):
      given = getattr(measured(), key)
    given = given or usual
    given = given * n if len(given) == 1 else given
    if len(given) != n:
      raise UserError(
        f"--config.{key}: got {len(given)} numbers, {given}, for {n} channels; "
        "expected one for each, one for all, or measured."
      )
    config[key] = given


def _set_channels(config: ml_collections.ConfigDict) -> None:
  bands = tuple(config.bands)
  if bands and config.channels not in (_RGB, len(bands)):
    raise UserError(
      f"--config.channels: got {config.channels} with the {len(bands)} bands "
      f"{bands}; expected {len(bands)}. Leave it out."
    )
  if bands:
    config.channels = len(bands)
  check_show(tuple(config.show_bands), bands or range(config.channels))


def _measure(config: ml_collections.ConfigDict, data: DataSet) -> Measured:
  found = measure(
    data.train,
    decode(config.channels, config.bits, tuple(config.bands)),
    seed=config.seed,
    skip=config.on_bad_image == "skip",
    threads=config.threads,
  )
  names = tuple(config.bands) or range(config.channels)
  each = zip(names, found.mean, found.std, strict=True)
  flat = [band for band, mean, std in each if std <= _SMALL * abs(mean)]
  if flat:
    raise UserError(
      f"--config.std: the channels {some(flat)} have one value alone in all "
      f"{found.images} images that were measured; expected pixels that differ. "
      "Take others by --config.bands=0,1,..., or give --config.std yourself."
    )
  left = f"; {len(found.skipped)} bad images left out" if found.skipped else ""
  _LOG.warning(
    "measured of %d of %d images to train on%s: mean %s, std %s",
    *(found.images, len(data.train), left, found.mean, found.std),
  )
  return found
