"""report.html: everything in one file, escaped, and alive in a browser."""

import base64
import csv
import dataclasses
import hashlib
import html
import io
import json
import pathlib
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from benchmarks import against, lines, result, statistics
from benchmarks.execute import Plan
from benchmarks.page import (
  confusion,
  curves,
  detection,
  events,
  images,
  left,
  scale,
)
from benchmarks.page.markup import element, link
from benchmarks.page.page import Contents, page
from benchmarks.report import command, files, pages, sheet, tables
from benchmarks.suite import row_named
from vision_jax.report.tensorboard import TensorBoard

CHROMIUM = next(
  filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))),
  shutil.which("google-chrome"),
)
EVIL = "<script>document.title = 'run'</script>"


@pytest.fixture(scope="module")
def committed():
  """The newest committed results."""
  return pages.newest(lines.read(pages.RESULTS))


@pytest.fixture(scope="module")
def runs(tmp_path_factory, committed):
  """A folder as the runner leaves it, with one row's runs."""
  folder = tmp_path_factory.mktemp("runs")
  found = next(x for x in committed if x.row.name == "digits_cnn")
  for seed, value in zip(found.seeds, found.values, strict=True):
    place = folder / "digits_cnn" / f"seed{seed}"
    (place / "workdir").mkdir(parents=True)
    (place / "outcome.json").write_text(json.dumps({"value": value}))
    steps = [{"step": n, "train/loss": 2.0 / n + seed} for n in (1, 20, 40)]
    text = "".join(json.dumps(x) + "\n" for x in steps)
    (place / "workdir" / "metrics.jsonl").write_text(text + '{"step": 50, "tr')
  first = folder / "digits_cnn" / "seed0"
  board = TensorBoard(first / "workdir")
  for step, grey in ((10, 0.2), (40, 0.8)):
    board.images(step, {"test/labels": np.full((40, 60, 3), grey)})
  board.close()
  (first / "shown").mkdir()
  counts = {"names": [EVIL, "b"], "counts": [[5, 1], [0, 4]]}
  (first / "shown" / "confusion.json").write_text(json.dumps(counts))
  return folder


@pytest.fixture(scope="module")
def contents(committed, runs):
  """All committed results, of which one has runs, and hostile texts."""
  by_name = {x.row.name: x for x in committed}
  kept = [by_name["digits_cnn"], by_name["mnist_vae_cpu"]]
  worse = dataclasses.replace(kept[0], values=[0.5, 0.51, 0.52])
  absent = result.make_absent(
    row_named("mnist_vit"), Plan(runs, hardware=kept[0].hardware), EVIL
  )
  evil = dataclasses.replace(
    kept[1],
    git_commit=EVIL,
    hardware={**kept[1].hardware, "cpu": f'"{EVIL}'},
    versions={"jax": EVIL},
  )
  return Contents(
    EVIL,
    [kept[0], absent, evil],
    runs=runs,
    beside=against.compare([kept[0]], [worse], ["digits_cnn"]),
    doubts=[EVIL],
  )


@pytest.fixture(scope="module")
def text(contents):
  return page(contents)


def test_other_metrics_are_shown_as_they_were_logged(committed):
  """Not in the unit of the row: one percent of an error in metres is none."""
  shown = page(Contents("results", committed))
  for found in committed:
    for name, number in found.also.items():
      pair = f"<dt>{name}</dt><dd>{number:.4g}</dd>"
      assert pair in shown, (found.row.name, name)


def test_texts_are_shown_and_not_run(text):
  assert EVIL not in text and html.escape(EVIL) in text
  assert text.count("<script>") == 1
  assert element("p", EVIL, title=f'"{EVIL}') == (
    f'<p title="{html.escape(chr(34) + EVIL)}">{html.escape(EVIL)}</p>'
  )
  assert link("a", "javascript:run()") == "a"
  assert 'href="https://x.org/?a=1&amp;b"' in link("a", "https://x.org/?a=1&b")


