"""Our models beside the same of others."""

import argparse
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from benchmarks import environment
from benchmarks.accelerator.journal import Journal
from benchmarks.accelerator.states import ABSENT, FAILED, MEASURED
from benchmarks.compare import command, models, table, turns
from benchmarks.compare.models import MODELS, OURS, PEERS, Case
from tests import oracles
from vision_jax.errors import UserError

CASE = Case("resnet20", "train", 2, 32, "float32", 269_722)
HEAD = {
  **{"platform": "cpu", "device_kind": "cpu", "cpu": "Some", "cpu_cores": 2},
  **{"python": "3", "jax": "1", "jaxlib": "1", "flax": "2", "git_commit": "c"},
  **{"command": "x", "date": "2026-01-01"},
}


def turn(by, number, ms, **more):
  """A turn as it is kept."""
  row = dataclasses.asdict(CASE) | {"stage": CASE.name, "by": by}
  row |= {"name": f"{by}/{number}", "turn": number, "state": MEASURED}
  row |= {"step_ms": ms, "peak_bytes": 5e8, "compile_s": None, "first_s": 3.0}
  row |= {"own_parameters": 269_722, "versions": {"torch": "2.13"}}
  row |= {"flops_per_step": 10**9, "device_kind": "cpu"}
  return row | more


def absent(by, why, state=ABSENT):
  return turn(by, 0, None, state=state, why=why)


def test_the_table_has_a_line_for_everybody():
  ours, theirs = [10.0, 12.0, 11.0], [21.0, 22.0, 24.0]
  rows = [absent("timm", "timm is | not installed")]
  rows += [turn("torch", i, ms) for i, ms in enumerate(theirs)]
  rows += [turn(OURS, i, ms) for i, ms in enumerate(ours)]
  first, second, third = table.lines(rows)
  by = lambda cells, name: cells[table.COLUMNS.index(name)]
  assert [by(x, "by") for x in (first, second, third)] == [
    OURS,
    "torch",
    "timm",
  ]
  logs = np.log(theirs) - np.log(ours)
  ends = np.exp(stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs)))
  ratio = f"{np.exp(logs.mean()):.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"
  assert by(second, "times as long as ours") == ratio
  logs = np.log(theirs)
  low, high = np.exp(stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs)))
  assert by(second, "ms") == f"22.00 [{low:.2f}, {high:.2f}]"
  assert by(second, "images/s") == "90.9" and by(second, "compile") == ""
  assert by(first, "times as long as ours") == by(first, "MFU") == ""
  assert by(third, "ms") == "not run here: timm is | not installed"
  page = table.page(HEAD, rows)
  assert "| timm | not run here: timm is \\| not installed |" in page
  assert "torch 2.13" in page and "269,722" in page


def test_only_turns_that_both_had_are_paired():
  ours = [turn(OURS, 0, 10.0), turn(OURS, 2, 30.0)]
  theirs = [turn("torch", i, 20.0) for i in range(3)]
  found = table.pairs({0: 10.0, 2: 30.0}, {0: 20.0, 1: 20.0, 2: 20.0})
  assert found.before == [10.0, 30.0] and found.now == [20.0, 20.0]
  assert table.lines(ours[:1] + theirs)[1][6] == "2.00"  # one says no interval
  failed = [absent(OURS, "it broke", FAILED)]
  assert table.lines(failed + theirs)[1][6] == "ours was not measured"


def test_a_card_that_is_known_has_a_utilisation():
  card = {"device_kind": "NVIDIA H100 80GB HBM3", "flops_per_step": 989 * 10**9}
  rows = [turn(OURS, 0, 2.0, **card), turn("torch", 0, 4.0)]
  shown = [x[table.COLUMNS.index("MFU")] for x in table.lines(rows)]
  assert shown == ["50.0%", "25.0%"]


@pytest.fixture
def plan(tmp_path):
  peers = ("torch", "torch.compile", "onnxruntime")
  return turns.Plan([CASE], peers, {}, 2, 0.1, tmp_path, "cpu")


@pytest.fixture
def asked(monkeypatch):
  """Who had a turn, of which none is timed; what is to compile breaks."""
  asked = []

  def rows(module, names, settings, *_):
    asked.append((module.rpartition(".")[2], names[0]))
    state = {"state": FAILED, "why": "it broke"}
    if names != ["torch.compile"]:
      state = {"state": MEASURED, "step_ms": 1.0}
    yield {"name": names[0], **state}

  monkeypatch.setattr(turns.child, "rows", rows)
  monkeypatch.setattr(models, "missing", lambda peer: "")
  monkeypatch.setattr(models.shutil, "which", lambda name: name)
  monkeypatch.setattr(turns, "versions_of", lambda by, plan: {})
  return asked


def test_turns_alternate_and_are_measured_once(plan, asked):
  journal = Journal(plan.output, "compare.jsonl", turns.SAME)
  journal.begin(HEAD)
  turns.run(plan, journal)
  ours, torch = ("ours", OURS), ("torch_forms", "torch")
  compiled = ("torch_forms", "torch.compile")
  assert asked == [ours, torch, compiled, torch, ours]
  row = journal.rows[CASE.name, "onnxruntime/0"]
  assert (row["state"], row["why"]) == (ABSENT, "it does not train")
  asked.clear()
  again = Journal(plan.output, "compare.jsonl", turns.SAME)
  more = dataclasses.replace(plan, turns=3)
  turns.run(more, again)
  assert asked == [compiled, ours, torch]  # what failed, and the third turn
  with pytest.raises(UserError, match="has results of cpu 'Some'"):
    again.begin(HEAD | {"cpu": "Other"})


