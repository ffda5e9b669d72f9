"""The net as ONNX, of any batch size, weights inside: model.onnx, model.json.

Checked with onnxruntime. Images are (b, h, w, c), as everywhere here.
"""

import contextlib
import functools
import importlib
import logging
import pathlib
import types
import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.errors import UserError
from vision_jax.export.net import GIVEN, Net, Run, outputs
from vision_jax.export.options import How
from vision_jax.export.stablehlo import MOST, size_of
from vision_jax.files import replace_text, to_json
from vision_jax.forms import choice

NAME, ABOUT = "model.onnx", "model.json"
NEEDS_IMAGES = True
INSTALL = (
  "Install what it takes: pip install 'vision_jax[onnx]', and "
  "pip install --no-deps jax2onnx (without its dependencies, as it asks for a "
  "release of orbax-checkpoint that is older than ours, and does not use it)."
)


def write(net: Net, folder: pathlib.Path, how: How) -> None:
  """Writes the graph and, beside it, what there is to tell of the net.

  Raises:
    UserError: if a package is missing, or an operation of the net has no place
      in ONNX.
  """
  del how
  with _quiet(), _as_they_were(jax, jnp, jax.lax, jax.nn):
    convert, onnx = _package("jax2onnx").to_onnx, _package("onnx")
  _package("onnxruntime")
  if size_of(net) > MOST:
    raise UserError(
      "--format=onnx: the weights have 2 GiB or more; expected less, as much "
      "as such a file holds. Use --format=safetensors."
    )
  names = GIVEN[: len(net.examples)]
  program = functools.partial(outputs, net.experiment, net.weights)
  # Of flax's pooling the converter forgets the padding.
  shifts = choice.use_forms(pool_shifts="shifts")
  restored = _as_they_were(jax, jnp, jax.lax, jax.nn)
  with choice.cpu_forms(False), shifts, _quiet(), restored:
    try:
      model = convert(
        lambda *arrays: tuple(program(*arrays).values()),
        [jax.ShapeDtypeStruct(("b", *x.shape[1:]), x.dtype)
         for x in net.examples],
        model_name=net.about["model"],
        input_names=names,
        output_names=[*net.live],
      )  # fmt: skip
    except NotImplementedError as error:
      raise UserError(
        f"--format=onnx: {net.about['model']} has what jax2onnx cannot write "
        f"({error}); use --format=stablehlo."
      ) from error
  onnx.helper.set_model_props(
    model, {name: to_json(value) for name, value in net.about.items()}
  )
  onnx.checker.check_model(model)
  onnx.save(model, folder / NAME)
  replace_text(folder / ABOUT, to_json(net.about, indent=2) + "\n")


def read(net: Net, folder: pathlib.Path, how: How) -> Run:
  """Returns the graph of the file, run by onnxruntime."""
  del how
  runtime = _package("onnxruntime")
  session = runtime.InferenceSession(
    folder / NAME, providers=["CPUExecutionProvider"]
  )
  names = [x.name for x in session.get_outputs()]
  inputs = [x.name for x in session.get_inputs()]

  def run(*arrays: np.ndarray) -> dict[str, np.ndarray]:
    given = dict(zip(GIVEN, arrays, strict=False))
    found = session.run(names, {name: given[name] for name in inputs})
    return dict(zip(names, found, strict=True))

  return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps the converter's notes on itself from the user."""
  loggers = [logging.getLogger(name) for name in ("jax2onnx", "onnx_ir")]
  before = [logger.level for logger in loggers]
  for logger in loggers:
    logger.setLevel(logging.CRITICAL)
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")  # of types that it asks for and drops
      yield
  finally:
    for logger, level in zip(loggers, before, strict=True):
      logger.setLevel(level)


@contextlib.contextmanager
def _as_they_were(*modules: types.ModuleType) -> Iterator[None]:
  """Gives modules back what they had: the converter leaves its own `cumsum`.

  That takes no axis by position, so that other code of the process would fail.
  """
  before = [dict(vars(module)) for module in modules]
  try:
    yield
  finally:
    for module, names in zip(modules, before, strict=True):
      for name, value in names.items():
        if vars(module).get(name) is not value:
          setattr(module, name, value)


def _package(name: str) -> types.ModuleType:
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise UserError(f"--format=onnx: {error}. {INSTALL}") from error
