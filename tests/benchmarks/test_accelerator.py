"""The script for an accelerator: its flags, budget, resuming, verdicts.

One test runs all of it at tiny size (slow).
"""

import importlib
import json
import os
import runpy
import subprocess
import sys
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import environment, references
from benchmarks.accelerator import (
  __main__,
  cases,
  child,
  first_losses,
  options,
  plan,
  recipes,
  report,
  run,
  smoke,
  targets,
  torchvision_operators,
  traces,
  verdicts,
)
from benchmarks.accelerator.guard import Guard
from benchmarks.accelerator.journal import Journal
from benchmarks.accelerator.states import FAILED, LATE, MEASURED
from benchmarks.duration import read_budget
from benchmarks.speed import steps
from tests.programs.command import seconds_of_children
from vision_jax.errors import UserError
from vision_jax.forms.choice import FORMS, use_forms
from vision_jax.models import count
from vision_jax.planning import devices, made_up
from vision_jax.recipe import recipe

HEAD = {
  "platform": "gpu",
  "device_kind": "NVIDIA H100 80GB HBM3",
  "device_count": 1,
  "jax": "0.10.2",
  "jaxlib": "0.10.2",
  "size": "full",
  "xla_flags": "",
}


def flags(*words):
  return ["--output=out", *words]


def test_durations_and_stages_are_read():
  assert read_budget("25m") == 1500
  assert read_budget("90") == read_budget("90s") == 90
  assert read_budget("1.5h") == 5400
  found = options.parse(flags("--stages=steps,smoke", "--budget=4m"))
  assert found.stages == ("smoke", "steps") and found.budget == 240
  assert sum(plan.SIZES["full"].values()) == 1500  # the 25 minutes


@pytest.mark.parametrize(
  ("words", "message"),
  [
    (["--budget=2m"], "--budget: got '2m'; expected 240s or more, .* smoke"),
    (["--budget=soon"], "--budget: got 'soon'; expected a duration"),
    (["--budget=0m"], "more than nothing"),
    (["--stages=smok,steps"], "--stages: got 'smok'; did you mean 'smoke'"),
    (["--stages=,"], "--stages: got none"),
    (["--xla_flags=--xla_fly_high=1"], "got --xla_fly_high; .*jaxlib 0.1"),
    (["--xla_flags=fast"], "got fast; expected --NAME=VALUE"),
  ],
)
def test_bad_input_says_what_and_ends_with_2(words, message, capsys):
  with pytest.raises(UserError, match=message):
    options.parse(flags(*words))
  assert __main__.main(flags(*words)) == 2
  assert capsys.readouterr().err.startswith("error: --")


def test_a_short_budget_will_do_without_smoke():
  words = flags("--budget=30s", "--stages=steps")
  assert options.parse(words).budget == 30


def test_stages_share_what_is_left_of_the_budget():
  now = [0.0]
  seconds = {"smoke": 10.0, "pairs": 30.0, "steps": 60.0}
  guard = Guard(55, seconds, tuple(seconds), now=lambda: now[0])
  assert guard.left("smoke") == 10  # whole, and the rest shrinks
  assert guard.left("pairs") == 25 and guard.left("steps") == 55
  now[0] = 4.0  # smoke ended early: its time is the others'
  assert guard.left("pairs") == 21
  now[0] = 30.0
  assert guard.left("pairs") == 0 and guard.left("steps") == 25


def row(name, state=MEASURED, stage="smoke", **more):
  return {"stage": stage, "name": name, "state": state, **more}


def test_the_journal_goes_on_where_a_kill_has_torn_it(tmp_path):
  journal = Journal(tmp_path)
  journal.begin(HEAD)
  for name, state in (("a", MEASURED), ("b", LATE), ("c", FAILED)):
    journal.add(row(name, state))
  with journal.path.open("a") as file:
    file.write('{"stage": "smoke", "na')
  again = Journal(tmp_path)
  again.begin(HEAD)
  assert again.done("smoke", "a")
  assert not any(again.done("smoke", name) for name in "bcd")
  again.add(row("b"))
  assert Journal(tmp_path).done("smoke", "b")
  assert all(map(json.loads, journal.path.read_text().splitlines()))


