"""Runs that fail: what jax reports of them, and its switches."""

import contextlib
import dataclasses
import re
import traceback
from collections.abc import Iterator, Mapping

import jax

from vision_jax.debugging import blame
from vision_jax.errors import RunFailure, UserError


@dataclasses.dataclass(frozen=True)
class Debug:
  """What --debug asks for.

  Attributes:
    nojit: do every operation by itself.
    nans: stop at the operation that gives NaN.
    step: the step to look into, counted from 1; None for none.
  """

  nojit: bool = False
  nans: bool = False
  step: int | None = None


def parse(text: str) -> Debug:
  """Reads "nojit,nans" or "step:N".

  Raises:
    UserError: if it is something else.
  """
  given = {}
  for word in filter(None, text.split(",")):
    name, _, number = word.partition(":")
    if word in ("nojit", "nans"):
      given[word] = True
    elif name == "step" and number.isdigit() and int(number):
      given["step"] = int(number)
    else:
      raise UserError(
        f"--debug: got {word!r}; expected nojit, nans or step:N with a step "
        "from 1 on, separated by commas."
      )
  return Debug(**given)


def switch(debug: Debug, execution: str) -> None:
  """Turns on what lasts for the whole process.

  Raises:
    UserError: where jax cannot do without jit.
  """
  if debug.nojit:
    jax.config.update("jax_disable_jit", True)
  if jax.config.jax_disable_jit and execution == "pmap":
    raise UserError(
      "--debug=nojit (or JAX_DISABLE_JIT): jax maps over devices in compiled "
      "programs only; got --execution=pmap, expected jit, which computes the "
      "same numbers."
    )
  if debug.nans:
    jax.config.update("jax_debug_nans", True)


@contextlib.contextmanager
def failures(values: Mapping[str, object]) -> Iterator[None]:
  """Reports for a run what jax reports for an operation.

  Args:
    values: the config's values.

  Raises:
    RunFailure: if it is not finite (under jax's switch), or does not fit the
      devices, with what can be done about it.
  """
  try:
    yield
  except FloatingPointError as error:
    if not (found := _explain(error)):
      raise
    raise RunFailure(f"Not finite: {found}") from error
  except jax.errors.JaxRuntimeError as error:
    if not str(error).startswith("RESOURCE_EXHAUSTED"):
      raise
    size, parts = values["batch_size"], values["accumulate"]
    remat = values.get("remat")
    raise RunFailure(
      f"Out of device memory, with batch_size {size}, accumulate {parts} and "
      + ("no remat" if remat is None else f"remat {remat}")
      + ". Use a smaller --config.batch_size, or split each batch by "
      f"--config.accumulate={2 * parts}"
      + (", or --config.remat=blocks" if remat == "none" else "")
      + f", or more devices. ({str(error).splitlines()[0]:.200})"
    ) from error


def _explain(error: FloatingPointError) -> str | None:
  """Returns which operation of ours gave NaN; None if jax has not found it."""
  found = re.search(r"\((\w+)\) encountered in ([\w\-]+)", str(error))
  if not found:
    return None
  frames = traceback.extract_tb(error.__traceback__)
  where = blame.place((f.filename, f.lineno, f.name) for f in frames[::-1])
  return f"{found[1]} comes out of `{found[2]}`\n  at {where}"
