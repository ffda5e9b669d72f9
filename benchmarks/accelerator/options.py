"""What the user asks for."""

import argparse
import dataclasses
import difflib
import pathlib
from collections.abc import Sequence

from benchmarks import environment
from benchmarks.accelerator.plan import SIZES, STAGES
from benchmarks.duration import read_budget
from vision_jax import tuning
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Options:
  """The command's flags, checked.

  Attributes:
    output: folder of the results.
    budget: seconds, of this call.
    stages: names of STAGES, in their order.
    size: one of SIZES.
    data_dir: folder of prepared data sets; "" for VISION_JAX_DATA.
    xla_flags: added to XLA_FLAGS.
  """

  output: pathlib.Path
  budget: float
  stages: tuple[str, ...]
  size: str = "full"
  data_dir: str = ""
  xla_flags: str = ""


def parse(argv: Sequence[str] | None) -> Options:
  """Reads the flags.

  Raises:
    UserError: for a budget, stage or flag that there is not, or too short a
      budget.
  """
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.accelerator",
    allow_abbrev=False,
    description="Measures this machine's accelerator. The same command goes "
    "on where it stopped.",
  )
  parser.add_argument("--output", required=True, help="folder of the results")
  parser.add_argument(
    "--budget", default="25m", help="time of this call: 90s, 25m, 1h"
  )
  parser.add_argument(
    "--stages",
    default=",".join(STAGES),
    help=f"some of {', '.join(STAGES)}",
  )
  parser.add_argument(
    "--size",
    default="full",
    choices=tuple(SIZES),
    help="tiny tries the script out, on a CPU too; its speeds mean nothing",
  )
  parser.add_argument(
    "--data_dir", default="", help="folder with a prepared cifar10"
  )
  parser.add_argument(
    "--xla_flags", default="", help="added to XLA_FLAGS of what is measured"
  )
  given = vars(parser.parse_args(argv))
  check_flags(given["xla_flags"])
  stages = read_stages(given["stages"])
  budget = read_budget(given["budget"])
  least = SIZES[given["size"]][STAGES[0]]
  if STAGES[0] in stages and budget < least:
    raise UserError(
      f"--budget: got {given['budget']!r}; expected {least:g}s or more, which "
      f"is what the stage {STAGES[0]} takes. Give it that, or leave it out: "
      f"--stages={','.join(STAGES[1:])}."
    )
  own = {"output": pathlib.Path(given["output"]), "budget": budget}
  return Options(**(given | own | {"stages": stages}))


def check_flags(text: str) -> None:
  """Refuses flags that the installed XLA does not know: it ends at one.

  Raises:
    UserError: with those that it does not know.
  """
  names = [word.partition("=")[0] for word in text.split()]
  unknown = [name for name in names if not name.startswith("--")]
  if unknown := unknown or tuning.unknown_options(names):
    raise UserError(
      f"--xla_flags: got {' '.join(unknown)}; expected --NAME=VALUE, flags "
      f"that the XLA of jaxlib {environment.versions()['jaxlib']} has. Correct "
      "the name, or install the jax that has it."
    )


def read_stages(text: str) -> tuple[str, ...]:
  """Returns the stages named, in the order in which they run.

  Raises:
    UserError: for one that there is not, with the nearest.
  """
  names = [name.strip() for name in text.split(",") if name.strip()]
  for name in names:
    if name not in STAGES:
      near = difflib.get_close_matches(name, STAGES, 1, 0.0)[0]
      raise UserError(
        f"--stages: got {name!r}; did you mean {near!r}? Expected some of "
        f"{', '.join(STAGES)}."
      )
  if not names:
    raise UserError(
      f"--stages: got none; expected some of {', '.join(STAGES)}."
    )
  return tuple(name for name in STAGES if name in names)