def test_results_of_another_machine_are_not_mixed(tmp_path):
  Journal(tmp_path).begin(HEAD)
  other = HEAD | {"device_kind": "NVIDIA A100-SXM4-80GB"}
  with pytest.raises(UserError, match=r"device_kind 'NVIDIA H100.* folder"):
    Journal(tmp_path).begin(other)


def test_lines_of_others_are_refused(tmp_path):
  (tmp_path / "results.jsonl").write_text('{"row": "resnet50"}\n')
  with pytest.raises(UserError, match=r"line 1: .*none of this command's"):
    Journal(tmp_path)


def asked(tmp_path, *words):
  return options.parse([f"--output={tmp_path}", *words])


def fake(monkeypatch, found, head=HEAD):
  """Replaces processes by `found`, names -> rows; returns what was asked."""
  calls = []

  def rows(module, names, *_):
    calls.append((module, tuple(names)))
    yield from found(tuple(names))

  monkeypatch.setattr(child, "rows", rows)
  monkeypatch.setattr(environment, "probe", lambda _: dict(head))
  monkeypatch.setattr(
    environment, "versions", lambda: {"jax": "0.10.2", "jaxlib": "0.10.2"}
  )
  return calls


def test_a_run_goes_on_past_a_break_and_resumes(tmp_path, monkeypatch, capsys):
  def breaking(names):
    yield {"name": names[0], "state": MEASURED}
    if len(names) > 1:
      yield {"name": names[1], "state": FAILED, "why": "out of memory"}

  calls = fake(monkeypatch, breaking)
  assert not run.run(asked(tmp_path, "--stages=pairs"))
  assert "pairs/transfer_uint8" in capsys.readouterr().out
  names = plan.OPERATIONS
  assert calls[1:] == [
    ("benchmarks.accelerator.pairs", names[i:]) for i in range(0, len(names), 2)
  ]
  calls = fake(
    monkeypatch, lambda names: ({"name": n, "state": MEASURED} for n in names)
  )
  assert run.run(asked(tmp_path, "--stages=pairs"))
  assert calls == [
    ("benchmarks.accelerator.transfer", plan.TRANSFERS[1:]),
    (
      "benchmarks.accelerator.pairs",
      names[1::2],
    ),  # those that broke, and no other
  ]
  assert (tmp_path / "report.md").read_text().startswith("# Measured on NVIDIA")


def test_what_there_is_no_time_for_is_said_and_left_to_the_next(
  tmp_path, monkeypatch
):
  calls = fake(monkeypatch, None)
  monkeypatch.setattr(Guard, "left", lambda *_: 0.0)
  assert run.run(asked(tmp_path, "--stages=input"))
  assert not calls
  journal = Journal(tmp_path)
  states = {found["state"] for found in journal.rows.values()}
  assert states == {LATE} and not journal.done("input", "cifar10_fast")


def test_a_wrong_number_ends_with_3(tmp_path, monkeypatch, capsys):
  wrong = lambda names: (
    {"name": n, "state": MEASURED, "ok": False, "error": 0.5} for n in names
  )
  fake(monkeypatch, wrong)
  words = [f"--output={tmp_path}", "--stages=smoke"]
  assert __main__.main(words) == 3
  assert "WRONG: error 5.00e-01" in capsys.readouterr().out


def test_a_bias_gradient_that_lost_tokens_is_wrong(monkeypatch):
  found = smoke.measure("bias_gradient", size="tiny")
  assert found["ok"] and found["length"] == pytest.approx(1, abs=1e-3)

  class Lossy(nn.Dense):  # half of the tokens give its bias no gradient
    def __call__(self, x):
      y = super().__call__(x)
      half = x.shape[1] // 2
      return jnp.where(jnp.arange(x.shape[1])[:, None] < half, y, 0)

  monkeypatch.setattr(smoke, "Dense", Lossy)
  found = smoke.measure("bias_gradient", size="tiny")
  assert not found["ok"] and found["length"] == pytest.approx(0.5)


def test_a_value_that_is_not_finite_is_wrong(monkeypatch):
  """Be it the only one, and not the first."""
  x = jnp.zeros(3)
  found = smoke.compared(lambda a, b: a + 1 + jnp.sqrt(b), (x, x))
  assert not found["ok"]  # the gradient by b alone

  losses = iter(({"loss": 1.0, "loss/g": 2.0}, {"loss": 1.0, "loss/g": np.nan}))
  monkeypatch.setattr(first_losses, "first_loss", lambda *_: next(losses))
  found = first_losses.measure("generation/digits_gan")
  assert not found["ok"]


