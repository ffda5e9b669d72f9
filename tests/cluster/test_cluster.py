"""How processes find each other, and what they say when they do not."""

import contextlib
import io
import socket
import threading
import time

import pytest

from tests.programs.command import call, free_port
from vision_jax.cluster import connect as cluster
from vision_jax.cluster import rollcall
from vision_jax.errors import RunFailure, UserError


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("10.0.0.1:1234", ("10.0.0.1", 1234)),
    ("host-0.job:80", ("host-0.job", 80)),
    ("[::1]:65535", ("::1", 65535)),
  ],
)
def test_addresses(text, expected):
  assert rollcall.parse_address(text) == expected


@pytest.mark.parametrize(
  "text",
  ["HOST", "HOST:abc", ":1234", "HOST:", "HOST:0", "HOST:70000", "::1:80",
   "HOST:-1", "HOST:١٢", ""],
)  # fmt: skip
def test_what_is_no_address(text):
  with pytest.raises(
    UserError, match=r"--coordinator: got .*expected HOST:PORT"
  ):
    rollcall.parse_address(text)


@pytest.mark.parametrize("process", [-1, 2, 7])
def test_a_number_that_cannot_be(process):
  with pytest.raises(UserError, match=r"--process_id: got .*expected 0 to 1"):
    rollcall.meet("127.0.0.1:1", 2, process, 0.1)


class Meeting:
  """Processes that meet, each in a thread; how it went for each."""

  def __init__(self, address=None):
    self.address = address or f"127.0.0.1:{free_port()}"
    self.ended, self._threads = {}, []

  def start(self, process, processes=3, seconds=300.0, name=None):
    def run():
      try:
        rollcall.meet(self.address, processes, process, seconds)
        self.ended[name or process] = "met"
      except (UserError, RunFailure) as error:
        self.ended[name or process] = f"{type(error).__name__}: {error}"

    self._threads.append(threading.Thread(target=run))
    self._threads[-1].start()

  def end(self):
    for thread in self._threads:
      thread.join()
    return self.ended


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_processes_meet_in_any_order(order):
  meeting = Meeting()
  for process in order:
    meeting.start(process)
    time.sleep(0.1)
  assert meeting.end() == {0: "met", 1: "met", 2: "met"}
  port = int(meeting.address.split(":")[1])
  socket.create_server(("", port)).close()  # it is free for jax


def test_those_that_do_not_come_are_named(monkeypatch):
  monkeypatch.setattr(rollcall, "LOG_SECONDS", 0.2)
  meeting, logged = Meeting(), io.StringIO()
  with contextlib.redirect_stderr(logged):
    meeting.start(0, processes=4, seconds=4.0)
    meeting.start(2, processes=4, seconds=4.0)
    ended = meeting.end()
  missing = f"2 of 4 processes at {meeting.address}: 1, 3"
  assert f"Waiting for {missing}." in logged.getvalue()
  assert ended[0].startswith(f"RunFailure: Waited 4 s for {missing}, in vain.")
  assert "--connect_timeout" in ended[0]
  assert ended[2].startswith("RunFailure: Waited 4 s for ")


def test_nobody_is_there():
  meeting = Meeting()
  meeting.start(1, seconds=0.5)
  ended = meeting.end()[1]
  assert f"for process 0 at {meeting.address} (Connection refused)" in ended


def test_a_process_that_was_started_again_counts_once():
  meeting = Meeting()
  host, port = rollcall.parse_address(meeting.address)
  meeting.start(0)
  while True:
    with contextlib.suppress(OSError):
      first = socket.create_connection((host, port))
      break
  first.sendall(b"vision_jax process 1 of 3\n")
  time.sleep(0.5)
  first.close()  # it has come, and died
  meeting.start(2)
  time.sleep(1.0)
  assert not meeting.ended
  meeting.start(1)
  assert meeting.end() == {0: "met", 1: "met", 2: "met"}


def test_another_count_is_told_to_both():
  meeting = Meeting()
  meeting.start(0, processes=2)
  meeting.start(1, processes=3)
  ended = meeting.end()
  message = "UserError: --num_processes: process 0 has 2, process 1 has 3; "
  assert ended[0].startswith(message) and ended[1].startswith(message)


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n", b"\0" * 300])
def test_somebody_else_answers(says):
  with socket.create_server(("127.0.0.1", 0)) as server:
    meeting = Meeting(f"127.0.0.1:{server.getsockname()[1]}")
    meeting.start(1)
    guest, _ = server.accept()
    guest.sendall(says)
    ended = meeting.end()[1]
    guest.close()
  assert "is answered, but not by a process 0 that waits" in ended


def test_a_stranger_at_the_door_changes_nothing():
  meeting = Meeting()
  meeting.start(0, processes=2)
  address = rollcall.parse_address(meeting.address)
  while True:
    with contextlib.suppress(OSError):
      stranger = socket.create_connection(address)
      break
  stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
  meeting.start(1, processes=2)
  assert meeting.end() == {0: "met", 1: "met"}
  stranger.close()


