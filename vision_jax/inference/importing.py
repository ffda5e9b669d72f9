"""Published weights as a workdir like any other."""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

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
from vision_jax.files import is_remote, replace_text, to_json, whole_folder
from vision_jax.interop import leaves, places, published
from vision_jax.interop.adapt import Adapted, adapt
from vision_jax.interop.files import Opened, open_tensors
from vision_jax.interop.published_file import File
from vision_jax.provenance.manifest import append_run, describe_run
from vision_jax.provenance.parts import Parts
from vision_jax.recipe import recipe as recipes
from vision_jax.recipe.recipe import Recipe
from vision_jax.train.checkpoint.checkpoints import Checkpoints

NET = "model"
OF_SOURCE = ("source", "described")  # what --source and --file say
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
    if self.source != published.HUGGING_FACE:
      return None
    if self.opened.described is None:
      raise UserError(
        f"--file: {self.path} has no config.json, which says what is in it; "
        "expected a Hugging Face folder. Name the net: --source=SOURCE:MODEL."
      )
    return self.opened.described

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
    UserError: if there is no such source, or the config is of no such net.
  """
  if extra := [name for name in OF_SOURCE if name in overrides]:
    raise UserError(
      f"--config.{extra[0]} is what --source says in --mode=import; leave it "
      "out."
    )
  described = given.described
  _, net = published.find(given.source, described)
  values = {"source": given.source, **net.values}
  if given.opened.files:  # beside them are those of a tokenizer
    values["tokenizer"] = str(given.opened.files[0].resolve().parent)
  if net.num_classes:
    values["num_classes"] = str(net.num_classes)
  if described is not None:
    values["described"] = json.dumps(described)
  known = recipes.load(config or _usual(net), resolve=False).config
  if config:
    _check_task(config, known, net)
  values = {name: x for name, x in values.items() if name in known}
  return recipes.load(config or _usual(net), {**values, **overrides})


def _check_task(
  config: str, known: Mapping[str, Any], net: published.Published
) -> None:
  """Refuses a config that a user names, whose nets do other things."""
  source, usual = known.get("source", ""), _usual(net)
  folder = lambda path: pathlib.PurePath(path).parent
  other = source and folder(_usual(published.find(source)[1])) != folder(usual)
  ends = lambda path: pathlib.PurePath(path.partition(":")[0]).parts[-2:]
  if ("source" in known and not other) or ends(config) == ends(usual):
    return
  what = published.find(source)[1].task if source else "no published net"
  raise UserError(
    f"--config: {config} is of {what}; expected one of {net.task}, such as "
    f"{usual}, or none, which takes that."
  )


def _usual(net: published.Published) -> str:
  return net.config or f"configs/{net.task}/imported.py"


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
  with _made(place) as folder:
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
  differs = published.find(given.source, given.described)[1].differs
  for line in filter(None, (*adapted.lines, differs)):
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
  read = File(given.opened.tensors, layout, net, given.path)
  found = read(
    published.fields_of(recipe.config.get("fields", "")),
    recipe.config.get("num_classes", net.num_classes),
    batch["image"].shape[1:3],
  )
  ours = _own_shapes(experiment, batch)
  return adapt(found, ours, where=given.path, headless=not net.num_classes)


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


def _made(
  place: epath.Path,
) -> contextlib.AbstractContextManager[epath.Path]:
  """Gives a folder that becomes `place` once all of it is written."""
  if is_remote(place):
    return contextlib.nullcontext(place)
  return whole_folder(place)
