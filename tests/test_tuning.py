"""The allocator's and XLA's settings: set for a CPU, left where a user has."""

import os
import subprocess
import sys

import pytest

from tests.programs.command import (
  BLOBS,
  PATIENCE,
  ROOT,
  call,
  finish,
  spawn,
)
from vision_jax import tuning
from vision_jax.command import process
from vision_jax.command.environment import CACHE, set_cache
from vision_jax.command.flags import parse
from vision_jax.command.modes.train import Mode
from vision_jax.errors import UserError

OPTION = "--xla_cpu_experimental_ynn_fusion_type"
SET = f"{OPTION}=individual_dot,reduce"


@pytest.fixture
def environment(monkeypatch):
  """(version of jaxlib, variables): puts the process on a CPU with these."""

  def put(version="0.10.2", **variables):
    for name in [*os.environ]:
      if name.startswith("MALLOC_") or name == "XLA_FLAGS":
        monkeypatch.delenv(name)
    for name, value in ({"JAX_PLATFORMS": "cpu"} | variables).items():
      monkeypatch.setenv(name, value)
    monkeypatch.setattr(
      tuning.importlib.metadata, "version", lambda name: version
    )

  return put


@pytest.mark.parametrize(
  ("platforms", "devices", "expected"),
  [
    ("cpu", ["/dev/nvidia0"], True),
    ("cpu,cuda", [], True),
    ("cuda", [], False),
    ("", [], True),
    ("", ["/dev/nvidia0"], False),
    ("", ["/dev/accel0"], False),
  ],
)
def test_whether_jax_runs_on_a_cpu(monkeypatch, platforms, devices, expected):
  monkeypatch.setenv("JAX_PLATFORMS", platforms)
  found = lambda pattern: [
    x for x in devices if x[:-1] == pattern[: len(x) - 1]
  ]
  monkeypatch.setattr(tuning.glob, "glob", found)
  assert tuning.on_cpu() is expected


@pytest.mark.parametrize(
  ("version", "flags", "expected"),
  [
    ("0.10.2", "", SET),
    ("0.10.2", "--xla_dump_to=x", f"--xla_dump_to=x {SET}"),
    ("0.10.2", f"{OPTION}=dot", f"{OPTION}=dot"),
    ("0.11.2", "", ""),
    ("0.9.2", "--xla_dump_to=x", "--xla_dump_to=x"),
  ],
)
def test_the_option_for_convolutions(environment, version, flags, expected):
  environment(version, XLA_FLAGS=flags)
  assert tuning.tune_convolutions() is (expected != flags)
  assert os.environ["XLA_FLAGS"] == expected


# Prints how many of a program's runs differ from its first. What the test is
# there for is a race, so it needs many runs and two cores to fail.
REPEATS = """
from vision_jax import tuning
tuning.tune_convolutions()
import jax
import numpy as np
from vision_jax.optim import optimizers, schedules

kernel = {"kernel": jax.random.normal(jax.random.key(0), (3, 3, 96, 48))}
muon = optimizers.muon(schedules.constant(0.03))
state = muon.init(kernel)
update = jax.jit(lambda g, s: muon.update(g, s, kernel)[0])
runs = [np.asarray(update(kernel, state)["kernel"]) for _ in range(800)]
print(sum((run != runs[0]).any() for run in runs))
"""


def test_the_same_program_gives_the_same_numbers():
  kept = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
  done = subprocess.run(
    [sys.executable, "-c", REPEATS],
    env=kept | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"},
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=PATIENCE,
    check=True,
  )
  assert int(done.stdout) == 0


def test_an_accelerator_is_left_alone(environment):
  environment(JAX_PLATFORMS="cuda")
  assert not tuning.tune_convolutions()
  assert not tuning.tune_allocator()
  assert "XLA_FLAGS" not in os.environ


@pytest.mark.parametrize("variable", ["MALLOC_ARENA_MAX", "MALLOC_TOP_PAD_"])
def test_the_users_allocator_is_left_alone(environment, variable):
  environment(**{variable: "1"})
  assert not tuning.tune_allocator()


