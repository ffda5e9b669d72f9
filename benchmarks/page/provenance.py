"""Where a number comes from, on click."""

from collections.abc import Iterator

from benchmarks import environment
from benchmarks.page.markup import Markup, element, join, link
from benchmarks.report import tables
from benchmarks.result import Result


def provenance(result: Result) -> Markup:
  """Returns a list that opens: command, values, machine, versions, source."""
  terms = [
    join(element("dt", name), element("dd", found))
    for name, found in _terms(result)
  ]
  return element(
    "details",
    element("summary", "Provenance"),
    element("dl", *terms, class_="terms"),
    class_="provenance",
  )


def _terms(result: Result) -> Iterator[tuple[str, object]]:
  row = result.row
  yield "command", element("code", result.command)
  yield "config", element("code", f"{row.config}:{result.variant}")
  if result.overrides:
    given = " ".join(f"{k}={x}" for k, x in result.overrides.items())
    yield "overrides", element("code", given)
  if row.sha256:
    yield "file", join(row.file, ", sha256 ", element("code", row.sha256))
  yield "metric", f"{row.metric}, {row.weights} weights, in {row.unit}"
  yield "protocol", row.protocol
  if result.values:
    yield from _measured(result)
  yield from _judged(result)
  yield "commit", element("code", result.git_commit or "not known")
  yield "date", result.date
  packages = ", ".join(f"{k} {x}" for k, x in result.versions.items())
  yield "versions", packages


def _measured(result: Result) -> Iterator[tuple[str, object]]:
  values = zip(result.seeds, result.values, strict=True)
  yield "values", ", ".join(f"seed {n}: {x:.6g}" for n, x in values)
  yield "hardware", _machine(result)


def _machine(result: Result) -> str:
  found = result.hardware
  where = environment.describe(found)
  memory = found.get("host_memory_bytes")
  host = f", host memory {memory / 2**30:.0f} GiB" if memory else ""
  processes = found.get("process_count", 1)
  return f"{where}; host {found['cpu']}{host}; processes {processes}"


def _judged(result: Result) -> Iterator[tuple[str, object]]:
  """What it is held against, and why it may not be."""
  row, reference = result.row, result.reference
  if reference:
    source = link(reference.source_title, reference.source_url)
    yield (
      "reference",
      join(
        f"{tables.value(result, reference.value)}, {reference.model}: ",
        source,
        f", {reference.source_location}; {reference.protocol}; evidence: "
        f"{reference.evidence}",
      ),
    )
    yield "tolerance", tables.value(result, row.tolerance)
  if result.differs:
    yield "differs", result.differs
