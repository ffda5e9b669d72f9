"""Published weights as a workdir like any other."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

import vision_jax
from vision_jax import paths
from vision_jax.core.seeds import make_key
from vision_jax.core.state import Average, TrainState
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.files import is_remote, replace_text, to_json
from vision_jax.interop import convert, leaves, places, published
from vision_jax.interop.adapt import Adapted, adapt
from vision_jax.interop.files import Opened, open_tensors
from vision_jax.provenance.manifest import append_run, describe_run
from vision_jax.provenance.parts import Parts
from vision_jax.recipe import recipe as recipes
from vision_jax.recipe.recipe import Recipe
from vision_jax.train.checkpoint.checkpoints import Checkpoints

NET = "model"
HUGGING_FACE = "huggingface"
Log = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Given:
  """A published file, and what it is.

  Attributes:
    source: "SOURCE:MODEL", or "huggingface" for what a folder describes.
    path: of the file or folder.
    opened: its tensors.
  """

  source: str
  path: str
  opened: Opened

  @classmethod
  def of(cls, source: str, file: str, *, download: bool = False) -> "Given":
    """Opens a file, of the working folder or that of VISION_JAX_WEIGHTS.

    Args:
      source: what it is.
      file: its name, or a repository's of the Hugging Face hub.
      download: whether a repository may be downloaded.

    Raises:
      UserError: if there is none, or it is damaged.
    """
    path = places.find(file)
    return cls(source, path, open_tensors(path, download=download))

  @property
  def described(self) -> dict[str, Any] | None:
    """A Hugging Face folder's config.json; None of any other source."""
    if self.source != HUGGING_FACE:
      return None
    if self.opened.config is None:
      raise UserError(
        f"--file: {self.path} has no config.json, which says what is in it; "
        "expected a Hugging Face folder. Name the net: --source=SOURCE:MODEL."
      )
    return dict(self.opened.config)

  def about(self) -> dict[str, Any]:
    """Returns what is kept of the file, in imported.json."""
    files = self.opened.files
    return {
      "source": self.source,
      "file": pathlib.Path(self.path).name,
      "sha256": {file.name: _sha256(file) for file in files},
      "bytes": sum(file.stat().st_size for file in files),
      "kind": self.opened.kind,
      "vision_jax": vision_jax.__version__,
    }


def recipe_of(
  given: Given, config: str | None, overrides: Mapping[str, str]
) -> Recipe:
  """Returns the config of a published net.

  Args:
    given: the file.
    config: "PATH:VARIANT"; None for that of the published net.
    overrides: values of the config to change, as text.

  Raises:
    UserError: if there is no such source.
  """
  described = given.described
  _, net = published.find(given.source, described)
  values = {"source": given.source, **net.values}
  if given.opened.files:  # beside them are those of a tokenizer
    values["tokenizer"] = str(given.opened.files[0].resolve().parent)
  if net.num_classes:
    values["num_classes"] = str(net.num_classes)
  if described is not None:
    values["described"] = json.dumps(described)
  config = config or net.config or f"configs/{net.task}/imported.py"
  known = recipes.load(config, resolve=False).config
  values = {name: x for name, x in values.items() if name in known}
  return recipes.load(config, {**values, **overrides})


def import_weights(
  given: Given, recipe: Recipe, workdir: epath.PathLike, *, log: Log
) -> None:
  """Writes a workdir with the weights of a file, at step 0.

  Args:
    given: the file.
    recipe: of `recipe_of`.
    workdir: a folder that is not there yet.
    log: prints a line for the user.

  Raises:
    UserError: if there is such a folder, or the file has not what the net is
      made of.
  """
  place = paths.folder("output", workdir)
  if place.exists() and any(place.iterdir()):
    raise UserError(
      f"--output: {place} exists; expected a folder that is not there yet."
    )
  experiment = recipe.build()
  batch = _batch(recipe)
  adapted = _adapted(given, recipe, experiment, batch)
  state = _state(experiment, batch, adapted, recipe.config.seed)
  with _whole(place) as folder:
    with Checkpoints(folder / "checkpoints", best=None) as checkpoints:
      extra = {"seed": recipe.config.seed}
      checkpoints.save(0, state, extra=extra, donated=False)
      checkpoints.wait()
    append_run(folder, describe_run(Parts(files=recipe.sources)))
    about = to_json(given.about(), indent=2)
    replace_text(folder / "imported.json", about + "\n")
    recipe.keep(folder, batch, start=0, log=log)
  count = sum(x.size for x in jax.tree.leaves(state.params))
  log(f"{given.source}: {count:,} parameters of {given.path}, in {place}.")
  for line in adapted.lines:
    log(f"{line}.")


