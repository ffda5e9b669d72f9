"""Results, what follows from them, and the report."""

import dataclasses
import json
import pathlib
import re

import pytest

from benchmarks import environment, execute, finished, lines, result, statistics
from benchmarks.execute import Outcome
from benchmarks.page import rows as of_page
from benchmarks.report import command, markdown, pages, tables
from benchmarks.speed import table
from benchmarks.suite import SUITES, row_named
from benchmarks.suites.classification import MNIST
from vision_jax.report.clock import CLOCK

HARDWARE = {
  "platform": "cpu",
  "device_kind": "cpu",
  "device_count": 1,
  "cpu": "Some CPU",
  "cpu_cores": 2,
}


def plan(tmp_path=pathlib.Path(), **changes):
  return execute.Plan(output=tmp_path, hardware=HARDWARE, **changes)


def outcome(seed, value, **changes):
  fields = {
    "seed": seed,
    "value": value,
    "also": {},
    "curve": {},
    "speed": dict.fromkeys(finished.SPEED_KEYS, 10.0),
    "seconds": 12.0,
    "seconds_to": None,
    "hardware": HARDWARE,
    "versions": {"jax": "0"},
    "git_commit": "abc",
    "date": f"2026-01-0{seed + 1}T00:00:00+00:00",
  }
  return Outcome(**fields | changes)


def lenet(**changes):
  return dataclasses.replace(MNIST[0], **changes)


def lenet_result(values=(0.99, 0.991, 0.992), **changes):
  outcomes = [outcome(seed, value) for seed, value in enumerate(values)]
  return result.make_result(lenet(), outcomes, plan(**changes))


def vae_line():
  """A line of a row with a target, other metrics, and nats."""
  row = row_named("digits_vae")
  values = outcome(0, 22.5, also=dict.fromkeys(row.also, 22.0))
  return lines.line(result.make_result(row, [values], plan()))


def test_recalled_reference_never_gates():
  row = lenet(reference="digits_svc_sklearn")
  outcomes = [outcome(0, 0.99), outcome(1, 0.99)]
  found = result.make_result(row, outcomes, plan())
  assert found.verdict == statistics.NOT_COMPARABLE


def test_line_carries_everything_and_is_read_back():
  found = lenet_result()
  line = json.loads(json.dumps(lines.line(found)))
  assert line["mean"] == pytest.approx(0.991)
  assert line["seeds"] == [0, 1, 2]
  assert line["values"] == [0.99, 0.991, 0.992]
  assert line["reference"]["value"] == 0.9905
  assert line["reference"]["source_url"] and line["reference"]["protocol"]
  assert line["verdict"] == statistics.REPRODUCED
  assert line["target_met"] is True
  assert line["weights"] == "raw"
  assert line["mfu"] is None  # a CPU's peak is not known
  assert line["images_per_s"] == 10.0
  assert "--config.seed=0" in line["command"]
  assert lines.line(lines.parse(line)) == line


def test_target_is_separate_from_the_verdict():
  found = lenet_result(values=(0.9895, 0.9895))
  assert found.verdict == statistics.REPRODUCED
  assert found.target_met is False


def test_a_result_that_falls_short_says_why():
  row = dataclasses.replace(lenet(), cause="there was a hole | in it")
  short, whole = (
    dataclasses.replace(lenet_result(values=(x, x)), row=row)
    for x in (0.9895, 0.9905)
  )
  assert "Falls short: there was a hole \\| in it." in tables.notes([short])
  assert "Falls short" not in tables.notes([whole])
  assert row.cause in of_page.words(short) and row.cause not in of_page.words(
    whole
  )


def test_what_is_kept_and_falls_short_says_why():
  kept = lines.read(environment.ROOT / "benchmarks/results")
  missed = [x for x in kept if x.verdict == statistics.MISSED]
  missed += [x for x in kept if x.target_met is False]
  assert missed and all(x.cause for x in missed), [x.row.name for x in missed]


@pytest.mark.parametrize(
  "change", [{"variant": "tiny"}, {"overrides": {"lr": "1"}}]
)
def test_changed_recipe_is_not_comparable(change):
  found = lenet_result(**change)
  assert found.verdict == statistics.NOT_COMPARABLE
  assert found.target_met is None
  assert lines.line(lines.parse(lines.line(found))) == lines.line(found)


