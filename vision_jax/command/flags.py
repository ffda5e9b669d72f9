"""Flags: declared as fields of a mode, read once, at the door.

The one file that knows absl's flags. A mode is a frozen dataclass whose fields
are made by `option` and `keyed`; `parse` gives an instance of it.
"""

import dataclasses
import functools
import importlib
import inspect
import pathlib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from absl import flags as absl

from vision_jax import paths
from vision_jax.errors import UserError

FIRST = "train"  # the mode where none is named
MODES = (
  FIRST,
  *sorted(
    {file.stem for file in pathlib.Path(__file__).parent.glob("modes/[!_]*.py")}
    - {FIRST}
  ),
)
# Flags that went -> what took their place.
GONE = {
  name: f"--sample.{name}"
  for name in ("sampler", "steps", "guidance", "eta", "interpolate")
}
HELP = {"-h", "-help", "--help"}


def option(
  default: bool | float | str | None,
  text: str,
  *,
  choices: Sequence[str] = (),
  low: float | None = None,
  high: float | None = None,
  path: bool = False,
) -> Any:
  """Returns a field that --NAME=VALUE sets.

  Args:
    default: without the flag.
    text: the flag's help.
    choices: the values that it may have.
    low: the least one.
    high: the largest one.
    path: whether it names a file or a folder; it becomes absolute.
  """
  about = {"text": text, "choices": choices, "path": path}
  bounds = {"lower_bound": low, "upper_bound": high}
  return dataclasses.field(default=default, metadata=about | {"bounds": bounds})


def parts(text: str) -> Any:
  """Returns a field that each --NAME=PATH or --NAME=PART=PATH adds to.

  A dict: part of a net -> absolute path; "" for what is of no part.
  """
  about = {"text": text, "choices": (), "path": True}
  return dataclasses.field(default_factory=dict, metadata=about)


def keyed(name: str, text: str, *, path: bool = False) -> Any:
  """Returns a field that each --NAME.KEY=VALUE adds to, a dict of texts.

  Args:
    name: the flag's name.
    text: the flag's help.
    path: whether the values name files or folders; they become absolute.
  """
  about = {"keyed": name, "text": text, "path": path}
  return dataclasses.field(default_factory=dict, metadata=about)


def parse(argv: Sequence[str]) -> Any:
  """Reads the command line into the `Mode` that it names.

  Raises:
    UserError: for what is no flag of the mode, or a flag that needs another.
  """
  name = _mode_of(argv)
  mode = load(name)
  rest, pairs = _split(argv, _keyed(mode))
  values = _define(mode)
  try:
    left = values(["main", *rest])[1:]
  except absl.UnrecognizedFlagError as error:
    raise UserError(_unrecognized(error, name)) from None
  except absl.Error as error:
    raise UserError(f"{error} (--help lists the flags)") from None
  if left:
    raise UserError(f"{left[0]!r} is no flag; expected --name=value.")
  read = {field.name: values[field.name].value for field in _plain(mode)}
  for field in _plain(mode):
    if isinstance(read[field.name], list):
      read[field.name] = paths.of_parts(field.name, read[field.name])
    elif field.metadata["path"] and read[field.name]:
      read[field.name] = paths.absolute(read[field.name])
  for field in dataclasses.fields(mode):
    if "keyed" in field.metadata and field.metadata["path"]:
      own = pairs[field.name]
      pairs[field.name] = {k: paths.absolute(x) for k, x in own.items()}
  parsed = mode(**read, **pairs)
  parsed.check()
  return parsed


@functools.cache
def load(name: str) -> type:
  """Returns the class of a mode."""
  return importlib.import_module(f"vision_jax.command.modes.{name}").Mode