def test_another_version_is_measured_again(plan, asked, monkeypatch):
  journal = Journal(plan.output, "compare.jsonl", turns.SAME)
  turns.run(plan, journal)
  asked.clear()
  new = lambda by, plan: {"torch": "3"} if by == "torch" else {}
  monkeypatch.setattr(turns, "versions_of", new)
  turns.run(dataclasses.replace(plan, peers=("torch",)), journal)
  assert [by for _, by in asked] == ["torch", "torch"]


def test_memory_is_of_the_process_alone():
  code = "from vision_jax.provenance import machine; import sys; "
  code += "print(machine.process_peak_bytes()); assert 'jax' not in sys.modules"
  words = [sys.executable, "-c", code]
  done = subprocess.run(
    words, stdout=subprocess.PIPE, text=True, check=True, cwd=environment.ROOT
  )
  assert 1e6 < float(done.stdout) < 1e8  # this one has more


def test_another_net_is_refused():
  assert models.check_parameters("torch", "resnet20", 5, 5)
  width = MODELS["vit_s16"].width  # of the class token's position
  models.check_parameters("big_vision", "vit_s16", 1000 - width, 1000)
  with pytest.raises(UserError, match="has 6 parameters; expected 5"):
    models.check_parameters("torch", "resnet20", 6, 5)


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--models=resnet5"], "--models: got 'resnet5'; did you mean 'resnet50'?"),
    (["--with=tim"], "--with: got 'tim'; did you mean 'timm'?"),
    (["--modes=test"], "--modes: got 'test'; did you mean"),
    (["--turns=0"], "--turns: got 0; expected 1 or more"),
    (["--seconds=0"], "--seconds: got 0.0; expected more than 0"),
    (["--big_vision=."], "which has no big_vision/models/vit.py; expected"),
    (["--with=scenic"], "--with: scenic is a checkout; expected --scenic=PATH"),
    (["--with="], "--with: nobody of these is here (none given); expected"),
    (["--dtype=float8"], "--dtype"),
    (["--models=unet", "--image_size=190"], "expected 188 plus a multiple"),
  ],
)
def test_bad_input(flags, message, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(turns, "head", lambda command: HEAD)
  monkeypatch.setattr(command, "missing", lambda peer: "")
  with pytest.raises(SystemExit) as stopped:
    command.main([*flags, f"--output={tmp_path / 'out'}"])
  assert stopped.value.code == 2 and not (tmp_path / "out").exists()
  assert message in " ".join(capsys.readouterr().err.split())


def test_nobody_is_installed(monkeypatch):
  monkeypatch.setattr(command, "missing", lambda peer: f"no {peer}")
  none = dict.fromkeys(("batch_size", "image_size", "turns", "seconds"))
  given = {"models": ["unet"], "modes": ["infer"], "peers": None}
  empty = dict.fromkeys(command.CHECKOUTS, "")
  asked = argparse.Namespace(**none, **given, **empty)
  with pytest.raises(UserError, match=r"torch: no torch; .*pip install"):
    command.check(asked)


FORMS = [
  (p, m) for m, x in MODELS.items() for p in x.forms if not PEERS[p].file
]


@pytest.mark.slow
@pytest.mark.parametrize(("peer", "model"), FORMS)
def test_forms_have_as_many_parameters_and_operations(peer, model):
  torch = oracles.library("torch")
  oracles.library("torch" if peer == "torch" else peer)
  from torch.utils.flop_counter import FlopCounterMode

  from benchmarks.compare import torch_forms
  from vision_jax.models import count, listing

  entry = listing.find(model)
  ours = count.forward_cost(entry.make(), entry.shape(1))
  with torch.device("meta"), torch.inference_mode():
    net = torch_forms.make(peer, model, entry.image[0]).eval()
    x = torch.zeros(1, *torch_forms.channels(model, entry.image[0]))
    with FlopCounterMode(display=False) as counter:
      out = torch_forms.logits_of(net(x))
  assert (torch_forms.size_of(net), counter.get_total_flops()) == ours
  assert out.shape[1] == {"unet": 2, "resnet20": 10}.get(model, 1000)


@pytest.mark.slow
def test_the_command_times_everybody_that_is_here(tmp_path, monkeypatch):
  oracles.library("torch")
  monkeypatch.setenv("OMP_NUM_THREADS", "1")  # whose threads wait for others
  flags = ["--models=resnet20", "--with=torch,timm,onnxruntime", "--turns=1"]
  flags += ["--size=tiny", "--seconds=0.01", f"--output={tmp_path}"]
  assert command.main(flags) == 0
  texts = (tmp_path / "compare.jsonl").read_text().splitlines()
  head, *rows = map(json.loads, texts)
  assert head["jax"] and head["git_commit"] is not None
  found = {(x["mode"], x["by"]): x for x in rows}
  assert len(found) == len(rows) == 8
  for mode in models.MODES:
    ours, torch = found[mode, OURS], found[mode, "torch"]
    assert ours["own_parameters"] == torch["own_parameters"] == 269_722
    for row in (ours, torch):
      assert row["state"] == MEASURED and row["step_ms"] > 0
      assert row["first_s"] > 0 and row["peak_bytes"] > 1e7
    assert found[mode, "timm"]["state"] == ABSENT
  assert ours["compile_s"] > 0 and torch["versions"]["torch"]
  page = (tmp_path / "compare.md").read_text()
  for mode, by in found:
    assert f"| resnet20 | {mode} | 2 of 32 x 32, float32 | {by} |" in page
  before = (tmp_path / "compare.jsonl").read_text().count('"measured"')
  assert command.main(flags) == 0  # and nothing is measured again
  after = (tmp_path / "compare.jsonl").read_text().count('"measured"')
  assert before == after