def test_absent_row_has_a_reason_and_no_number():
  found = result.make_absent(lenet(), plan(), "no data")
  assert found.verdict == statistics.NOT_RUN
  assert found.mean is None and not found.values
  assert lines.parse(lines.line(found)).reason == "no data"


@pytest.mark.parametrize("key", lines.line(lenet_result()))
def test_line_that_lacks_a_field_is_refused(key):
  line = lines.line(lenet_result())
  del line[key]
  with pytest.raises(lines.BadResult, match=key):
    lines.parse(line, "results.jsonl:1")


NAN, INF = float("nan"), float("inf")
FORGED = [
  ("mean", 5.0),
  ("mean", 0.5),
  ("mean", NAN),
  ("mean", None),
  ("sd", 0.0),
  ("sd", None),
  ("ci95", [0.99, 0.992]),
  ("values", [5.0, 5.0, 5.0]),
  ("values", [0.99, 0.991]),
  ("values", [0.99, NAN, 0.991]),
  ("values", [0.99, INF, 0.991]),
  ("values", ["0.99", 0.991, 0.992]),
  ("values", [True, True, True]),
  ("values", 0.99),
  ("values", []),
  ("seeds", [0, 0, 0]),
  ("seeds", [0, 1]),
  ("seeds", [0, 1, -2]),
  ("seeds", [0, 1, 2.5]),
  ("seeds", None),
  ("verdict", "great"),
  ("verdict", statistics.MISSED),
  ("verdict", statistics.NOT_RUN),
  ("verdict", statistics.FAILED),
  ("reason", "it rained"),
  ("target", 0.5),
  ("target_met", False),
  ("target_met", None),
  ("tolerance", 1.0),
  ("row", "mnist_lenet2"),
  ("row", "mnist_cnn"),
  ("row", 7),
  ("suite", "cifar10"),
  ("config", "configs/classification/mnist_cnn.py"),
  ("metric", "val/accuracy"),
  ("weights", "averaged"),
  ("unit", "nats"),
  ("dataset", "emnist"),
  ("protocol", "the best of many"),
  ("variant", "tiny"),
  ("overrides", {"lr": "1"}),
  ("overrides", None),
  ("command", "python -m somewhere_else"),
  ("differs", "an excuse"),
  ("reference", None),
  ("reference", {"value": 0.5}),
  ("also", {"test/loss": 0.1}),
  ("curve", {"test/loss": [[1, 2]]}),
  ("images_per_s", -1),
  ("images_per_s", "fast"),
  ("mfu", 0.5),
  ("clock", "new"),
  ("hardware", None),
  ("hardware", {**HARDWARE, "cpu": None}),
  ("hardware", {**HARDWARE, "device_count": 0}),
  ("versions", ["jax"]),
  ("git_commit", None),
  ("date", None),
  ("date", "yesterday"),
  ("note", "trust me"),
]


@pytest.mark.parametrize(("field", "value"), FORGED)
def test_forged_line_is_refused_by_line_and_field(
  field, value, tmp_path, capsys
):
  line = lines.line(lenet_result()) | {field: value}
  file = tmp_path / "forged.jsonl"
  file.write_text(
    json.dumps(lines.line(lenet_result())) + "\n" + json.dumps(line)
  )
  assert command.main([f"--input={file}"]) == 2
  message = capsys.readouterr().err
  assert "forged.jsonl:2" in message
  # What was run shows where something that follows from it is told.
  follows = {"row": "suite|row", "variant": "command", "overrides": "command"}
  assert re.search(
    f": row .*: .*({field}|{follows.get(field, field)})", message
  )


@pytest.mark.parametrize("key", ["value", "source_url", "evidence", "protocol"])
def test_altered_reference_is_refused(key):
  line = lines.line(lenet_result())
  altered = line["reference"] | {key: 0.9 if key == "value" else "primary"}
  with pytest.raises(lines.BadResult, match="reference"):
    lines.parse(line | {"reference": altered})


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "{}", "{", "NaN"])
def test_what_is_no_result_is_refused(text, tmp_path, capsys):
  file = tmp_path / "bad.jsonl"
  file.write_text(text + "\n")
  assert command.main([f"--input={file}"]) == 2
  assert "bad.jsonl:1" in capsys.readouterr().err


def test_missing_or_other_metrics_are_refused():
  for also in ({}, {"bound/nll_k1000": NAN}, {"bound/nll": 22.0}):
    with pytest.raises(lines.BadResult, match="also"):
      lines.parse(vae_line() | {"also": also})
  assert lines.parse(vae_line()).also == {"bound/nll_k1000": 22.0}


