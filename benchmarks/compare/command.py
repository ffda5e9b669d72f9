"""Our models beside the same of others, on this machine.

  python -m benchmarks.compare --models=resnet50,vit_s16,unet \
      --with=torch,torch.compile,timm,transformers --output=OUT
  python -m benchmarks.compare --models=vit_s16 --big_vision=PATH --scenic=PATH

A training step and a forward pass, of the same published net with as many
parameters: by torch (eager, channels last; compiled), timm, transformers and
onnxruntime, and by checkouts of big_vision and scenic. What is not installed is
a line that says so. Everybody has a process of its own in each turn, and turns
alternate. What is measured in --output is not measured again. Writes compare.md
and compare.jsonl.
"""

import argparse
import pathlib
import shlex
import sys
from collections.abc import Iterator, Sequence

from benchmarks.accelerator.journal import Journal
from benchmarks.compare import table, turns
from benchmarks.compare.models import (
  INSTALLED,
  MODELS,
  MODES,
  PEERS,
  Case,
  check_checkout,
  missing,
)
from benchmarks.report import tables
from vision_jax.core.checks import check_name
from vision_jax.errors import UserError
from vision_jax.files import replace_text

CHECKOUTS = tuple(name for name in PEERS if name not in INSTALLED)
DTYPES = ("float32", "bfloat16")
# Of a step in a turn, and turns.
SIZES = {"full": (4.0, 5), "tiny": (0.1, 2)}


def main(argv: Sequence[str] | None = None) -> int:
  """Measures what `argv` asks for; returns the exit code, 1 for a failure."""
  parser = _parser()
  asked = parser.parse_args(argv)
  words = sys.argv[1:] if argv is None else argv
  kept = [word for word in words if not word.startswith("--output")]
  command = shlex.join(["python", "-m", "benchmarks.compare", *kept])
  try:
    check(asked)
    head = turns.head(command)
    output = pathlib.Path(asked.output)
    plan = planned(asked, head["platform"])
    journal = Journal(output, "compare.jsonl", turns.SAME)
    journal.begin(head)
  except UserError as error:
    parser.error(str(error))
  turns.run(plan, journal)
  rows = [*journal.rows.values()]
  replace_text(output / "compare.md", table.page(journal.head, rows))
  print(f"\n{tables.plain(table.COLUMNS, table.lines(rows))}\n\n{table.LEGEND}")
  print(f"\nreport: {output / 'compare.md'}", flush=True)
  return int(turns.failed(rows))


def check(asked: argparse.Namespace) -> None:
  """Refuses what cannot be compared, and completes whom it is compared with.

  Raises:
    UserError: naming the flag.
  """
  for name in asked.models:
    check_name("--models", name, MODELS)
  for name in asked.modes:
    check_name("--modes", name, MODES)
  for name in asked.peers or ():
    check_name("--with", name, PEERS)
  for name in ("batch_size", "image_size", "turns"):
    if (got := getattr(asked, name)) is not None and got < 1:
      raise UserError(f"--{name}: got {got}; expected 1 or more.")
  if asked.seconds is not None and not asked.seconds > 0:
    raise UserError(f"--seconds: got {asked.seconds}; expected more than 0.")
  checkouts = [name for name in CHECKOUTS if getattr(asked, name)]
  for name in checkouts:
    check_checkout(name, getattr(asked, name))
  for name in asked.peers or ():
    if name in CHECKOUTS and name not in checkouts:
      raise UserError(f"--with: {name} is a checkout; expected --{name}=PATH.")
  given = INSTALLED if asked.peers is None else asked.peers
  asked.peers = [*dict.fromkeys([*given, *checkouts])]
  why = [f"{name}: {missing(name)}" for name in asked.peers if missing(name)]
  if len(why) == len(asked.peers):
    raise UserError(
      f"--with: nobody of these is here ({'; '.join(why) or 'none given'}); "
      "expected at least one, such as torch: pip install torch."
    )


def planned(asked: argparse.Namespace, platform: str) -> turns.Plan:
  """Returns what is measured.

  Raises:
    UserError: for a size of images that a model does not take.
  """
  seconds, count = SIZES[asked.size]
  return turns.Plan(
    cases=[*cases(asked, platform)],
    peers=asked.peers,
    checkouts={
      name: str(pathlib.Path(getattr(asked, name)).absolute())
      for name in CHECKOUTS
      if getattr(asked, name)
    },
    turns=asked.turns or count,
    seconds=asked.seconds or seconds,
    output=pathlib.Path(asked.output),
    platform=platform,
  )


def cases(asked: argparse.Namespace, platform: str) -> Iterator[Case]:
  """Yields each model with its modes and sizes.

  Raises:
    UserError: for a size of images that a model does not take.
  """
  import jax

  from vision_jax.models import count, listing

  # Here parameters are counted; a card is for those that are timed.
  jax.config.update("jax_platforms", "cpu")
  tiny, on_cpu = asked.size == "tiny", platform == "cpu"
  dtype = asked.dtype or ("float32" if on_cpu or tiny else "bfloat16")
  for name in asked.models:
    known, entry = MODELS[name], listing.find(name)
    own = known.cpu if on_cpu else known.accelerator
    size = asked.batch_size or (2 if tiny else own)
    side = asked.image_size or (known.tiny if tiny else entry.image[0])
    parameters = count.parameters(entry.make(), entry.shape(1, side))
    for mode in asked.modes:
      yield Case(name, mode, size, side, dtype, parameters)


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.compare", description=__doc__, allow_abbrev=False
  )
  names = lambda text: [name for name in text.split(",") if name]
  models = ["resnet50", "vit_s16", "unet"]
  add = parser.add_argument
  add("--models", type=names, default=models, help=", ".join(MODELS))
  add("--with", dest="peers", type=names, help=", ".join(INSTALLED))
  for name in CHECKOUTS:
    add(f"--{name}", default="", metavar="PATH", help="its checkout")
  add("--modes", type=names, default=[*MODES], help=", ".join(MODES))
  add("--batch_size", type=int, help="each model's own, where not given")
  add("--image_size", type=int, help="the published one, where not given")
  add("--dtype", choices=DTYPES, help="bfloat16 but on a CPU")
  add("--turns", "--pairs", type=int, help="5; of a tiny size 2")
  add("--seconds", type=float, help="of a step in a turn: 4")
  add("--size", choices=tuple(SIZES), default="full", help="tiny tries it out")
  add("--output", default="out/compare")
  return parser
