"""Config files: run, and asked for what they give."""

import hashlib
import importlib.util
import sys
import types
from collections.abc import Mapping

import ml_collections

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, base_config
from vision_jax.recipe import variants


def load(source: str, origin: str) -> types.ModuleType:
  """Runs a config file's text and returns its module.

  It is in `sys.modules`, under a name of its own, as what its classes refer to
  is looked up there.

  Raises:
    UserError: if it is no Python, imports what is missing, or is no config.
  """
  name = f"_config_{sha256(origin + source)[:16]}"
  spec = importlib.util.spec_from_loader(name, loader=None, origin=origin)
  module = importlib.util.module_from_spec(spec)
  module.__file__ = origin
  sys.modules[name] = module
  try:
    _run(source, origin, module)
  except BaseException:
    del sys.modules[name]
    raise
  for function in ("get_config", "build"):
    if not callable(getattr(module, function, None)):
      raise UserError(
        f"--config: {origin} has no function {function}; expected "
        "get_config() and build(config)."
      )
  return module


def _run(source: str, origin: str, module: types.ModuleType) -> None:
  """Runs a text in a module; says what a user can do where it cannot run."""
  try:
    exec(compile(source, origin, "exec"), module.__dict__)
  except (SyntaxError, ValueError) as error:
    if not isinstance(error, SyntaxError) and "null bytes" not in str(error):
      raise
    line = f", line {error.lineno}" if hasattr(error, "lineno") else ""
    raise UserError(
      f"--config: {origin}{line}: {getattr(error, 'msg', error)}; expected "
      "Python with get_config() and build(config)."
    ) from error
  except ImportError as error:
    raise UserError(
      f"--config: {origin} cannot be imported: {error}. Install what it "
      "imports, or correct the name."
    ) from error


def values(
  module: types.ModuleType, variant: str, origin: str
) -> ml_collections.ConfigDict:
  """Returns the values that a config file gives for one of its variants.

  Raises:
    UserError: if it has no such variant, it gives no config, or the variant
      changes what the config does not have.
  """
  known = variants.names(module, origin)
  if variant not in known:
    raise UserError(
      f"--config: {origin} has no variant {variant!r}; expected "
      f"{', '.join(known)}."
    )
  config = _completed(variants.full(module, origin), origin)
  variants.apply(config, module, variant, origin)
  return config


def _completed(given: object, origin: str) -> ml_collections.ConfigDict:
  """Returns what a config gives, with our defaults where it says nothing."""
  if not isinstance(given, Mapping | ml_collections.ConfigDict):
    _refuse(origin, "get_config", given, "a dict or a ConfigDict")
  if lacking := [key for key in ("steps", "batch_size") if key not in given]:
    raise UserError(
      f"--config: get_config of {origin} gives no {' and no '.join(lacking)}, "
      "which have no default; expected how long to train, and on how many "
      "examples at a time."
    )
  config = ml_collections.ConfigDict(given)
  with config.unlocked():
    for key, value in base_config(steps=1, batch_size=1).items():
      if key not in config:
        config[key] = value
  return config


def build(
  module: types.ModuleType, config: ml_collections.ConfigDict, origin: str
) -> Experiment:
  """Builds a config file's experiment.

  Raises:
    UserError: if it gives none.
  """
  experiment = module.build(config)
  if not isinstance(experiment, Experiment):
    _refuse(origin, "build", experiment, "an Experiment")
  return experiment


def _refuse(origin: str, function: str, given: object, expected: str) -> None:
  raise UserError(
    f"--config: {function} of {origin} returns {type(given).__name__}; "
    f"expected {expected}. Is a `return` missing?"
  )


def sha256(text: str) -> str:
  """Returns the hash of a file's text."""
  return hashlib.sha256(text.encode()).hexdigest()