def test_metric_that_a_run_did_not_report_stays_blank():
  speed = dict.fromkeys(finished.SPEED_KEYS, 10.0)
  blank = outcome(1, 0.99, speed=speed | {"images_per_s": None})
  found = result.make_result(lenet(), [outcome(0, 0.99), blank], plan())
  assert found.speed["images_per_s"] is None
  assert tables.speed_cells(found)[1] == ""


def test_speeds_of_an_earlier_clock_are_not_shown():
  now = lenet_result()
  old = dataclasses.replace(now, clock=CLOCK - 1)
  shown = dict(zip(tables.SPEED_COLUMNS, tables.speed_cells(old), strict=True))
  for column in ("images/s", "step p50 / p95 ms", "data wait"):
    assert shown[column] == "to be measured again"
  assert "to be measured again" not in tables.speed_cells(now)


def test_seeds_of_two_machines_are_not_joined():
  other = outcome(1, 0.99, hardware={**HARDWARE, "device_kind": "TPU v4"})
  with pytest.raises(AssertionError, match="two machines"):
    result.make_result(lenet(), [outcome(0, 0.99), other], plan())


def test_report_without_input_says_so(tmp_path, capsys):
  assert command.main([f"--input={tmp_path / 'none.jsonl'}"]) == 2
  assert "none.jsonl" in capsys.readouterr().err


def checkout(folder):
  """A folder with the README's digest, outdated, to write results into."""
  (folder / "benchmarks").mkdir()
  readme = folder / "README.md"
  proofs = "\n".join(pages.PROOFS)
  block = f"{pages.BEGIN}\nOUTDATED\n{pages.END}"
  readme.write_text(f"{proofs}\n{block}\ntail\n")
  return readme


def test_the_page_has_all_rows_and_the_digest_those_that_were_run(tmp_path):
  readme = checkout(tmp_path)
  lines.write([lenet_result()], tmp_path / "results.jsonl")
  words = [f"--input={tmp_path}", f"--write={tmp_path}"]
  assert command.main(words) == 0
  digest, page = readme.read_text(), (tmp_path / pages.PAGE).read_text()
  assert digest.startswith(f"{pages.PROOFS[0]}\n- **Published files")
  assert "1 rows were run" in digest and "1 `reproduced`." in digest
  assert f"{pages.BEGIN}\nBeside published numbers, " in digest
  assert digest.endswith(f"|\n{pages.END}\ntail\n") and "99.10 ± 0.10" in digest
  assert digest.count("\n| ") == 2 + 1
  for rows in SUITES.values():
    assert all(f"| {row.name} |" in page for row in rows)
  assert "99.10 ± 0.10" in page
  assert command.main(words) == 0
  assert (readme.read_text(), (tmp_path / pages.PAGE).read_text()) == (
    digest,
    page,
  )


def test_the_digest_begins_with_what_a_reader_can_check():
  """Nothing to download, then published numbers; the rest is folded."""
  digits = dataclasses.replace(lenet_result(), row=row_named("digits_cnn"))
  other = dataclasses.replace(lenet_result(), row=row_named("mnist_cnn"))
  text = tables.digest([other, lenet_result(), digits])
  heads = ("On a CPU", "| digits_cnn |", "Beside published", "| mnist_lenet |")
  places = [text.index(x) for x in (*heads, "<details>", "| mnist_cnn |")]
  assert places == sorted(places) and text.endswith("|\n\n</details>\n")
  assert "1 more, on other data" in text


def test_a_readme_without_a_block_is_refused(tmp_path, capsys):
  readme = checkout(tmp_path)
  readme.write_text("nothing\n")
  assert command.main([f"--input={tmp_path}", f"--write={tmp_path}"]) == 2
  assert pages.PROOFS[0] in capsys.readouterr().err
  assert readme.read_text() == "nothing\n"
  assert not (tmp_path / pages.PAGE).exists()


def test_newest_result_of_a_row_on_a_machine_is_shown():
  old = lenet_result()
  # Later in time, though earlier as text.
  date = "2026-01-02T23:30:00-05:00"
  old = dataclasses.replace(old, date="2026-01-03T00:00:00+00:00")
  new = dataclasses.replace(lenet_result(values=(0.5, 0.5)), date=date)
  hardware = {**HARDWARE, "device_kind": "TPU v4"}
  other = dataclasses.replace(old, hardware=hardware)
  kept = pages.newest([new, old, other])
  assert len(kept) == 2 and new in kept and other in kept