def test_nothing_is_fetched_and_only_its_own_script_may_run(text):
  assert "default-src 'none'" in html.unescape(text) and "unsafe" not in text
  assert not re.search(r"@import|url\(|<link|<iframe|style=", text)
  sources = re.findall(r'src="([^"]*)"', text)
  assert sources and all(x.startswith("data:image/") for x in sources)
  script = re.search(r"<script>(.*)</script>", text, re.DOTALL)[1]
  digest = hashlib.sha256(script.encode()).digest()
  assert f"'sha256-{base64.b64encode(digest).decode()}'" in html.unescape(text)


def test_all_committed_rows_are_small_together(tmp_path):
  assert command.main([f"--output={tmp_path}"]) == 0
  text = (tmp_path / "report.html").read_text("utf-8")
  assert len(text.encode()) < 3e6
  for one in pages.with_absent(()):
    assert f'data-row="{one.row.name}"' in text
  anchors = re.findall(r' id="([^"]*)"', text)
  assert len({*anchors}) == len(anchors)
  assert "data:image/jpeg" in text  # results/clouds.jpg is of the suite clouds


def test_the_three_files_say_the_same(contents, tmp_path):
  names = [x.name for x in files.write(contents, tmp_path)]
  markdown, table, drawn = ((tmp_path / x).read_text("utf-8") for x in names)
  rows = list(csv.DictReader(io.StringIO(table)))
  assert [x["row"] for x in rows] == [x.row.name for x in contents.results]
  for found, one in zip(rows, contents.results, strict=True):
    assert found["verdict"] == one.verdict
    (own,) = [
      x for x in markdown.splitlines() if x.startswith(f"| {one.row.name} |")
    ][:1]
    assert f"| {one.verdict} |" in own
    part = drawn.split(f'data-row="{one.row.name}"')[1].split("</summary>")[0]
    assert f'class="pill {one.verdict.replace(" ", "-")}"' in part
    if one.values:
      assert float(found["mean"]) == pytest.approx(one.mean, rel=1e-12)
      mean = tables.value(one, one.mean)
      assert mean in own and mean in part
  first = rows[0]
  low, high = contents.results[0].summary.pi95
  assert (float(first["seed_low"]), float(first["seed_high"])) == (low, high)
  shown = tables.further(contents.results[0])
  assert shown in drawn and shown.strip("[]") in markdown
  for each in (markdown, drawn):
    assert "Beside earlier results" in each and against.WORSE in each


def test_text_of_a_sheet_is_no_formula(committed):
  found = dataclasses.replace(committed[0], git_commit="=cmd()")
  (line,) = csv.DictReader(io.StringIO(sheet.sheet([found])))
  assert line["git_commit"] == "'=cmd()"
  assert float(line["values"].split()[0]) == committed[0].values[0]


def test_every_seed_has_its_course(contents, text):
  own = left.of(contents.results[0], contents.runs)
  assert [*own.courses] == [0, 1, 2]
  assert own.courses[2]["train/loss"] == [[1, 4.0], [20, 2.1], [40, 2.05]]
  part = text.split('id="row-digits_cnn"')[1].split("<details class=")[0]
  assert part.count("<polyline") == 3 and "seed 2" in part
  none = {"curve": {}, "later_curves": []}  # that its lines may have
  other = dataclasses.replace(
    contents.results[0], values=[0.1, 0.2, 0.3], **none
  )
  assert not left.of(other, contents.runs).courses, "of another run"
  assert not left.of(other, contents.runs).images


def test_lines_keep_the_courses_of_all_seeds(committed):
  row = next(x for x in committed if x.row.name == "mnist_lenet")
  course = lambda n: {"test/accuracy": [[1, 0.5], [9, 0.9 + n / 100]]}
  found = dataclasses.replace(
    row, curve=course(0), later_curves=[course(1), course(2)]
  )
  line = json.loads(json.dumps(lines.line(found)))
  again = lines.parse(line)
  assert lines.line(again) == lines.line(found)
  assert [*left.of(again, None).courses.values()] == [*map(course, range(3))]
  alone = dataclasses.replace(row, later_curves=[])
  assert "later_curves" not in lines.line(alone)
  for bad in ([course(1)], [{"owls": []}] * 2, "none"):
    with pytest.raises(lines.BadResult, match="later_curves"):
      lines.parse(line | {"later_curves": bad})


