"""A program for any batch size, weights inside: model.stablehlo, model.json.

It runs without this package: `jax.export.deserialize(bytes).call(image)` gives
the outputs by their names, with jax of the release that wrote it or a younger
one.
"""

import contextlib
import functools
import pathlib
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax import export as jax_export

from vision_jax.errors import UserError
from vision_jax.export.net import Net, Run, outputs
from vision_jax.export.options import How
from vision_jax.files import replace_text, to_json
from vision_jax.forms import choice

NAME, ABOUT = "model.stablehlo", "model.json"
NEEDS_IMAGES = True
MOST = 2**31 - 2**24  # bytes of a flatbuffer, with room for the program


def write(net: Net, folder: pathlib.Path, how: How) -> None:
  """Writes the program and, beside it, what there is to tell of the net."""
  _check_fits(net)
  program = functools.partial(outputs, net.experiment, net.weights)
  with forms_for(how.platforms):
    exported = jax_export.export(
      jax.jit(lambda *arrays: program(*arrays)), platforms=how.platforms
    )(*_of_any_batch(net.examples))
  (folder / NAME).write_bytes(exported.serialize())
  about = {**net.about, "platforms": [*how.platforms], "jax": jax.__version__}
  replace_text(folder / ABOUT, to_json(about, indent=2) + "\n")


def read(net: Net, folder: pathlib.Path, how: How) -> Run:
  """Returns the program of the file."""
  del net, how
  exported = jax_export.deserialize(bytearray((folder / NAME).read_bytes()))
  return lambda *arrays: jax.device_get(exported.call(*arrays))


@contextlib.contextmanager
def forms_for(platforms: Sequence[str]) -> Iterator[None]:
  """Traces for several platforms XLA's own forms, which each of them knows."""
  with (
    choice.cpu_forms([*platforms] == ["cpu"]),
    # What asks the batch's size, which is not known yet.
    choice.use_forms(dense_gradient="plain", few_images="convolution"),
  ):
    yield


def _of_any_batch(arrays: Sequence[np.ndarray]) -> list[jax.ShapeDtypeStruct]:
  (b,) = jax_export.symbolic_shape("b")
  return [jax.ShapeDtypeStruct((b, *x.shape[1:]), x.dtype) for x in arrays]


def size_of(net: Net) -> int:
  """Returns how many bytes the weights have."""
  return sum(x.nbytes for x in jax.tree.leaves(net.weights))


def _check_fits(net: Net) -> None:
  if (size := size_of(net)) > MOST:
    raise UserError(
      f"--format=stablehlo: the weights have {size / 2**30:.2f} GiB; expected "
      "less than 2, as much as such a file holds. Use --format=safetensors."
    )
