"""What does not add up in results is named, and the rest goes on."""

import dataclasses
import json
import re
import shutil

import pytest

from benchmarks import (
  against,
  doubts,
  execute,
  lines,
  options,
  references,
  run,
  statistics,
)
from benchmarks.report import command, pages
from benchmarks.suite import row_named
from vision_jax import __version__

ELSEWHERE = {"platform": "gpu", "device_kind": "NVIDIA H100"}


@pytest.fixture(scope="module")
def lenet():
  """A result of three seeds that is held against a reference."""
  kept = lines.read(pages.RESULTS / "mnist_cpu.jsonl")
  return next(x for x in kept if x.row.name == "mnist_lenet")


def moved(result, **changes):
  """A later result, on another machine."""
  hardware = {**result.hardware, **ELSEWHERE}
  date = "2027-01-01T00:00:00+00:00"
  return dataclasses.replace(result, hardware=hardware, date=date, **changes)


def write(folder, *found):
  file = folder / "results.jsonl"
  file.write_text("".join(json.dumps(x) + "\n" for x in found))
  return file


def test_results_of_a_recipe_that_disagree_are_named(lenet):
  other = moved(lenet, values=[0.95, 0.951, 0.952])
  (text,) = doubts.disagreements([other, lenet])
  assert text.startswith(f"mnist_lenet: {100 * lenet.mean:.2f} ± ")
  assert "on 1 core of AMD EPYC and 95.10" in text
  assert "on 1 x NVIDIA H100 disagree, p = " in text
  assert not doubts.disagreements([lenet, moved(lenet)])
  another = dataclasses.replace(other, variant="tiny")
  assert not doubts.disagreements([lenet, another]), "another recipe"


def test_of_a_published_file_nothing_varies():
  kept = lines.read(pages.RESULTS / "imported_cpu.jsonl")
  one = next(x for x in kept if x.row.name == "imported_lenet_mnist")
  within = one.row.within
  near = moved(one, values=[one.mean - 1.5 * within])
  assert not doubts.disagreements([one, near])
  far = moved(one, values=[one.mean - 3 * within])
  assert "nothing in it varies" in doubts.disagreements([one, far])[0]


def test_what_is_on_another_machine_says_so(lenet):
  (found,) = against.compare([lenet], [moved(lenet)], ["mnist_lenet"])
  assert found.verdict == against.SAME
  assert found.reason == "before on 1 core of AMD EPYC, now on 1 x NVIDIA H100"
  (same,) = against.compare([lenet], [lenet], ["mnist_lenet"])
  assert not same.reason


def test_a_line_of_a_newer_version_says_so(lenet):
  line = lines.line(lenet) | {"shape": "a field that there is not yet"}
  with pytest.raises(lines.BadResult) as error:
    lines.parse(line)
  assert "newer" not in str(error.value)
  line["versions"] = {**lenet.versions, "vision_jax": "99.1.0"}
  with pytest.raises(lines.BadResult) as error:
    lines.parse(line)
  assert "shape is no field" in str(error.value)
  assert f"99.1.0, newer than {__version__} here" in str(error.value)


def forged(lenet):
  """Bad lines, and what the message of each says."""
  line = lines.line(lenet)
  return [
    ({k: x for k, x in line.items() if k != "config"}, "config is missing"),
    (line | {"seeds": [0, 0, 0]}, "expected distinct whole numbers"),
    (line | {"values": [0.99, float("nan"), 0.99]}, "expected finite numbers"),
    (line | {"hardware": ELSEWHERE}, "hardware is .*expected an object with"),
  ]


def test_a_report_leaves_bad_lines_out_and_goes_on(lenet, tmp_path, capsys):
  bad = forged(lenet)
  file = write(tmp_path, *(x for x, _ in bad), lines.line(lenet))
  words = [f"--input={file}", f"--output={tmp_path / 'report'}"]
  assert command.main(words) == 2
  messages = capsys.readouterr().err.splitlines()
  assert len(messages) == len(bad)
  for number, (message, (_, expected)) in enumerate(
    zip(messages, bad, strict=True), 1
  ):
    assert f"results.jsonl:{number}: " in message
    assert re.search(expected, message)
  for name in ("report.html", "report.md"):
    text = (tmp_path / "report" / name).read_text()
    assert "What does not add up" in text and "config is missing" in text
    assert f"{100 * lenet.mean:.2f}" in text
  assert command.main([f"--input={file}"]) == 2
  assert f"{100 * lenet.mean:.2f}" in capsys.readouterr().out
  assert command.main([f"--input={file}", f"--write={tmp_path}"]) == 2
  assert not (tmp_path / pages.PAGE).exists()


def test_earlier_results_with_bad_lines_are_compared_without(
  lenet, tmp_path, capsys
):
  file = write(tmp_path, {"row": "mnist_lenet"}, lines.line(lenet))
  asked = options.read(["--suite=mnist", f"--against={file}"])
  assert [x.row.name for x in asked.against] == ["mnist_lenet"]
  assert len(asked.refused) == 1
  message = capsys.readouterr().err
  assert "results.jsonl:1" in message and "left out" in message
  with pytest.raises(SystemExit):
    only = write(tmp_path, {"row": "mnist_lenet"})
    options.read(["--suite=mnist", f"--against={only}"])


def test_a_report_ends_with_3_where_a_row_is_worse(lenet, tmp_path):
  earlier = write(tmp_path, lines.line(lenet))
  now = tmp_path / "now"
  now.mkdir()
  low = dataclasses.replace(lenet, values=[0.95, 0.951, 0.952])
  file = write(now, lines.line(low))
  words = [f"--output={now}", f"--against={earlier}"]
  assert command.main([f"--input={file}", *words]) == 3
  assert "Worse beyond the noise: mnist_lenet." in (
    (now / "report.html").read_text()
  )
  assert command.main([f"--input={earlier}", *words]) == 0
  text = (now / "report.html").read_text()
  assert "Nothing is worse beyond the noise." in text
  assert "1 of 1 rows could be compared." in text


@pytest.fixture
def sourceless(tmp_path, monkeypatch):
  """References of which LeNet's has lost its source."""
  folder = tmp_path / "references"
  shutil.copytree(references.FOLDER, folder)
  file = folder / "classification.jsonl"
  texts = file.read_text().splitlines()
  found = list(map(json.loads, texts))
  (own,) = [x for x in found if x["key"] == "mnist_lenet5_lecun1998"]
  own["source_url"] = ""
  file.write_text("".join(json.dumps(x) + "\n" for x in [*found, 3]))
  monkeypatch.setattr(references, "FOLDER", folder)


def test_a_reference_without_source_is_none_and_others_stay(
  sourceless, lenet, tmp_path, monkeypatch
):
  assert "mnist_lenet5_lecun1998" not in references.load()
  assert "mnist_cnn_flax_example" in references.load()
  texts = references.refused()
  assert "'mnist_lenet5_lecun1998' has no source_url" in texts[0]
  assert "classification.jsonl" in texts[1] and "not a reference" in texts[1]
  with pytest.raises(lines.BadResult, match="has no source_url"):
    lines.parse(lines.line(lenet))
  monkeypatch.setattr(run, "missing", lambda *_: "")
  train = lambda *_: pytest.fail("trained for a row without a reference")
  monkeypatch.setattr(execute, "train", train)
  plan = execute.Plan(tmp_path, hardware=lenet.hardware)
  found = run.run_row(row_named("mnist_lenet"), [0], plan)
  assert found.verdict == statistics.FAILED
  assert "has no source_url" in found.reason
  assert any("source_url" in x for x in doubts.every([found], []))
