"""Which folder is checked, and by which config's rules."""

from collections.abc import Mapping
from typing import Any

from vision_jax import paths
from vision_jax.data.found import BOXES, LABELS, MASKS
from vision_jax.data.own import Own
from vision_jax.data.recognise import config_of, recognise
from vision_jax.errors import UserError

_RULES = (
  *("on_bad_box", "on_bad_image", "on_shared", "ignore_values", "objects"),
  *("channels", "bits", "bands"),
)


def config_for(overrides: Mapping[str, str]) -> str:
  """Returns the config for what the folder of the flags has.

  Raises:
    UserError: if no folder is given, or it is of no layout.
  """
  if "images" in overrides and "masks" in overrides:
    return config_of(MASKS)
  if not overrides.get("data_dir"):
    raise UserError(
      "--config.data_dir is missing; expected the folder to look at, "
      "--config.data_dir=MY_DATA, or --config.images=A --config.masks=B."
    )
  folder = paths.absolute(overrides["data_dir"])
  return config_of(recognise(folder, overrides.get("layout", "")).has)


def own_of(values: Mapping[str, Any]) -> Own:
  """Returns the folder that a config trains on.

  Raises:
    UserError: if it trains on no folder.
  """
  if values["dataset"] != "folder":
    raise UserError(
      f"--mode=check: the config's dataset is {values['dataset']!r}; expected "
      "a config that reads a folder, or none: --config.data_dir=MY_DATA alone."
    )
  data_dir = values["data_dir"]
  layout = values.get("layout", "")
  if "masks" in values:
    pair = (values["images"], values["masks"])
    return Own(data_dir, MASKS, layout, pair=pair if all(pair) else ())
  if "on_bad_box" in values:
    return Own(data_dir, BOXES, layout, tuple(values["splits"]))
  return Own(data_dir, LABELS, layout)


def rules(values: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what `survey` is to know of a config."""
  found = {key: values[key] for key in _RULES if key in values}
  masks = tuple(values.get("mask_values", ()))
  names = tuple(values["class_names"]) or tuple(map(str, masks))
  return found | {"class_names": names}
