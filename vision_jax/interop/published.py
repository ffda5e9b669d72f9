"""What others have published, found by the name of its source and model."""

import dataclasses
import difflib
import functools
import importlib
import json
import pathlib
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import flax.linen as nn

from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop import preprocessor_json
from vision_jax.interop.readers.folder import PREPROCESSOR
from vision_jax.interop.rules import Rules, Shapes

Layout = Callable[[Shapes], Rules]
HUGGING_FACE = "huggingface"  # a source whose folders describe their nets


@dataclasses.dataclass(frozen=True)
class Published:
  """A net as somebody has published it.

  Attributes:
    model: (**fields) -> the module, with the published number of classes.
    layout: how its files name what is in them; a key of the family's LAYOUTS.
    preprocess: what its images go through.
    task: what it does: "classification", "detection", "segmentation",
      "restoration", "features", "diffusion", "autoencoding".
    class_names: in the order of its classes; () where they are not known.
    differs: what is not as the source has it; "" for nothing.
    config: the config of a workdir that has it; "" is configs/TASK/imported.py.
    values: what of that config's values is not its default, as text.
  """

  model: Callable[..., nn.Module]
  layout: str
  preprocess: Preprocess
  task: str = "classification"
  class_names: tuple[str, ...] = ()
  differs: str = ""
  config: str = ""
  values: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @property
  def num_classes(self) -> int:
    """The published number of classes; 0 of a net without any."""
    return getattr(self.model(), "num_classes", 0)

  def build(self, fields: Mapping[str, Any]) -> nn.Module:
    """Returns the module with fields that a user gives.

    Raises:
      UserError: if it has no such field.
    """
    try:
      return self.model(**fields)
    except TypeError as error:
      raise UserError(
        f"fields of a model: {error}; expected fields of "
        f"{type(self.model()).__name__}."
      ) from error


@functools.cache
def families() -> Mapping[str, types.ModuleType]:
  """Returns the families: name of the file -> the module."""
  folder = pathlib.Path(__file__).parent / "families"
  return {
    file.stem: importlib.import_module(
      f"vision_jax.interop.families.{file.stem}"
    )
    for file in sorted(folder.glob("[!_]*.py"))
  }


@functools.cache
def layouts() -> Mapping[str, Layout]:
  """Returns all layouts, by "FAMILY/SOURCE"."""
  return {
    f"{family}/{name}": layout
    for family, module in families().items()
    for name, layout in module.LAYOUTS.items()
  }


@functools.cache
def sources() -> Mapping[str, tuple[str, Published]]:
  """Returns all published nets by "SOURCE:MODEL", each with its family."""
  return dict(_sources())


def _sources() -> Iterator[tuple[str, tuple[str, Published]]]:
  for family, module in families().items():
    for name, published in module.PUBLISHED.items():
      yield name, (family, published)


def find(
  source: str, config: Mapping[str, Any] | None = None
) -> tuple[Layout, Published]:
  """Returns how the files of a source name what is in them, and the net.

  Args:
    source: "SOURCE:MODEL", or "huggingface" with a config.
    config: of a Hugging Face folder, what `Opened.described` has of it.

  Raises:
    UserError: if there is none; says what is nearest.
  """
  if config is not None:
    return _of_config(config)
  if source == HUGGING_FACE:
    raise UserError(
      "--source=huggingface is a folder whose config.json says what is in it; "
      "got none. Name the net: --source=SOURCE:MODEL."
    )
  if source not in sources():
    near = difflib.get_close_matches(source, sources(), 3, 0.3)
    raise UserError(
      f"--source: got {source!r}; expected SOURCE:MODEL, such as "
      f"{', '.join(near) or 'torchvision:resnet50'}, or huggingface for a "
      "folder with a config.json."
    )
  family, published = sources()[source]
  return families()[family].LAYOUTS[published.layout], published


def fields_of(text: str) -> dict[str, Any]:
  """Returns fields of a model that are given as a JSON object; "" is none.

  Raises:
    UserError: if it is none.
  """
  try:
    fields = json.loads(text or "{}")
    items = fields.items()
  except (ValueError, AttributeError):
    raise UserError(
      f"--config.fields: got {text!r:.200}; expected a JSON object, such as "
      '{"drop_path": 0.1}.'
    ) from None
  if "num_classes" in fields:
    raise UserError(
      "--config.fields: got num_classes, which is a key of its own; expected "
      f"--config.num_classes={fields['num_classes']}."
    )
  return {k: tuple(x) if isinstance(x, list) else x for k, x in items}


def _of_config(config: Mapping[str, Any]) -> tuple[Layout, Published]:
  for module in families().values():
    read = getattr(module, "from_config", None)
    published = read and read(config)
    if published:
      images = preprocessor_json.read(
        config.get(PREPROCESSOR) or {}, published.preprocess
      )
      net = dataclasses.replace(published, preprocess=images)
      return module.LAYOUTS[net.layout], net
  if name := config.get("architecture"):
    raise UserError(
      f"config.json: it is timm's {name}; expected one of transformers. Name "
      f"the net: --source=timm:{name}."
    )
  kinds = config.get("architectures") or config.get("model_type")
  raise UserError(
    f"config.json: it is of {kinds}, which is none of the families here: "
    f"{', '.join(families())}."
  )


def most_like(names: Iterable[str]) -> str:
  """Returns the layout that knows most of a file's names, "FAMILY/SOURCE".

  "" where none knows half of them.
  """
  names, best = list(names), ("", 0.5)
  for layout, rules in layouts().items():
    try:
      found = rules({})
    except (LookupError, ValueError):  # of names that follow from our leaves
      continue
    known = sum(any(r.paths(n) for r in found) for n in names)
    if names and known / len(names) > best[1]:
      best = (layout, known / len(names))
  return best[0]