@pytest.mark.parametrize(
  "change", [{"variant": "tiny"}, {"overrides": {"steps": "10"}}]
)
def test_a_later_result_of_another_recipe_does_not_replace_a_row(change):
  full = lenet_result()
  later = dataclasses.replace(
    lenet_result(values=(0.1,), **change), date="2027-01-01T00:00:00+00:00"
  )
  kept = pages.newest([full, later])
  assert kept == [full, later]
  shown = [x for x in pages.with_absent(kept) if x.row.name == "mnist_lenet"]
  assert shown == [full]


def test_a_report_names_every_machine():
  hardware = {**HARDWARE, "platform": "gpu", "device_kind": "NVIDIA H100"}
  other = dataclasses.replace(lenet_result(), hardware=hardware)
  text = pages.page([lenet_result(), other], "Both")
  assert "2 cores of Some CPU; jax 0" in text
  assert "1 x NVIDIA H100; jax 0" in text


def test_markdown_of_names_and_links_is_escaped():
  name = "a|b [x](y) *z* `c` <d> _e_\nf snake_case"
  assert markdown.escape(name) == (
    r"a\|b \[x\](y) \*z\* \`c\` \<d\> \_e\_ f snake_case"
  )
  assert markdown.link("[t]", "https://x.org/a b(c)") == (
    r"[\[t\]](https://x.org/a%20b%28c%29)"
  )
  assert markdown.link("t", "javascript:alert(1)") == "t"
  assert markdown.code("a ` b\n`` c") == "``` a ` b `` c ```"
  hardware = {**HARDWARE, "cpu": "CPU | [free](http://x.org)"}
  found = dataclasses.replace(lenet_result(), hardware=hardware)
  row = tables.results_markdown([found]).splitlines()[4]
  assert r"CPU \| \[free\](http://x.org)" in row
  assert row.replace(r"\|", "").count("|") == len(tables.COLUMNS) + 1


def speed_row(auto, off, **more):
  return {
    "row": "net/train/b8",
    "compile_cached": True,
    "images_per_s": 8e3 / auto[1],
    "plain_images_per_s": 8e3 / off[1],
    "step_p50_ms": auto[1],
    "step_p95_ms": auto[1],
    "compile_s": 1.0,
    "peak_bytes": 1.0,
    "flops_per_step": 1e9,
    "mfu": None,
    "turn_ms": {"auto": auto, "off": off},
    "timing": table.TIMING,
    **more,
  }


def test_a_multiplier_is_of_the_rates_beside_it_with_its_range():
  row = speed_row([90.0, 100.0, 110.0], [120.0, 125.0, 200.0])
  assert "1.25x (1.25 to 1.82) of 64.0 untuned" in table.numbers(row)


@pytest.mark.parametrize("row", [{"share": 0.1}, {"step_p50_ms": 2.0}])
def test_steps_that_were_timed_otherwise_are_not_shown(row):
  assert table.numbers(row) == tables.STALE
  assert table.numbers(row | {"timing": 1}) == tables.STALE


def test_what_is_below_the_noise_is_not_distinguishable():
  row = speed_row([90.0, 100.0, 110.0], [120.0, 105.0, 99.0])
  assert "not distinguishable from 76.2 untuned (0.90 to 1.33x)" in (
    table.numbers(row)
  )
  share = {"row": "loop/overhead", "model": "net", "share": -0.089}
  share["timing"] = table.TIMING
  shares = {"shares": [0.07, -0.13, -0.17]}
  assert table.numbers(share | shares) == (
    "not distinguishable from nothing (-17.0% to 7.0% of a step) (net)"
  )
  assert table.numbers(share | {"share": 0.02, "shares": [0.01, 0.03]}) == (
    "2.0% of a step (1.0% to 3.0%) (net)"
  )


def test_committed_results_are_valid_and_are_what_is_shown():
  results = pages.newest(lines.read(pages.RESULTS))
  speeds = table.read(pages.RESULTS)
  page = (environment.ROOT / pages.PAGE).read_text("utf-8")
  assert page == pages.everything(results, speeds)
  readme = (environment.ROOT / "README.md").read_text("utf-8")
  assert readme == pages.fill(readme, results)