def test_the_last_images_of_a_run_are_read_and_a_torn_end_left_out(
  runs, tmp_path
):
  workdir = runs / "digits_cnn" / "seed0" / "workdir"
  found = events.last_images(workdir)
  ((name, (step, data)),) = found.items()
  assert (name, step) == ("test/labels", 40)
  image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  assert image.shape == (40, 60, 3) and (image == 204).all()
  (file,) = workdir.glob("events*")
  (tmp_path / file.name).write_bytes(file.read_bytes()[:-5])
  assert events.last_images(tmp_path)["test/labels"][0] == 10


def test_an_image_is_made_as_small_as_asked():
  noise = np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)
  data = cv2.imencode(".png", noise)[1].tobytes()
  assert images.encoded(data, len(data))[:2] == ("png", data)
  kind, small, size = images.encoded(data, 40_000)
  assert kind == "jpeg" and len(small) <= 40_000
  assert size[1] / size[0] == pytest.approx(5 / 3, rel=0.02)
  assert images.encoded(b"no image", 9) is images.encoded(b"", 9) is None


@pytest.mark.parametrize(
  "found",
  [None, [], {"names": ["a"]}, {"names": ["a", "b"], "counts": [[1, 2]]}]
  + [{"names": ["a", "b"], "counts": [[1, 2], [3, x]]} for x in ("4", -1, 0.5)],
)
def test_what_is_no_confusion_matrix_is_not_drawn(found):
  assert not confusion.readable(found)


DETECTED = {
  "ap50": 0.5,
  "curves": [["IoU 0.5", [1.0, 0.5, 0.0]], [EVIL, [0.9, 0.5, 0.4]]],
  "errors": [["missed", 1200, 0.25], ["both", 0, -0.001]],
}


@pytest.mark.parametrize(
  "change",
  [
    {"ap50": None},
    {"ap50": float("nan")},
    {"curves": []},
    {"curves": [["a", [1.0]]]},
    {"curves": [["a", [1.0, "x"]]]},
    {"curves": [[1, [1.0, 1.0]]]},
    {"errors": [["a", 1]]},
    {"errors": {"a": 1}},
  ],
)
def test_what_is_no_detectors_summary_is_not_drawn(change):
  assert detection.readable(DETECTED)
  assert not detection.readable(DETECTED | change)
  assert not detection.readable([DETECTED])


def test_a_detectors_curves_and_errors_are_drawn():
  lines, bars = detection.charts(DETECTED)
  assert lines.count("<polyline") == 2 and EVIL not in lines
  assert html.escape(EVIL) in lines and ">recall<" in lines
  assert bars.count("<rect") == 2 and 'width="0' in bars
  assert "25.0 (1,200)" in bars and "AP50 50.0" in bars


def test_a_confusion_matrix_shows_its_counts():
  drawn = confusion.matrix(
    {"names": ["cat", "owl"], "counts": [[7, 1], [2, 9]]}
  )
  assert re.findall(r">(\d+)</text>", drawn) == ["7", "1", "2", "9"]
  assert "16 of 19 right" in drawn


def test_ticks_are_round_and_inside():
  assert scale.ticks(0.0, 1.0) == [0, 0.5, 1]
  assert scale.ticks(0.931, 0.994) == [0.94, 0.96, 0.98]
  assert scale.ticks(1, 4000) == [1000, 2000, 3000, 4000]
  assert scale.ticks(3, 3) == [3]
  assert scale.log_ticks(0.01, 20) == [0.01, 0.1, 1.0, 10.0]
  assert scale.Scale(1, 100, 0, 10, log=True)(10) == 5
  assert [*map(scale.short, (12000, 0.25, 2.5e6))] == ["12k", "0.25", "2.5M"]