@pytest.mark.parametrize(
  ("variables", "expected"),
  [
    ({}, True),
    ({"JAX_PLATFORMS": "cuda"}, False),
    ({"JAX_NUM_CPU_DEVICES": "8"}, False),
    ({"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}, False),
  ],
)
def test_one_cpu_finishes_a_step_before_the_next(
  environment, variables, expected
):
  environment(**{"JAX_NUM_CPU_DEVICES": "1"} | variables)
  updates = []
  assert tuning.tune_dispatch(lambda *x: updates.append(x)) is expected
  assert updates == [("jax_cpu_enable_async_dispatch", False)] * expected


# Takes and frees 200 MB, and prints how much of them the process keeps.
PROGRAM = """
import sys
from vision_jax import tuning

def megabytes():
  pages = int(open("/proc/self/statm").read().split()[1])
  return pages * 4096 / 2**20

tuned = tuning.tune_allocator()
before = megabytes()
x = b"x" * (200 * 2**20)
del x
assert "jax" not in sys.modules
print(tuned, round(megabytes() - before))
"""


@pytest.mark.skipif(
  not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc"
)
@pytest.mark.parametrize("users", [{}, {"MALLOC_ARENA_MAX": "8"}])
def test_freed_memory_stays_in_the_process(users):
  kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
  done = subprocess.run(
    [sys.executable, "-c", PROGRAM],
    env=kept | {"JAX_PLATFORMS": "cpu"} | users,
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=PATIENCE,
    check=True,
  )
  tuned, megabytes = done.stdout.split()
  assert tuned == str(not users)
  assert (int(megabytes) > 150) is (not users)


@pytest.mark.parametrize(
  ("flags", "version", "option", "forms"),
  [
    ((), "0.10.2", True, None),
    ((), "0.11.2", False, None),
    (("--cpu_tuning=off",), "0.10.2", False, "off"),
    (("--config.convolutional=false",), "0.10.2", False, None),
  ],
)
def test_what_the_command_sets(
  environment, monkeypatch, tmp_path, flags, version, option, forms
):
  environment(version)
  monkeypatch.delenv("VISION_JAX_CPU_FORMS", raising=False)
  seen = {}

  def see(*_):
    seen.update(os.environ)
    return 0

  monkeypatch.setattr(Mode, "run", see)
  call(f"--config={BLOBS}", f"--workdir={tmp_path}", *flags)
  assert (OPTION in seen.get("XLA_FLAGS", "")) is option
  assert seen.get("VISION_JAX_CPU_FORMS") == forms


def test_the_folder_of_compiled_programs(monkeypatch, tmp_path):
  seen = {}

  def see(*_):
    seen.update(os.environ)
    return 0

  monkeypatch.setattr(Mode, "run", see)
  name = "JAX_COMPILATION_CACHE_DIR"
  flags = (f"--config={BLOBS}", f"--workdir={tmp_path}")
  users = os.environ[name]
  call(*flags, "--compilation_cache=/x/y")
  assert seen[name] == users
  monkeypatch.delenv(name)
  call(*flags, "--compilation_cache=/x/y")
  assert seen[name] == "/x/y"
  seen.clear()
  call(*flags, "--compilation_cache=off")
  assert name not in seen


def test_a_file_of_flags_is_left_alone(environment, monkeypatch, tmp_path):
  file = tmp_path / "flags.txt"
  environment(XLA_FLAGS=str(file))
  assert tuning.flags_file() == str(file)
  assert not tuning.tune_convolutions()
  logged = []
  values = parse(["--config=x", "--workdir=y"])
  monkeypatch.setattr(process.cluster, "connect", lambda *a, **options: None)
  monkeypatch.setattr(process, "start_backend", lambda: None)
  with pytest.raises(UserError, match="there is no such file"):
    process.set_up(values, True, logged.append)
  file.touch()
  process.set_up(values, True, logged.append)
  assert os.environ["XLA_FLAGS"] == str(file)
  assert f"XLA_FLAGS names the file {file}: left alone" in logged[0]
  environment(XLA_FLAGS=" --xla_dump_to=x")
  assert tuning.flags_file() is None


@pytest.fixture
def gpu(environment, monkeypatch):
  """(devices, flags, variables): readies a process on that many GPUs.

  Returns what the environment then has of it, and the lines that were logged.
  """

  def ready(devices, *flags, **variables):
    environment(JAX_PLATFORMS="cuda", **variables)
    for name in (*tuning.USERS_MEMORY, "XLA_FLAGS"):
      if name not in variables:
        monkeypatch.setenv(name, "")  # so that it is gone again afterwards
        monkeypatch.delenv(name)
    visible = ",".join(str(i) for i in range(devices))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(process.cluster, "connect", lambda *a, **options: None)
    monkeypatch.setattr(process, "start_backend", lambda: None)
    values = parse(["--config=x", "--workdir=y", *flags])
    logged = []
    process.set_up(values, True, logged.append)
    return dict(os.environ), logged

  return ready


MEMORY = "XLA_CLIENT_MEM_FRACTION"


@pytest.mark.parametrize(
  ("devices", "flags", "memory", "expected"),
  [
    (1, (), "0.92", None),
    (2, (), "0.92", f"{tuning.HIDE_LATENCY}=true"),
    (
      1,
      ("--num_processes=2", "--process_id=0", "--coordinator=h:1"),
      "0.92",
      f"{tuning.HIDE_LATENCY}=true",
    ),
    (2, ("--gpu_tuning=off",), None, None),
    (1, ("--deterministic",), "0.92", f"{tuning.DETERMINISTIC}=true"),
    (
      2,
      ("--gpu_tuning=off", "--deterministic"),
      None,
      f"{tuning.DETERMINISTIC}=true",
    ),
  ],
)
def test_what_is_set_on_gpus(gpu, devices, flags, memory, expected):
  variables, logged = gpu(devices, *flags)
  assert variables.get(MEMORY) == memory
  assert variables.get("XLA_FLAGS") == expected
  assert not logged


def test_what_the_user_has_set_of_gpus_is_left_alone(gpu):
  users = {
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_FLAGS": f"{tuning.HIDE_LATENCY}=false",
  }
  variables, _ = gpu(2, **users)
  assert MEMORY not in variables
  assert {name: variables[name] for name in users} == users
  with pytest.raises(UserError, match=r"--deterministic: got XLA_FLAGS=.*"):
    gpu(2, "--deterministic", XLA_FLAGS=f"{tuning.DETERMINISTIC}=false")


def test_an_option_that_xla_does_not_have(gpu, monkeypatch):
  monkeypatch.setattr(tuning, "HIDE_LATENCY", "--xla_gpu_hide_nothing")
  monkeypatch.setattr(tuning, "DETERMINISTIC", "--xla_gpu_always_equal")
  variables, logged = gpu(2)
  assert "XLA_FLAGS" not in variables
  assert (
    len(logged) == 1 and "has no --xla_gpu_hide_nothing: left out" in logged[0]
  )
  with pytest.raises(UserError, match="has no --xla_gpu_always_equal; expect"):
    gpu(1, "--deterministic")


def test_an_option_of_the_users_that_xla_does_not_have(gpu, tmp_path):
  text = "--xla_gpu_triton_gemm_anyway=true --xla_dump_to=/tmp/x"
  file = tmp_path / "flags.txt"
  file.write_text(text)
  for flags in (text, str(file)):
    with pytest.raises(
      UserError, match="got --xla_gpu_triton_gemm_anyway; expected options"
    ):
      gpu(1, XLA_FLAGS=flags)
  variables, _ = gpu(1, XLA_FLAGS="--xla_dump_to=/tmp/x")
  assert variables["XLA_FLAGS"] == "--xla_dump_to=/tmp/x"


def test_options_of_the_users_that_cannot_be_read(gpu, tmp_path):
  file = tmp_path / "flags.txt"
  file.write_bytes(b"--xla_dump_to=\xff")
  for flags in ("--xla_dump_to='x", str(file)):
    with pytest.raises(UserError, match=r"XLA_FLAGS=.*: cannot be read \("):
      gpu(1, XLA_FLAGS=flags)


def test_a_cpu_has_no_options_of_gpus(environment, monkeypatch):
  environment(XLA_FLAGS="")
  monkeypatch.delenv(MEMORY, raising=False)
  assert not tuning.tune_memory() and not tuning.on_gpu()
  assert MEMORY not in os.environ


def test_a_platform_that_is_not_there(tmp_path):
  flags = (f"--config={BLOBS}", f"--workdir={tmp_path / 'run'}")
  result = finish(spawn(*flags, env={"JAX_PLATFORMS": "abacus"}))
  assert result.code == 2, result.err
  assert "Traceback" not in result.err
  assert "error: JAX_PLATFORMS=abacus: " in result.err
  assert "such as cpu; unset it" in result.err
  assert not (tmp_path / "run").exists()


def test_without_a_home_folder_nothing_is_kept(monkeypatch, tmp_path):
  monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
  monkeypatch.setattr(os.path, "expanduser", lambda path: path)
  monkeypatch.chdir(tmp_path)
  set_cache(CACHE)
  assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
  with pytest.raises(UserError, match="knows no home folder '~'"):
    set_cache("~/mine")
  set_cache("mine")
  assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "mine")
