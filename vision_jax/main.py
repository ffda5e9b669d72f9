"""The command: trains, evaluates, predicts and samples.

  python -m vision_jax.main --config=PATH[:VARIANT] --workdir=DIR \
      [--config.KEY=VALUE ...] [--mode=train|eval|predict|sample|show|check]

Values of the config are set by --config.KEY=VALUE. The same command resumes a
run. Bad input ends with exit code 2 and a message, a run that fails for reasons
of its own (not finite, a full disk, out of memory) with 3; any other error is
the program's, keeps its traceback and ends with 1. Imports what it needs only
once it needs it, so that --help answers at once and the allocator is set first.
"""

import contextlib
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence

from vision_jax import signals
from vision_jax.command import flags
from vision_jax.command.environment import prepare
from vision_jax.command.flags import parse
from vision_jax.errors import RunFailure, UserError

MODES = flags.MODES
BAD_INPUT = 2
FAILED = 3


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the command; returns its exit code."""
  argv = list(sys.argv[1:] if argv is None else argv)
  leave = lambda number: signals.leave_at_once(_interrupted(argv, number))
  try:
    with signals.interrupting(leave):
      return _main(argv)
  except signals.Interrupted as error:
    code = _interrupted(argv, error.number)
    if error.at_once:
      signals.leave_at_once(code)
    return code


def _interrupted(argv: Sequence[str], number: int) -> int:
  """Reports a signal that training did not note; returns the exit code."""
  left = "the results are not complete."
  code = 128 + number  # as of a process that the signal has ended
  with contextlib.suppress(UserError):
    mode = parse(argv)
    left = mode.left or left
    if mode.preempted_exit_code is not None:
      code = mode.preempted_exit_code
  name = signal.Signals(number).name
  print(f"{name}: stopped; {left}", file=sys.stderr)
  return code


def _main(argv: Sequence[str]) -> int:
  try:
    if flags.HELP & {*argv}:
      print(f"{__doc__}\n{flags.help_text(argv)}")
      return 0
    mode = parse(argv)
    prepare(tune=mode.cpu_tuning == "auto", cache=mode.compilation_cache)
    from vision_jax.command import session

    return session.run(mode)
  except (UserError, RunFailure) as error:
    if "--traceback" in argv:
      traceback.print_exc()
    print(f"error: {error}", file=sys.stderr)
    if isinstance(error, UserError):
      return BAD_INPUT
    if error.look:
      print(f"To see where: {_again(argv, error.look)}", file=sys.stderr)
    return FAILED


def _again(argv: Sequence[str], flag: str) -> str:
  """Returns the same command with one more flag, for one process."""
  several = re.compile("--?(coordinator|num_processes|process_id)(=|$)")
  words, skip = [], False
  for word in argv:
    drop, skip = skip, False
    if several.match(word):
      drop, skip = True, "=" not in word
    words += [] if drop else [word]
  return shlex.join(["python", "-m", "vision_jax.main", *words, flag])


if __name__ == "__main__":
  sys.exit(main())
