"""Config files: found, loaded, overridden, kept in a workdir, compared.

A config file has `get_config(variant) -> ConfigDict`, values only, and
`build(config, axis) -> Experiment`, objects from plain calls. It may have
`resolve(config)`, which fills in what the data say (class names) when a run
begins, and VARIANTS, names besides "full" and "tiny".
"""

import ast
import dataclasses
import difflib
import hashlib
import importlib.util
import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import ml_collections
import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment

# Values that may differ between the runs of one workdir: how long, how often,
# where from. All others define the result.
MAY_CHANGE = (
  *("data_dir", "eval_every", "keep_best", "keep_every", "log_every"),
  *("on_bad_image", "save_every", "steps", "threads"),
)


@dataclasses.dataclass(frozen=True)
class Recipe:
  """A config file with a variant and overrides applied."""

  path: str
  variant: str
  source: str
  config: ml_collections.ConfigDict
  module: Any

  @property
  def sha256(self) -> str:
    """Hash of the file's text."""
    return _sha256(self.source)

  def build(self, axis: str | None = None) -> Experiment:
    """Builds the experiment; `axis` is the execution's mapped axis."""
    return self.module.build(self.config, axis)

  def files(self, batch: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a workdir keeps: a copy of the file, and config.json.

    `batch` is one training batch, whose shapes let the workdir be used where
    its training data is not.
    """
    shapes = {k: [list(x.shape), str(x.dtype)] for k, x in batch.items()}
    content = {
      "path": self.path,
      "variant": self.variant,
      "sha256": self.sha256,
      "values": json.loads(self.config.to_json()),
      "batch": shapes,
    }
    text = json.dumps(content, indent=2) + "\n"
    return {"config.py": self.source, "config.json": text}


def load(
  name: str,
  overrides: Mapping[str, str] | None = None,
  source: str | None = None,
) -> Recipe:
  """Loads "PATH" or "PATH:VARIANT" and applies overrides given as text.

  `source` is a file's text to use in place of the one at PATH.

  Raises:
    UserError: if the file is missing or is no config, or an override names no
      key or has another type.
  """
  path, _, variant = name.partition(":")
  variant = variant or "full"
  if source is None:
    source = _find(path).read_text()
  module = _import(source, path)
  if variant not in ("full", "tiny", *getattr(module, "VARIANTS", ())):
    raise UserError(
      f"--config: {path} has no variant {variant!r}; expected full, tiny"
      f"{''.join(', ' + v for v in getattr(module, 'VARIANTS', ()))}."
    )
  config = module.get_config(variant)
  override(config, overrides or {})
  if hasattr(module, "resolve"):
    module.resolve(config)
  return Recipe(path, variant, source, config, module)


def load_workdir(
  workdir: epath.Path, say: Callable[[str], None] = print
) -> tuple[Recipe, dict[str, jax.ShapeDtypeStruct]]:
  """Loads a workdir's recipe and the shapes of its training batch.

  The copy of the config file is used, with a message, where the original is
  missing or has changed.
  """
  saved = saved_config(workdir)
  if saved is None:
    raise UserError(
      f"--workdir: {workdir} has no config.json; expected a folder that a "
      "training run has written. Train first, or check the path."
    )
  source = kept_source(workdir, saved, say)
  module = _import(source, str(workdir / "config.py"))
  config = module.get_config(saved["variant"])
  config.unlock()
  config.update(saved["values"])
  config.lock()
  batch = {
    name: jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype))
    for name, (shape, dtype) in saved["batch"].items()
  }
  return Recipe(saved["path"], saved["variant"], source, config, module), batch


def saved_config(workdir: epath.Path) -> dict[str, Any] | None:
  """Returns the content of a workdir's config.json, or None."""
  path = workdir / "config.json"
  if not path.exists():
    return None
  try:
    return json.loads(path.read_text())
  except ValueError as error:
    raise UserError(
      f"{path} is damaged ({error}); expected the config of the run. Restore "
      "it from a copy, or use another --workdir."
    ) from None


def kept_source(
  workdir: epath.Path, saved: Mapping[str, Any], say: Callable[[str], None]
) -> str:
  """Returns a workdir's copy of its config file; says if the file differs."""
  if why := _changed(saved):
    say(f"{saved['path']} {why}: using the copy in {workdir}.")
  return (workdir / "config.py").read_text()


def same_file(name: str, saved: Mapping[str, Any]) -> bool:
  """Whether "PATH:VARIANT" names the config file that a workdir has saved."""
  path, _, variant = name.partition(":")
  same = os.path.realpath(path) == os.path.realpath(saved["path"])
  return same and (variant or "full") == saved["variant"]


def _changed(saved: Mapping[str, Any]) -> str | None:
  """Says what has become of a saved config's file; None if it is the same."""
  path = _look(saved["path"])
  if path is None:
    return "is missing"
  changed = _sha256(path.read_text()) != saved["sha256"]
  return "has changed since" if changed else None


def check_same(recipe: Recipe, saved: Mapping[str, Any]) -> None:
  """Checks that a command continues the run that a workdir holds.

  Raises:
    UserError: naming the keys that differ and may not.
  """
  new = json.loads(recipe.config.to_json())
  old = saved["values"]
  differ = [
    f"{key}: {_flat(old).get(key)!r} in the workdir, {value!r} now"
    for key, value in _flat(new).items()
    if _flat(old).get(key) != value and key not in MAY_CHANGE
  ]
  differ += [f"{k}: gone" for k in _flat(old) if k not in _flat(new)]
  if recipe.sha256 != saved["sha256"]:
    differ.insert(0, f"file: {saved['path']} in the workdir, {recipe.path} now")
  if differ:
    raise UserError(
      "--workdir holds a run of another config, which differs in "
      + "; ".join(differ)
      + ". Use another workdir, or the same values (only "
      + ", ".join(MAY_CHANGE)
      + " may change)."
    )


def override(
  config: ml_collections.ConfigDict, values: Mapping[str, str]
) -> None:
  """Sets `a.b` -> text in place, keeping each value's type.

  Raises:
    UserError: for an unknown key (with the nearest) or another type.
  """
  known = _flat(config.to_dict())
  for key, text in values.items():
    if key not in known:
      near = difflib.get_close_matches(key, known, 1, 0.0)[0]
      raise UserError(
        f"--config.{key}: no such key; did you mean --config.{near}? "
        f"Expected one of {', '.join(sorted(known))}."
      )
    *parents, last = key.split(".")
    place = config
    for parent in parents:
      place = place[parent]
    place[last] = _parse(key, text, known[key])


def _parse(key: str, text: str, old: Any) -> Any:
  """Reads text as the type of the value that it replaces."""
  kind = type(old)
  if kind is str or old is None:
    return text
  try:
    if kind is bool:
      return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if kind in (int, float):
      return kind(text)
    value = ast.literal_eval(text)
    return kind(value if isinstance(value, list | tuple) else (value,))
  except (KeyError, ValueError, SyntaxError, TypeError):
    raise UserError(
      f"--config.{key}: got {text!r}; expected a value of type "
      f"{kind.__name__}, like {old!r}."
    ) from None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  flat = {}
  for key, value in values.items():
    if isinstance(value, Mapping):
      flat |= _flat(value, f"{prefix}{key}.")
    else:
      flat[prefix + key] = value
  return flat


def _look(path: str) -> pathlib.Path | None:
  """Finds a config file: as given, or among the installed configs."""
  given = pathlib.Path(path)
  installed = pathlib.Path(__file__).parent.parent / path
  return next((p for p in (given, installed) if p.is_file()), None)


def _find(path: str) -> pathlib.Path:
  """Finds a config file, or raises naming the nearest."""
  if found := _look(path):
    return found
  folder = pathlib.Path(__file__).parent.parent / "configs"
  names = [
    str(p.relative_to(folder.parent))
    for p in sorted(folder.glob("*/*.py"))
    if p.name != "__init__.py"
  ]
  near = difflib.get_close_matches(path, names, 1, 0.0)
  raise UserError(
    f"--config: there is no file {path}"
    + (f"; did you mean {near[0]}?" if near else ".")
  )


def _import(source: str, origin: str) -> Any:
  spec = importlib.util.spec_from_loader("_config", loader=None, origin=origin)
  module = importlib.util.module_from_spec(spec)
  module.__file__ = origin
  exec(compile(source, origin, "exec"), module.__dict__)
  for name in ("get_config", "build"):
    if not callable(getattr(module, name, None)):
      raise UserError(
        f"--config: {origin} has no function {name}; expected "
        "get_config(variant) and build(config, axis)."
      )
  return module


def _sha256(text: str) -> str:
  return hashlib.sha256(text.encode()).hexdigest()