def help_text(argv: Sequence[str]) -> str:
  """Returns a mode's flags; where none is named, what modes there are too."""
  name = _mode_of(argv)
  mode = load(name)
  lines = [f"--mode={name}: {inspect.getdoc(mode)}", _define(mode).get_help()]
  lines += [
    f"  --{field.metadata['keyed']}.KEY=VALUE: {field.metadata['text']}"
    for field in dataclasses.fields(mode)
    if "keyed" in field.metadata
  ]
  if not any(_name(word) == "mode" for word in argv):
    others = ", ".join(f"--mode={other}" for other in MODES if other != name)
    lines.append(f"With --help {others} list their flags.")
  return "\n".join(lines)


def _mode_of(argv: Sequence[str]) -> str:
  """Returns the mode that a command line names, the last where it has two."""
  mode = FIRST
  for word, following in zip(argv, [*argv[1:], ""], strict=True):
    if _name(word) == "mode":
      mode = word.partition("=")[2] if "=" in word else following
  if mode not in MODES:
    raise UserError(
      f"--mode: got {mode!r}; expected one of {', '.join(MODES)}."
    )
  return mode


def _name(word: str) -> str | None:
  """Returns the name of the flag in a word; None if it is none."""
  return word.lstrip("-").partition("=")[0] if word[:1] == "-" else None


def _split(
  argv: Sequence[str], keyed: Mapping[str, str]
) -> tuple[list[str], dict[str, dict[str, str]]]:
  """Takes --NAME.KEY=VALUE out of the words; `keyed` is NAME -> field."""
  rest, pairs = [], {field: {} for field in keyed.values()}
  words = iter(argv)
  for word in words:
    name, _, key = (_name(word) or "").partition(".")
    if not key or name not in keyed:
      rest.append(word)
      continue
    _, equals, value = word.partition("=")
    value = value if equals else next(words, None)
    if value is None:
      raise UserError(f"{word}: expected a value, {word}=VALUE.")
    pairs[keyed[name]][key] = value
  return rest, pairs


def _plain(mode: type) -> Iterator[dataclasses.Field]:
  return (f for f in dataclasses.fields(mode) if "choices" in f.metadata)


def _keyed(mode: type) -> dict[str, str]:
  fields = dataclasses.fields(mode)
  return {f.metadata["keyed"]: f.name for f in fields if "keyed" in f.metadata}


def _define(mode: type) -> absl.FlagValues:
  """Returns absl's flags of a mode's fields."""
  values = absl.FlagValues()
  define = {
    bool: absl.DEFINE_bool,
    int: absl.DEFINE_integer,
    float: absl.DEFINE_float,
    str: absl.DEFINE_string,
  }
  absl.DEFINE_enum("mode", FIRST, MODES, "What to do.", flag_values=values)
  for field in _plain(mode):
    about = field.metadata
    given = (field.name, field.default)
    if about["choices"]:
      absl.DEFINE_enum(
        *given, about["choices"], about["text"], flag_values=values
      )
      continue
    if field.default is dataclasses.MISSING:
      absl.DEFINE_multi_string(
        field.name, [], about["text"], flag_values=values
      )
      continue
    kind = _kind(field.type)
    bounds = about["bounds"] if kind in (int, float) else {}
    define[kind](*given, about["text"], flag_values=values, **bounds)
  absl.DEFINE_bool("help", False, "Show this.", values, short_name="h")
  return values


def _kind(annotation: object) -> type:
  """Returns `int` for `int | None`."""
  kinds = [k for k in typing.get_args(annotation) if k is not types.NoneType]
  return kinds[0] if kinds else annotation


def _unrecognized(error: absl.UnrecognizedFlagError, mode: str) -> str:
  """Returns whose flag it is, or what has taken its place."""
  name = error.flagname
  if name == "config":
    return (
      f"--mode={mode} takes its config from the workdir; leave --config out."
    )
  if name in GONE:
    return f"--{name} is {GONE[name]} now, of --mode=sample."
  stem = name.partition(".")[0]
  having = [
    other
    for other in MODES
    if any(f.name == name for f in _plain(load(other)))
    or (stem != name and stem in _keyed(load(other)))
  ]
  if having:
    modes = " and ".join(f"--mode={other}" for other in having)
    return f"--{name} is of {modes}; leave it out of --mode={mode}."
  return f"{error} (--help lists the flags)"
