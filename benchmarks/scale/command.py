"""A config's step on 1 to 8 devices and 1 to 2 processes, by each execution.

  python -m benchmarks.scale --config=configs/classification/mnist_vit.py
  python -m benchmarks.scale --config=PATH --devices=1,8 --executions=fsdp
  python -m benchmarks.scale --config=PATH --executions=jit,tensor:2,tensor:4

A number after fsdp or tensor is how many devices share what is split; by
default all do. tensor is for nets that have rules for it, as ViT has.
The batch stays that of the config, split over more devices: strong scaling. On
a CPU all devices share its cores, so that a step takes as long at best, and
what is above that is the price of splitting it. Writes scale.md and scale.json.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.overrides import read_overrides
from benchmarks.report import markdown
from vision_jax.errors import UserError
from vision_jax.files import replace_text

EXECUTIONS = ("jit", "fsdp", "pmap")  # for any net
INNER = {"fsdp": "fsdp", "tensor": "model"}  # the axis that splits the state


def main(argv: Sequence[str] | None = None) -> int:
  """Measures every case; returns the exit code, 1 where one failed."""
  asked = _parse(argv)
  rows = []
  for case in cases(asked):
    row = run(case, asked)
    rows.append(row)
    print(_line(row), flush=True)
  words = sys.argv[1:] if argv is None else argv
  found = {
    "command": shlex.join(["python", "-m", "benchmarks.scale", *words]),
    "config": asked.config,
    "overrides": asked.overrides,
    "hardware": environment.probe(),
    "versions": environment.versions(),
    "git_commit": environment.git_commit(),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "rows": rows,
  }
  output = pathlib.Path(asked.output)
  output.mkdir(parents=True, exist_ok=True)
  replace_text(output / "scale.json", json.dumps(found, indent=1) + "\n")
  replace_text(output / "scale.md", page(found))
  print(f"\nreport: {output / 'scale.md'}")
  return int(any("failed" in row for row in rows))


def cases(asked: argparse.Namespace) -> list[dict[str, Any]]:
  """Returns what is measured: each execution, on so many devices, processes."""
  product = itertools.product(asked.executions, asked.processes, asked.devices)
  return [
    {"execution": name, "processes": processes, "devices": devices}
    for name, processes, devices in product
    if devices % processes == 0 and devices % _size(name) == 0
  ]


def mesh_of(execution: str, devices: int) -> tuple[str, str]:
  """Returns the name and the mesh of an execution such as "fsdp:2"."""
  name, _, size = execution.partition(":")
  if not size:
    return name, ""
  return name, f"data:{devices // int(size)},{INNER[name]}:{size}"


def run(case: Mapping[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
  """Returns a case with what it measured, or the last line of why not."""
  name, mesh = mesh_of(case["execution"], case["devices"])
  common = {
    "config": asked.config,
    "overrides": asked.overrides,
    "steps": asked.steps,
    "execution": name,
    "mesh": mesh,
    "processes": case["processes"],
    "devices_here": case["devices"] // case["processes"],
    "coordinator": f"127.0.0.1:{_free_port()}",
  }
  children = [
    subprocess.Popen(
      [
        *(sys.executable, "-m", "benchmarks.scale.case"),
        json.dumps(common | {"process": number}),
      ],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    for number in range(case["processes"])
  ]
  try:
    ended = [child.communicate() for child in children]
  finally:
    for child in children:
      child.kill()
  for child, (_, err) in zip(children, ended, strict=True):
    if child.returncode:
      last = (err.strip().splitlines() or ["no message"])[-1]
      return {**case, "failed": last[:300]}
  return {**case, **json.loads(ended[0][0].splitlines()[-1])}


def page(found: Mapping[str, Any]) -> str:
  """Returns the table as markdown."""
  versions = ", ".join(f"{k} {found['versions'][k]}" for k in ("jax", "flax"))
  columns = ("execution", "processes", "devices", "step", "times the first's")
  columns += ("of a device", "a device sends", "collectives")
  first = next((x["step_ms"] for x in found["rows"] if "step_ms" in x), None)
  return (
    f"# {markdown.escape(found['config'])} on more devices\n\n"
    f"{markdown.code(found['command'])}; "
    f"{markdown.escape(environment.describe(found['hardware']))}; {versions}; "
    f"commit {found['git_commit'][:12]}; {found['date'][:10]}. Devices of a "
    "CPU share its cores: a step takes as long at best.\n\n"
    f"{markdown.table(columns, [_cells(x, first) for x in found['rows']])}"
  )


def _cells(row: Mapping[str, Any], first: float | None) -> list[str]:
  start = [str(row[key]) for key in ("execution", "processes", "devices")]
  if "failed" in row:
    return [*start, markdown.escape(f"failed: {row['failed']}"), *[""] * 4]
  sent = ", ".join(f"{n} {kind}" for kind, n in row["collectives"].items())
  memory = row["device_bytes"]
  return [
    *start,
    f"{row['step_ms']:.1f} ms",
    f"{row['step_ms'] / first:.2f}",
    "" if memory is None else f"{memory / 1e6:.1f} MB",
    f"{row['sent_bytes'] / 1e6:.2f} MB",
    sent,
  ]


def _line(row: Mapping[str, Any]) -> str:
  place = f"{row['execution']:8} {row['processes']} x {row['devices']} devices"
  if "failed" in row:
    return f"{place}: failed: {row['failed']}"
  return f"{place}: {row['step_ms']:.1f} ms, {row['sent_bytes']} bytes sent"


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.scale", description=__doc__, allow_abbrev=False
  )
  numbers = lambda text: [int(x) for x in text.split(",")]
  parser.add_argument("--config", required=True)
  parser.add_argument("--devices", type=numbers, default=[1, 2, 4, 8])
  parser.add_argument("--processes", type=numbers, default=[1, 2])
  parser.add_argument(
    "--executions", type=lambda x: x.split(","), default=[*EXECUTIONS]
  )
  parser.add_argument("--steps", type=int, default=5, help="in a block")
  parser.add_argument("--output", default="out/scale")
  asked, rest = parser.parse_known_args(argv)
  try:
    asked.overrides = read_overrides(rest)
    _check(asked)
  except UserError as error:
    parser.error(str(error))
  return asked


def _check(asked: argparse.Namespace) -> None:
  """Refuses what no case could run with.

  Raises:
    UserError: naming the flag.
  """
  from vision_jax.planning.plan import built

  for text in asked.executions:
    name, colon, size = text.partition(":")
    sized = name in INNER and size.isdigit() and int(size) > 0
    if name not in {*EXECUTIONS, *INNER} or (colon and not sized):
      raise UserError(
        f"--executions: got {text!r}; expected some of jit, fsdp, tensor and "
        "pmap, the second and third also with a number, such as tensor:2."
      )
  for name in ("devices", "processes"):
    if min(getattr(asked, name)) < 1:
      raise UserError(f"--{name}: got {getattr(asked, name)}; expected >= 1.")
  _, config = built(asked.config, asked.overrides)
  if bad := [n for n in asked.devices if config.batch_size % n]:
    raise UserError(
      f"--devices: {bad[0]} do not divide the batch of {config.batch_size}; "
      "expected divisors of it, or another --config.batch_size."
    )


def _size(execution: str) -> int:
  """How many devices share what is split, as it is named; 1 where not."""
  return int(execution.partition(":")[2] or 1)


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    return probe.getsockname()[1]