def test_without_an_accelerator_the_marks_are_targets(
  tmp_path, monkeypatch, capsys
):
  head = HEAD | {"platform": "cpu", "device_kind": "cpu"}
  calls = fake(monkeypatch, None, head)
  assert __main__.main([f"--output={tmp_path}"]) == 0
  out = capsys.readouterr().out
  assert not calls and "not run here: jax runs on the CPU" in out
  assert "vit_b16_b256: 1,459 images/s" in out and "8x H100" in out
  assert "resnet50_b256: 3,411 images/s" in out
  assert "vit_b16_b256: 50% of the card's peak: not run here" in out
  assert out.count("ahead of torch.compile") == 5


def measured(images, **more):
  return {"state": MEASURED, "images_per_s": images, **more}


def test_marks_are_met_or_missed():
  rows = {
    ("steps", "vit_b16_b256"): measured(2000.0, mfu=0.4),
    ("steps", "torch_vit_b16_b256"): measured(1000.0),
    ("steps", "resnet50_b256"): measured(3000.0, mfu=None),
  }
  lines = "\n".join(targets.lines(rows))
  assert "2,000: met" in lines and "40.0%: missed" in lines
  assert "3,000: missed" in lines and "2.00 times: met" in lines
  assert references.load()["h100_vit_b16_jax_toolbox"].source_url in lines


