"""How a net is exported, besides the format."""

import dataclasses
from collections.abc import Callable, Sequence

import jax

from vision_jax.core.checks import check_name
from vision_jax.errors import UserError
from vision_jax.export import PLATFORMS

UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class How:
  """What a user may choose.

  Attributes:
    platforms: what a StableHLO program runs on.
    license: of a Hugging Face folder, an identifier such as apache-2.0.
    name: of the net, in the model card.
    log: prints a line for the user.
  """

  platforms: Sequence[str] = ("cpu", "cuda", "tpu")
  license: str = UNKNOWN
  name: str = "net"
  log: Callable[[str], None] = print


def read_platforms(text: str) -> tuple[str, ...]:
  """Returns the platforms of "cpu,cuda,tpu".

  Raises:
    UserError: for others, or if this machine's is missing.
  """
  names = tuple(dict.fromkeys(x for x in text.split(",") if x))
  for name in names:
    check_name("--platforms", name, PLATFORMS)
  here = jax.default_backend()
  own = ("cuda", "rocm") if here == "gpu" else (here,)
  if not {*names} & {*own}:
    raise UserError(
      f"--platforms: got {text!r}; expected this machine's, {own[0]}, among "
      "them, on which the file is run to be compared."
    )
  return names
