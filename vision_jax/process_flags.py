"""Flags of the process that a command runs in: the others, XLA, the devices."""

import functools

from absl import flags

CACHE = "~/.cache/vision_jax/xla"


def define_process_flags(values: flags.FlagValues) -> None:
  """Adds the flags to those of the command."""
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
    "coordinator",
    None,
    "Several hosts: HOST:PORT of process 0; found automatically on TPU pods "
    "and under SLURM.",
  )
  number("num_processes", None, "Several hosts: how many.")
  number("process_id", None, "Several hosts: which one this is.")
  decimal("connect_timeout", 300.0, "Several hosts: seconds to wait for them.")
  choice(
    "cpu_tuning",
    "auto",
    ("auto", "off"),
    "On a CPU: set the allocator, XLA's option for convolutional nets (jax "
    "0.10) and the models' fast forms.",
  )
  choice(
    "gpu_tuning",
    "auto",
    ("auto", "off"),
    "On GPUs: take 92 % of the memory, and with several of them let XLA hide "
    "what they wait for each other; where the environment does not say.",
  )
  switch(
    "deterministic",
    False,
    "On GPUs: only operations that give the same numbers every time, which are "
    "slower; a run that was stopped then goes on to the same weights.",
  )
  text(
    "compilation_cache",
    CACHE,
    "Folder of compiled programs, or off; JAX_COMPILATION_CACHE_DIR goes "
    "first.",
  )