def pair(one, other, default="window", **more):
  times = {"window": one, "shifts": other}
  middle = {name: sorted(x)[len(x) // 2] for name, x in times.items()}
  found = {"operation": "pool_blocks", "default": default, "ms": middle}
  return row("pool", stage="pairs", turn_ms=times, **found, **more)


def test_a_form_wins_that_is_faster_in_every_turn():
  assert verdicts.fastest({"a": [2.0, 2.2], "b": [1.0, 1.1]}) == "b"
  assert verdicts.fastest({"a": [1.0, 1.2], "b": [1.1, 1.1]}) is None
  three = {"a": [2.0, 2.2], "b": [1.0, 1.1], "c": [1.5, 1.0]}
  assert verdicts.fastest(three) is None
  clear, other = pair([4.0, 4.4], [2.0, 2.0]), pair([1.0, 1.0], [3.0, 3.0])
  assert "make 'shifts' the default" in verdicts.lines([clear])[0]
  stays = verdicts.lines([pair([4.0, 4.4], [2.0, 2.0], "shifts")])[0]
  assert "shifts stays" in stays and "0.45 to 0.50 of it" in stays
  exact = clear | {"operation": "dense_gradient"}
  assert "shifts wins, window stays for" in verdicts.lines([exact])[0]
  # One default for all shapes: a form that loses for one of them does not win.
  assert "no form wins" in verdicts.lines([clear, other])[0]


def test_steps_that_differ_in_one_thing_are_compared():
  new = row("unet_b8_bf16", stage="steps", images_per_s=300.0, peak_bytes=5)
  old = row("unet_b8", stage="steps", images_per_s=200.0, peak_bytes=10)
  (line,) = verdicts.step_lines([new, old, row("unet_b8_old_forms", FAILED)])
  assert line.startswith(
    "unet_b8_bf16: 1.50x of the images/s of unet_b8, 0.50x"
  )
  names = {name for both in cases.COMPARED for name in both}
  assert names <= set(cases.STEPS)


def test_a_trace_tells_the_dearest_kernels_and_the_idle_share():
  events = [("a", 0.0, 4.0), ("b", 2.0, 6.0), ("a", 8.0, 10.0)]
  found = traces.summary(events, top=1)
  assert found["idle_share"] == pytest.approx(0.2)
  (kernel,) = found["kernels"]
  assert kernel["name"] == "a" and kernel["count"] == 2
  assert kernel["share"] == pytest.approx(0.6)


def test_a_recipe_tells_when_it_reached_the_goal():
  speed = {"time/step_p50_ms": 100.0, "time/images_per_s": 5120.0}
  lines = [
    {"step": 100, "time": 1010.0, "time/data_wait_share": 0.02, **speed},
    {"step": 100, "time": 1011.0, "test/ema/accuracy": 0.93},
    {"step": 200, "time": 1021.0, "time/data_wait_share": 0.01, **speed},
    {"step": 200, "time": 1022.0, "test/ema/accuracy": 0.941},
  ]
  found = recipes.summary(lines)
  assert found["seconds_to"] == 22.0  # ten seconds of steps before the first
  assert found["data_wait_share"] == 0.01 and found["best"] == 0.941
  assert recipes.summary(lines[:2])["seconds_to"] is None


def test_every_form_is_timed_and_every_name_can_be_measured():
  from benchmarks.accelerator import pairs, torch_steps

  assert set(pairs.CASES) == set(plan.OPERATIONS)
  named = {n if n in FORMS else n.rpartition("_")[0] for n in plan.OPERATIONS}
  assert named == set(FORMS)
  assert set(torch_steps.MODELS) == {*cases.PEERS, "torch_detr_tiny"}
  assert set(cases.PEERS.values()) | set(cases.TRACED) <= set(cases.STEPS)
  for size in plan.SIZES:
    for stage in plan.STAGES:
      names = [n for g in plan.groups(stage, size) for n in g.names]
      assert names and len(set(names)) == len(names)


@pytest.mark.parametrize("name", cases.CASES)
def test_every_case_has_a_config_of_these_values(name):
  case = cases.CASES[name]
  loaded = recipe.load(case.config, case.overrides, resolve=False)
  assert loaded.config.batch_size > 0
  assert all(form in FORMS[op] for op, form in case.forms.items())


def test_a_card_that_is_not_known_leaves_mfu_blank():
  blank = measured(1.0, mfu=None, mfu_why="the card 'X' is not in ...")
  assert "MFU blank: the card 'X'" in report.numbers(blank)
  assert devices.peak_flops("NVIDIA X") is None


@pytest.mark.parametrize("own", [True, False])
def test_torchvisions_own_operators_are_left_to_it(monkeypatch, own):
  """Declared a second time they would end the process."""
  declared = []

  def imported(name):
    if name == "torchvision" and not own:
      raise RuntimeError("operator torchvision::nms does not exist")
    library = types.SimpleNamespace(define=declared.append)
    names = types.SimpleNamespace(Library=lambda *_: library)
    return types.SimpleNamespace(library=names)

  declare = runpy.run_path(torchvision_operators.__file__)["declare"]
  monkeypatch.setattr(importlib, "import_module", imported)
  declare()
  declare()
  names = [line.split("(")[0] for line in declared]
  assert names.count("nms") == (not own) and len({*names}) == len(names)


SCRIPT = """
import os, signal, sys, time
def measure(name, **settings):
  print("said", name)
  if name == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
  if name == "sleeps":
    time.sleep(3600)
  if name == "raises":
    raise MemoryError("of the card")
  return {"value": float("nan"), "settings": settings}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
  ("last", "limit", "state", "why"),
  [
    ("dies", 600.0, FAILED, "ended with -9"),
    ("sleeps", 10.0, LATE, "had 10 s"),
  ],
)
def test_a_process_tells_what_it_measures_until_it_ends(
  tmp_path, last, limit, state, why
):
  folder = tmp_path / "benchmarks" / "accelerator"
  script = environment.ROOT / "benchmarks" / "accelerator"
  folder.mkdir(parents=True)
  for name in ("__init__", "measure", "states"):
    (folder / f"{name}.py").write_text((script / f"{name}.py").read_text())
  (folder / "fake.py").write_text(SCRIPT)
  (tmp_path / "benchmarks" / "__init__.py").write_text("")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(environment, "ROOT", tmp_path)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
    log = tmp_path / "log.txt"
    names = ("works", "raises", last, "after")
    module = "benchmarks.accelerator.fake"
    rows = list(child.rows(module, names, {"k": 1}, limit, variables, log))
  assert [x["name"] for x in rows] == list(names[:3])
  assert rows[0]["state"] == MEASURED and rows[0]["settings"] == {"k": 1}
  assert rows[0]["value"] is None  # not a number is no JSON
  assert rows[1]["why"] == "MemoryError: of the card"
  assert rows[2]["state"] == state and why in rows[2]["why"]
  assert "said works" in log.read_text()


def shapes(batch):
  return {k: (x.shape, x.dtype) for k, x in batch.items()}


@pytest.mark.parametrize(
  "path",
  [
    "configs/segmentation/digit_scenes_unet.py",
    "configs/detection/digit_scenes_detr.py",
    "configs/generation/digits_ddpm.py",
    "configs/classification/digits_cnn.py",
    "configs/translation/digits_cycle.py",
    "configs/translation/digits_edges.py",
  ],
)
def test_a_made_up_batch_is_like_a_real_one(path):
  """Of the same config, whose own data are here."""
  experiment, config = steps.build(f"{path}:tiny", {})
  real = made_up.batch(experiment, config)
  config.dataset = "elsewhere"
  other = made_up.batch(experiment, config)
  assert shapes(other) == shapes(real)
  if "boxes" in other:
    assert other["box_mask"].sum(1).min() >= 1
    assert (other["boxes"][other["box_mask"] == 0] == 0).all()


def test_steps_are_built_without_their_data(monkeypatch):
  monkeypatch.delenv("VISION_JAX_DATA", raising=False)
  for path in ("detection/coco_detr_r50", "segmentation/camvid_unet"):
    values = {"batch_size": "1", "image_size": "(64, 64)"}
    experiment, config = steps.build(f"configs/{path}.py", values)
    assert made_up.batch(experiment, config)["image"].shape == (1, 64, 64, 3)


def test_the_step_that_is_timed_is_that_of_a_run():
  path = "configs/classification/cifar10_fast.py:tiny"
  experiment, config = steps.build(path, {"accumulate": "2"})
  batch = made_up.batch(experiment, config)
  key = jax.random.key(0)
  state = jax.eval_shape(lambda: experiment.initial_state(key, batch))
  run_of = experiment.train_step(accumulate=2, norm_group=config.norm_group)
  ours, theirs = (
    jax.jit(step).lower(state, batch).as_text()
    for step in (steps.step_of(experiment, config), run_of)
  )
  assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.STEPS)
def test_every_case_is_traced_without_its_data(name, monkeypatch):
  """At its full size but for the batch; nothing is compiled."""
  monkeypatch.delenv("VISION_JAX_DATA", raising=False)
  case = cases.STEPS[name]
  values = {**case.overrides, "batch_size": "2"}
  experiment, config = steps.build(case.config, values)
  batch = made_up.batch(experiment, config)
  key = jax.random.key(0)
  state = jax.eval_shape(lambda: experiment.initial_state(key, batch))
  with use_forms(**case.forms):
    step = steps.step_of(experiment, config)
    assert count.flops(step, state, batch) > 1e8


def test_rates_are_of_blocks():
  found = {"seconds": [0.1, 0.2, 0.4], "dispatch": [0.01, 0.02, 0.03]}
  rates = steps.rates(found, 8)
  assert rates["images_per_s"] == 40 and rates["step_p95_ms"] == 400
  assert rates["dispatch_ms"] == 20


@pytest.mark.slow
def test_the_whole_script_on_a_cpu(tmp_path):
  """Every stage at tiny size, in under two minutes of CPU."""
  kept = {k: v for k, v in os.environ.items() if k != "JAX_NUM_CPU_DEVICES"}
  command = [sys.executable, "-m", "benchmarks.accelerator", "--size=tiny"]
  command += [f"--output={tmp_path}", "--budget=55m"]
  call = lambda: subprocess.run(
    command,
    cwd=environment.ROOT,
    env=kept,
    capture_output=True,
    text=True,
  )
  before = seconds_of_children()
  done = call()
  assert done.returncode == 0, done.stdout + done.stderr
  assert seconds_of_children() - before < 120
  rows = Journal(tmp_path).rows
  asked = {
    (stage, name)
    for stage in plan.STAGES
    for group in plan.groups(stage, "tiny")
    for name in group.names
  }
  assert set(rows) == asked
  absent = {n for (_, n), x in rows.items() if x["state"] != MEASURED}
  assert absent <= {"torch_detr_tiny"}, absent  # where torch is not installed
  assert all(rows["steps", n]["images_per_s"] > 0 for n in cases.TINY)
  assert rows["steps", "digits_gan"]["flops_per_step"] > 0
  assert rows["trace", "digits_gan"]["kernels"]
  assert rows["input", "cifar10_fast"]["data_wait_share"] is not None
  start = seconds_of_children()
  assert call().returncode == 0  # has nothing left to measure
  assert seconds_of_children() - start < 20