def test_a_course_of_one_point_or_of_one_value_is_drawn_or_left_out():
  assert not curves.charts({0: {"a": [[1, 2.0]]}, 1: {"a": []}})
  (flat,) = curves.charts({0: {"a": [[1, 2.0], [5, 2.0]]}})
  assert "polyline" in flat and "nan" not in flat


# Runs in the page: opens all, filters, and says what it has seen.
PROBE = """
(async () => {
  const rows = [...document.querySelectorAll("[data-row]")];
  const names = (some) => some.map((x) => x.dataset.row);
  const visible = () => names(rows.filter((x) => x.offsetParent));
  const seen = { all: visible(), wide: innerWidth };
  const choose = (name, value) => {
    const select = document.querySelector(`[data-filter=${name}]`);
    select.value = value;
    select.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const [name, value] of CHOICES) {
    choose(name, value);
    seen[name] = visible();
    seen[`${name} count`] = document.getElementById("count").value;
    choose(name, "");
  }
  document.querySelector("[data-only='missed']").click();
  seen.tally = visible();
  seen.address = location.hash;
  document.querySelector("[data-only='missed']").click();
  document.querySelectorAll("details").forEach((x) => (x.open = true));
  const images = [...document.querySelectorAll("img")];
  images.forEach((x) => (x.loading = "eager"));
  await Promise.all(images.map((x) => x.decode()));
  seen.images = images.map((x) => [x.naturalWidth, x.naturalHeight]);
  seen.provenance = document.querySelector(".terms").offsetHeight > 0;
  seen.lines = document.querySelectorAll("polyline").length;
  seen.overflow = document.documentElement.scrollWidth - innerWidth;
  seen.title = document.title;
  const out = document.createElement("pre");
  out.id = "seen";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
})();
"""


def probed(text, contents, folder, width):
  """Opens the page in a browser and returns what PROBE saw, and its log."""
  missed = contents.results[2]
  choices = {
    "suite": "quick",
    "task": "generation",
    "verdict": missed.verdict,
    "hardware": f"1 core of {missed.hardware['cpu']}",
  }
  probe = PROBE.replace("CHOICES", json.dumps([*choices.items()]))
  probe = probe.replace("</", "<\\/")
  digest = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
  allowed = "script-src &#x27;sha256-"
  assert text.count(allowed) == 1
  text = text.replace(
    allowed, f"script-src &#x27;sha256-{digest}&#x27; &#x27;sha256-"
  ).replace("</body>", f"<script>{probe}</script></body>")
  file = pathlib.Path(folder) / "probed.html"
  file.write_text(text, "utf-8")
  done = subprocess.run(
    [
      CHROMIUM,
      *("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
      *("--enable-logging=stderr", "--virtual-time-budget=10000"),
      *(f"--user-data-dir={folder}/profile", f"--window-size={width},900"),
      file.as_uri(),
    ],
    capture_output=True,
    text=True,
    timeout=120,
  )
  console = [x for x in done.stderr.splitlines() if "CONSOLE" in x]
  seen = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
  assert seen, (console, done.stderr[-2000:])
  return json.loads(html.unescape(seen[1])), console


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is on this machine")
def test_in_a_browser_filters_work_and_images_are_there(
  text, contents, tmp_path
):
  seen, console = probed(text, contents, tmp_path, 390)
  assert not console
  assert seen["all"] == ["digits_cnn", "mnist_vit", "mnist_vae_cpu"]
  assert seen["suite"] == ["digits_cnn"]
  assert seen["task"] == seen["verdict"] == ["mnist_vae_cpu"]
  assert seen["hardware"] == seen["tally"] == ["mnist_vae_cpu"]
  assert seen["verdict count"] == "1 of 3"
  assert seen["address"] == f"#verdict={statistics.MISSED}"
  assert seen["images"] == [[60, 40]]
  assert seen["provenance"] and seen["lines"] > 3
  assert seen["overflow"] <= 0, f"a page of {seen['wide']} pixels is wider"
  assert seen["title"] == EVIL