def _batch(recipe: Recipe) -> dict[str, np.ndarray]:
  """Returns a batch of one image, of what the net is given."""
  config = recipe.config
  size = config.preprocess["size"] if "preprocess" in config else ()
  size = size or config.image_size
  height, width = (size, size) if isinstance(size, int) else size
  return {
    "image": np.zeros((1, height, width, config.channels), np.uint8),
    "label": np.zeros((1,), np.int32),
    "index": np.zeros((1,), np.int32),
    "mask": np.ones((1,), np.float32),
  }


def _adapted(
  given: Given,
  recipe: Recipe,
  experiment: Experiment,
  batch: Mapping[str, np.ndarray],
) -> Adapted:
  """Returns the file's leaves, as the experiment's net has them."""
  layout, net = published.find(given.source, given.described)
  fields = published.fields_of(recipe.config.fields)
  seen = net.preprocess
  size = seen.size or batch["image"].shape[1:3]  # () is any
  theirs = _shapes(net.model(**fields), size, max(len(seen.mean), 1))
  ours = _own_shapes(experiment, batch)
  tensors = given.opened.tensors
  try:
    found = convert.convert(tensors, layout(theirs), theirs, where=given.path)
  except convert.LayoutMismatch as error:
    like = published.most_like(tensors)
    near = f" Its names are most like those of {like}." if like else ""
    raise UserError(
      f"{error} Expected the weights of {given.source}.{near}"
    ) from None
  return adapt(found, ours, where=given.path)


def _shapes(
  model: nn.Module, size: tuple[int, int], channels: int
) -> dict[str, tuple[int, ...]]:
  image = jax.ShapeDtypeStruct((1, *size, channels), jnp.float32)
  return leaves.shapes(leaves.abstract(model, image))


def _own_shapes(
  experiment: Experiment, batch: Mapping[str, np.ndarray]
) -> dict[str, tuple[int, ...]]:
  """Returns those of the experiment's net, of images as its task sees them."""
  make = lambda: experiment.initial_state(make_key(0), batch)
  state = jax.eval_shape(make)
  return leaves.shapes({"params": state.params[NET], **state.stats[NET]})


def _state(
  experiment: Experiment,
  batch: Mapping[str, np.ndarray],
  adapted: Adapted,
  seed: int,
) -> TrainState:
  """Returns the state of a run that has not begun, with the file's leaves."""
  found = leaves.read(adapted.leaves)
  if adapted.new:
    found = leaves.merged(found, _initialised(experiment, batch, adapted, seed))
  params, optimizers = {NET: found.pop("params")}, experiment.optimizers.items()
  stats = {NET: found}
  averaged = lambda nets: {name: nets[name] for name in experiment.ema}
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    key=jax.random.split(make_key(seed))[1],
    params=params,
    stats=stats,
    opt_state={name: tx.init(params[name]) for name, tx in optimizers},
    ema=Average(averaged(params), averaged(stats), jnp.zeros((), jnp.int32)),
    bad_step=jnp.full((), -1, jnp.int32),
  )


def _initialised(
  experiment: Experiment,
  batch: Mapping[str, np.ndarray],
  adapted: Adapted,
  seed: int,
) -> dict[str, jax.Array]:
  """Returns the new leaves alone: what they do not need is not computed."""

  def make():
    state = experiment.initial_state(make_key(seed), batch)
    own = leaves.flat({"params": state.params[NET], **state.stats[NET]})
    return {path: own[path] for path in adapted.new}

  return jax.jit(make)()


def _sha256(file: pathlib.Path) -> str:
  with file.open("rb") as stream:
    return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def _whole(place: epath.Path) -> Iterator[epath.Path]:
  """Gives a folder that becomes `place` once all of it is written."""
  if is_remote(place):
    yield place
    return
  folder = place.parent / f".{place.name}.{os.getpid()}"
  try:
    folder.mkdir(parents=True)
    yield folder
    if place.exists():
      place.rmdir()  # it is empty
    folder.rename(place)
  finally:
    shutil.rmtree(folder, ignore_errors=True)