@pytest.mark.parametrize(
  ("flags", "code", "message"),
  [
    (("HOST", 2, 0), 2, "--coordinator: got 'HOST'; expected HOST:PORT"),
    (("127.0.0.1:{port}", 2, 0), 2, "port {port} of this machine is in use"),
    (("127.0.0.1:{port}", 2, 2), 2, "--process_id: got 2 with --num_"),
    (("127.0.0.1:1", 2, 1), 3, "for process 0 at 127.0.0.1:1 (Connection"),
    (("no.such.host.invalid:1", 2, 1), 3, "0 at no.such.host.invalid:1 ("),
  ],
)  # fmt: skip
def test_the_command_ends_with_one_line(tmp_path, flags, code, message):
  with socket.create_server(("", 0)) as taken:
    port = str(taken.getsockname()[1])
    address, processes, process = flags
    result = call(
      "--config=tests/programs/blobs.py",
      f"--workdir={tmp_path / 'run'}",
      f"--coordinator={address.format(port=port)}",
      f"--num_processes={processes}",
      f"--process_id={process}",
      "--connect_timeout=0.5",
    )
  assert result.code == code, result.err
  assert message.format(port=port) in result.err
  assert len(result.err.splitlines()) == 1
  assert not (tmp_path / "run").exists()


def test_slurms_tasks_are_waited_for(tmp_path):
  """As those that the flags name: jax is silent, and then aborts."""
  result = call(
    "--config=tests/programs/blobs.py",
    f"--workdir={tmp_path / 'run'}",
    "--connect_timeout=0.5",
    env={
      "SLURM_JOB_ID": "7",
      "SLURM_STEP_NODELIST": "127.0.0.1,a[2-3]",
      "SLURM_NTASKS": "3",
      "SLURM_PROCID": "2",
      "SLURM_LOCALID": "0",
      "JAX_COORDINATOR_PORT": "1",
    },
  )
  assert result.code == 3, result.err
  assert "for process 0 at 127.0.0.1:1 (Connection" in result.err
  assert len(result.err.splitlines()) == 1
  assert not (tmp_path / "run").exists()


ALONE = {
  "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
  "PMI_SIZE": "PMI_RANK",
  "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
  "WORLD_SIZE": "RANK",
}


@pytest.mark.parametrize("size", ALONE)
def test_one_of_several_that_nobody_told_is_refused(size):
  environ = {size: "4", ALONE[size]: "2"}
  with pytest.raises(UserError, match=rf"\({size}=4\)") as error:
    cluster.check_alone(environ)
  given = f"--num_processes=4 and --process_id=${ALONE[size]}; or --num_proc"
  assert given in str(error.value)
  cluster.check_alone({**environ, size: "1"})
  cluster.check_alone({})


def test_an_indexed_kubernetes_job_is_refused():
  with pytest.raises(UserError, match=r"--process_id=\$JOB_COMPLETION_INDEX"):
    cluster.check_alone({"JOB_COMPLETION_INDEX": "0"})


def test_the_command_refuses_and_can_be_told(tmp_path, monkeypatch):
  monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
  flags = ("--config=tests/programs/blobs.py", "--config.steps=1")
  flags += (f"--workdir={tmp_path / 'run'}",)
  result = call(*flags)
  assert result.code == 2 and "a Kubernetes job" in result.err
  assert not (tmp_path / "run").exists()
  result = call(*flags, "--num_processes=1")
  assert result.code == 0, result.err
  result = call(*flags, "--num_processes=2")
  assert result.code == 2 and "go together" in result.err


@pytest.mark.parametrize(
  ("tasks", "gpus", "idle"),
  [("1(x2)", "8", 7), ("8(x2)", "8", None), ("2,1", "4", 2), ("1", "1", None),
   ("", "8", None)],
)  # fmt: skip
def test_gpus_that_slurm_leaves_idle(tasks, gpus, idle):
  environ = {"SLURM_STEP_TASKS_PER_NODE": tasks, "SLURM_GPUS_ON_NODE": gpus}
  advice = cluster.idle_gpus(environ)
  if idle is None:
    assert advice is None
  else:
    assert f"{idle} stay idle" in advice
    assert f"srun --ntasks-per-node={gpus}, without --gpus-per-task" in advice


def test_who_jax_can_connect_itself():
  slurm = {"SLURM_STEP_NODELIST": "a[1-2]", "SLURM_NTASKS": "2"}
  assert cluster.in_cluster(slurm)
  assert not cluster.in_cluster({**slurm, "SLURM_NTASKS": "1"})
  assert cluster.in_cluster({"TPU_WORKER_HOSTNAMES": "a,b"})
  assert not cluster.in_cluster({"TPU_WORKER_HOSTNAMES": "a"})
