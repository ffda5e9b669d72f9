"""The command: trains, evaluates, predicts and samples.

  python -m vision_jax.main --config=PATH[:VARIANT] --workdir=DIR \
      [--config.KEY=VALUE ...] [--mode=train|eval|predict|sample|show]

Values of the config are set by --config.KEY=VALUE. The same command resumes a
run. Bad input ends with exit code 2 and a message, a run that fails for reasons
of its own (not finite, a full disk, out of memory) with 3; any other error is
the program's, keeps its traceback and ends with 1. Imports what it needs only
once it needs it, so that --help answers at once and the allocator is set first.
"""

import contextlib
import functools
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence

from absl import flags

from vision_jax import paths, signals, tuning
from vision_jax.errors import RunFailure, UserError
from vision_jax.process_flags import CACHE, define_process_flags

MODES = ("train", "eval", "predict", "sample", "show")
EXECUTIONS = ("jit", "fsdp", "pmap")
BAD_INPUT = 2
FAILED = 3
PATHS = ("workdir", "images", "output", "init_from")


def define_flags() -> flags.FlagValues:
  """Returns the flags of the command."""
  values = flags.FlagValues()
  text, number, decimal, choice, switch = (
    functools.partial(define, flag_values=values)
    for define in (
      flags.DEFINE_string,
      flags.DEFINE_integer,
      flags.DEFINE_float,
      flags.DEFINE_enum,
      flags.DEFINE_bool,
    )
  )
  text(
    "config",
    None,
    "Config file, PATH or PATH:VARIANT (ours have :tiny); by default that in "
    "the workdir. --mode=show prints its values and what gave each.",
  )
  text(
    "workdir",
    None,
    "Folder of the run: config, checkpoints, metrics; may be on an object "
    "store (gs://...).",
  )
  choice("mode", "train", MODES, "What to do.")
  choice(
    "execution",
    "jit",
    EXECUTIONS,
    "jit: data parallel over a mesh; fsdp: the state is sharded too; pmap: "
    "data parallel by jax.pmap.",
  )
  text("mesh", "", "Such as data:2,fsdp:4; all devices by default.")
  text("images", None, "Predict: folder of images.")
  text("output", None, "Predict, sample: folder of the results.")
  number("num_samples", 64, "Sample: how many images.", lower_bound=1)
  number("label", None, "Sample: class of all images; in turn by default.")
  text("sampler", None, "Sample: such as ddim; the config's by default.")
  number("steps", None, "Sample: steps of the sampler.", lower_bound=1)
  decimal("guidance", None, "Sample: scale of classifier-free guidance.")
  decimal("eta", None, "Sample: noise of ddim, 0 (none) to 1 (DDPM).")
  number(
    "interpolate",
    None,
    "Sample: images in a row, from one draw of a VAE's or GAN's z to the next.",
  )
  number("seed", 0, "Sample: of the noise.")
  text("checkpoint", "latest", "Not train: latest, best or a step.")
  choice(
    "weights",
    None,
    ("raw", "ema"),
    "Not train: which weights; by default eval measures those that the config "
    "says, predict and sample take those that `best` is chosen by; without a "
    "best the averaged ones if they are evaluated, else raw.",
  )
  text(
    "init_from",
    None,
    "Train: begin with the weights of this workdir, checkpoint or .safetensors "
    "file.",
  )
  text("profile", None, "Train: FIRST:LAST steps to trace into the workdir.")
  text("wandb", None, "Train: Weights & Biases project to log to.")
  number(
    "preempted_exit_code",
    0,
    "Exit code after SIGTERM, for schedulers that take 0 as done.",
    lower_bound=0,
    upper_bound=255,
  )
  define_process_flags(values)
  text(
    "debug",
    "",
    "Train: nojit runs every operation by itself, nans stops at the operation "
    "that gives NaN, step:N goes back to the last checkpoint, trains up to "
    "step N and does that one without jit, to find what is not finite; that "
    "writes nothing. Separated by commas.",
  )
  switch(
    "trust_workdir",
    False,
    "Run the workdir's config.py although no training of this user has written "
    "it.",
  )
  number(
    "max_pixels",
    178_956_970,
    "Larger pictures and masks are refused, as a small file may unpack to all "
    "of the memory.",
    lower_bound=1,
  )
  switch("traceback", False, "Show an error's traceback.")
  switch("help", False, "Show this.", short_name="h")
  return values


