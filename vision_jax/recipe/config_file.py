"""Config files: looked up, named, imported."""

import difflib
import hashlib
import importlib.util
import os
import pathlib
from typing import Any

import ml_collections

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, base_config
from vision_jax.paths import absolute
from vision_jax.recipe import variants

ROOT = pathlib.Path(__file__).parents[2]  # holds `configs`, wherever we are


def look(path: str) -> pathlib.Path | None:
  """Finds a config file: as given, or among the installed configs."""
  candidates = (pathlib.Path(absolute(path)), ROOT / path)
  return next((p for p in candidates if p.is_file()), None)


def installed(path: str) -> pathlib.Path | None:
  """Finds a config file among those that come with this package alone."""
  file = ROOT / path
  ours = os.path.isfile(file) and _inside(file, ROOT / "configs")
  return file if ours else None


def canonical(path: str) -> str:
  """Names a config file independently of the working folder.

  Ours are `configs/...` on every machine, others have their absolute path.
  """
  file = look(path)
  if file is None:
    return path if (ROOT / path).is_relative_to(ROOT) else absolute(path)
  if _inside(file, ROOT / "configs"):
    real = pathlib.Path(os.path.realpath(file))
    return real.relative_to(os.path.realpath(ROOT)).as_posix()
  return str(file.absolute())


def same(one: str, other: str) -> bool:
  """Whether two paths lead to one config file, be it there or gone."""
  real = lambda path: os.path.realpath(look(path) or absolute(path))
  return real(one) == real(other)


def read(path: str) -> str:
  """Returns a config file's text.

  Raises:
    UserError: naming the nearest where there is none, or why it is unreadable.
  """
  file = look(path)
  if file is None:
    _raise_missing(path)
  try:
    return file.read_text(encoding="utf-8")
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f"--config: {file} cannot be read ({error}); expected a Python file in "
      "UTF-8 with get_config() and build(config)."
    ) from error


def load(source: str, origin: str) -> Any:
  """Runs a config file's text and returns its module.

  Raises:
    UserError: if it is no Python, imports what is missing, or is no config.
  """
  spec = importlib.util.spec_from_loader("_config", loader=None, origin=origin)
  module = importlib.util.module_from_spec(spec)
  module.__file__ = origin
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
  for name in ("get_config", "build"):
    if not callable(getattr(module, name, None)):
      raise UserError(
        f"--config: {origin} has no function {name}; expected "
        "get_config() and build(config)."
      )
  return module


def values(module: Any, variant: str, origin: str) -> ml_collections.ConfigDict:
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
  config = variants.full(module, origin)
  if not isinstance(config, ml_collections.ConfigDict):
    _refuse(origin, "get_config", config, "a ConfigDict")
  lacking = [
    key for key in base_config(steps=1, batch_size=1) if key not in config
  ]
  if lacking:
    raise UserError(
      f"--config: get_config of {origin} gives no {', '.join(lacking)}; "
      "expected what every run has. Make it with "
      "vision_jax.experiment.base_config(steps=..., batch_size=..., ...)."
    )
  variants.apply(config, module, variant, origin)
  return config


def build(module: Any, config: Any, origin: str) -> Experiment:
  """Builds a config file's experiment.

  Raises:
    UserError: if it gives none.
  """
  experiment = module.build(config)
  if not isinstance(experiment, Experiment):
    _refuse(origin, "build", experiment, "an Experiment")
  return experiment


def _refuse(origin: str, function: str, given: Any, expected: str) -> None:
  raise UserError(
    f"--config: {function} of {origin} returns {type(given).__name__}; "
    f"expected {expected}. Is a `return` missing?"
  )


def sha256(text: str) -> str:
  """Returns the hash of a file's text."""
  return hashlib.sha256(text.encode()).hexdigest()


def _raise_missing(path: str) -> None:
  folder = ROOT / "configs"
  names = [
    str(p.relative_to(ROOT))
    for p in sorted(folder.glob("*/*.py"))
    if p.name != "__init__.py"
  ]
  near = difflib.get_close_matches(path, names, 1, 0.0)
  raise UserError(
    f"--config: there is no file {path}"
    + (f"; did you mean {near[0]}?" if near else ".")
  )


def _inside(file: pathlib.Path, folder: pathlib.Path) -> bool:
  real = pathlib.Path(os.path.realpath(file))
  return real.is_relative_to(os.path.realpath(folder))
