"""Processes find each other before jax connects them, and say whom they miss.

Process 0 listens at HOST:PORT; every other one comes there and tells its number
and how many it thinks they are. Once all have come they are sent off, and jax's
own service takes the port. Left to itself jax says nothing for minutes and then
aborts.
"""

import contextlib
import errno
import socket
import sys
import time
from collections.abc import Iterator

from vision_jax.errors import RunFailure, UserError

LOG_SECONDS = 10.0  # between two lines that say who is missing
HELLO = "vision_jax process {} of {}"
GO = "go"
LINE = 200  # bytes at most


def parse_address(text: str) -> tuple[str, int]:
  """Reads HOST:PORT, where an IPv6 address is in brackets.

  Raises:
    UserError: if it is something else.
  """
  host, _, port = text.rpartition(":")
  host = host[1:-1] if host[:1] + host[-1:] == "[]" else host
  numeric = port.isascii() and port.isdigit() and 0 < int(port) < 2**16
  if not host or not numeric or (":" in host and text[:1] != "["):
    raise UserError(
      f"--coordinator: got {text!r}; expected HOST:PORT of process 0, a name "
      "or an address and a free port from 1 to 65535, such as 10.0.0.1:1234."
    )
  return host, int(port)


def check_process(process: int, processes: int) -> None:
  """Raises UserError unless this is one of so many processes."""
  if not 0 <= process < processes:
    raise UserError(
      f"--process_id: got {process} with --num_processes={processes}; expected "
      f"0 to {processes - 1}, another one for each process."
    )


def meet(
  address: str, processes: int, process: int, seconds: float = 300.0
) -> list[socket.socket]:
  """Returns once all processes are there, with connections to the others.

  Those of process 0 are to each other one, those of another to process 0.

  Args:
    address: HOST:PORT of process 0.
    processes: how many there are.
    process: number of this process.
    seconds: how long to wait for the others.

  Raises:
    UserError: if the address or a number cannot be right, or the port is taken.
    RunFailure: if some have not come in time.
  """
  host, port = parse_address(address)
  check_process(process, processes)
  patience = _Patience(address, seconds)
  if process:
    return [_come(host, port, HELLO.format(process, processes), patience)]
  return _receive(port, processes, patience)


class _Patience:
  """How long to wait, and when to say for whom."""

  def __init__(self, address: str, seconds: float):
    self.address, self._seconds = address, seconds
    self._start = self._logged = time.monotonic()

  def wait(self, missing: str) -> None:
    """Logs who is missing, now and then; raises once it takes too long."""
    now = time.monotonic()
    if now - self._start > self._seconds:
      raise RunFailure(
        f"Waited {self._seconds:.0f} s for {missing}, in vain. Start every "
        f"process with --coordinator={self.address}, which all have to reach, "
        "or wait longer with --connect_timeout."
      )
    if now - self._logged > LOG_SECONDS:
      self._logged = now
      print(f"Waiting for {missing}.", file=sys.stderr, flush=True)


def _receive(
  port: int, processes: int, patience: _Patience
) -> list[socket.socket]:
  """Process 0: waits until all others have come and are still there."""
  here: dict[int, socket.socket] = {}
  with _listening(port) as server, contextlib.ExitStack() as stack:
    while len(here) < processes - 1:
      absent = [i for i in range(1, processes) if i not in here]
      names = ", ".join(map(str, absent[:10])) + ", ..." * (len(absent) > 10)
      patience.wait(
        f"{len(absent)} of {processes} processes at {patience.address}: {names}"
      )
      try:
        guest, _ = server.accept()
      except TimeoutError:
        continue
      stack.enter_context(guest)
      if (number := _greeted(guest, processes)) is not None:
        here[number] = guest  # a process that was started again comes twice
      here = {i: x for i, x in here.items() if _connected(x)}
    for guest in here.values():
      guest.sendall(f"{GO}\n".encode())
    stack.pop_all()
    return list(here.values())


def _greeted(guest: socket.socket, processes: int) -> int | None:
  """The number of a process that has come, None of somebody else.

  Raises:
    UserError: if it counts other processes than this one does.
  """
  guest.settimeout(5.0)
  words = _line(guest).split()
  if len(words) != 5 or words[:2] != HELLO.split()[:2]:
    return None
  number, count = int(words[2]), int(words[4])
  if count != processes:
    message = (
      f"--num_processes: process 0 has {processes}, process {number} has "
      f"{count}; expected the same number for all."
    )
    guest.sendall(f"{message}\n".encode())
    raise UserError(message)
  return number


def _connected(guest: socket.socket) -> bool:
  """Whether a process that has come is still there."""
  guest.setblocking(False)
  try:
    return guest.recv(1, socket.MSG_PEEK) != b""
  except BlockingIOError:
    return True
  except OSError:
    return False
  finally:
    guest.setblocking(True)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
  """A socket that listens on a port of this machine."""
  dual = socket.has_dualstack_ipv6()
  family = socket.AF_INET6 if dual else socket.AF_INET
  try:
    server = socket.create_server(
      ("", port), family=family, dualstack_ipv6=dual, backlog=128
    )
  except OSError as error:
    why = {
      errno.EADDRINUSE: "is in use",
      errno.EACCES: "is not for this user",
    }.get(error.errno, error.strerror)
    raise UserError(
      f"--coordinator: port {port} of this machine {why}; expected a free one. "
      "Give all processes another port."
    ) from None
  with server:
    server.settimeout(0.5)
    yield server


def _come(
  host: str, port: int, hello: str, patience: _Patience
) -> socket.socket:
  """Any other process: comes to process 0, and waits to be sent off."""
  why = ""
  while True:
    patience.wait(f"process 0 at {patience.address}{why}")
    try:
      home = socket.create_connection((host, port), timeout=5.0)
      home.sendall(f"{hello}\n".encode())
      answer = _wait_for_line(home, patience)
    except OSError as error:
      answer, why = "", f" ({error.strerror or error})"
    if answer == GO:
      home.settimeout(None)
      return home
    if answer.startswith("--"):
      raise UserError(answer)
    if answer:
      raise RunFailure(
        f"{patience.address} is answered, but not by a process 0 that waits "
        "there. End what is left of an earlier run, or give all processes "
        "another port."
      )
    time.sleep(0.3)


def _wait_for_line(home: socket.socket, patience: _Patience) -> str:
  """What process 0 says, once all are there; "" where it has gone."""
  home.settimeout(1.0)
  while True:
    try:
      return _line(home)
    except TimeoutError:
      patience.wait(
        f"the other processes, with process 0 at {patience.address}"
      )


def _line(peer: socket.socket) -> str:
  """Reads a line; what a stranger says is cut, and no letters are lost."""
  text = b""
  while not text.endswith(b"\n") and len(text) < LINE:
    part = peer.recv(1)
    if not part:
      break
    text += part
  return text.decode("latin-1").strip()