def parse(argv: Sequence[str]) -> tuple[flags.FlagValues, dict[str, str]]:
  """Reads the command line into flags and overrides of the config.

  Raises:
    UserError: for what is no flag, or a flag that needs another.
  """
  values, overrides, rest = define_flags(), {}, []
  arguments = iter(argv)
  for argument in arguments:
    name, equals, value = argument.lstrip("-").partition("=")
    if argument.startswith("--config.") or argument.startswith("-config."):
      if not equals:
        value = next(arguments, None)
      if value is None:
        raise UserError(f"{argument}: expected a value, {argument}=VALUE.")
      overrides[name.removeprefix("config.")] = value
    else:
      rest.append(argument)
  try:
    left = values(["main", *rest])[1:]
  except flags.Error as error:
    raise UserError(f"{error} (--help lists the flags)") from None
  if left:
    raise UserError(f"{left[0]!r} is no flag; expected --name=value.")
  if not values.help:
    _check(values)
    _make_absolute(values)
  return values, overrides


def _make_absolute(values: flags.FlagValues) -> None:
  """Makes every local path independent of the working folder."""
  for name in PATHS:
    if values[name].value:
      values[name].value = paths.absolute(values[name].value)
  paths.check_no_glob("workdir", values.workdir or "")
  paths.check_no_glob("init_from", values.init_from or "")


def _check(values: flags.FlagValues) -> None:
  shown = values.mode == "show" and values.config
  if not values.workdir and not shown:
    raise UserError("--workdir is missing; expected a folder for the run.")
  if values.mode == "predict" and not (values.images and values.output):
    raise UserError("--mode=predict needs --images=FOLDER and --output=FOLDER.")
  if values.mode == "sample" and not values.output:
    raise UserError("--mode=sample needs --output=FOLDER.")
  if values.mode not in ("train", "show") and values.config:
    raise UserError(
      f"--mode={values.mode} takes its config from the workdir; leave --config "
      "out."
    )
  several = (values.coordinator, values.num_processes, values.process_id)
  alone = several == (None, 1, None)  # though it looks like one of several
  if any(v is not None for v in several) and None in several and not alone:
    raise UserError(
      "--coordinator, --num_processes and --process_id go together; got "
      f"{several}."
    )


def run(values: flags.FlagValues, overrides: dict[str, str]) -> int:
  """Does what the flags say; returns the exit code."""
  if values.cpu_tuning == "auto":
    tuning.tune_allocator()
  else:
    os.environ["VISION_JAX_CPU_FORMS"] = "off"
  _set_cache(values.compilation_cache)
  from vision_jax import command

  return command.run(values, overrides)


def _set_cache(folder: str) -> None:
  """Names the folder of compiled programs, unless the user already has."""
  if folder == "off" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
    return
  if folder == CACHE and os.path.expanduser(folder) == folder:
    return  # a user without a home folder: nothing is kept
  os.environ["JAX_COMPILATION_CACHE_DIR"] = paths.absolute(folder)
  os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")


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
  """Tells of a signal that training did not note; returns the exit code."""
  left = "the results are not complete."
  code = 128 + number  # as of a process that the signal has ended
  with contextlib.suppress(UserError):
    values, _ = parse(argv)
    if values.mode == "train":
      left = "there was nothing to save, and the same command goes on."
    if values["preempted_exit_code"].present:
      code = values.preempted_exit_code
  name = signal.Signals(number).name
  print(f"{name}: stopped; {left}", file=sys.stderr)
  return code


def _main(argv: Sequence[str]) -> int:
  try:
    values, overrides = parse(argv)
    if values.help:
      print(__doc__ + "\n" + values.get_help())
      return 0
    return run(values, overrides)
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
