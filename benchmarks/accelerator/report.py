"""What was measured, as lines on the screen and as a page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accelerator import targets, verdicts
from benchmarks.accelerator.states import MEASURED
from benchmarks.report import markdown

Row = Mapping[str, Any]


def line(row: Row) -> str:
  """Returns a row as one line."""
  return f"{row['stage']}/{row['name']:<26} {numbers(row)}"


def numbers(row: Row) -> str:
  """Returns what a row measured, or why it did not."""
  if row["state"] != MEASURED:
    return f"{row['state']}: {row.get('why', '')}"
  shown = [form(row) for has, form in _FORMS if has in row]
  text = "; ".join(part for part in shown if part) or "measured"
  if row.get("ok") is False:
    return f"WRONG: {text}"
  return text


def page(head: Row, rows: Iterable[Row]) -> str:
  """Returns the report of a folder: tables by stage, verdicts, targets."""
  rows = list(rows)
  parts = [f"# Measured on {head['device_kind']}, {head['size']} size\n"]
  parts.append(_list(f"{k}: {v}" for k, v in head.items()))
  for stage in dict.fromkeys(row["stage"] for row in rows):
    some = [row for row in rows if row["stage"] == stage]
    parts.append(f"## {stage}\n\n{_table(some)}")
  for title, found in closing(rows):
    parts.append(f"## {title}\n\n{_list(found)}")
  return "\n".join(parts)


def closing(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
  """Returns what follows from all rows: (title, lines)."""
  keyed = {(row["stage"], row["name"]): row for row in rows}
  return [
    ("Forms", verdicts.lines(rows)),
    ("Whole steps", verdicts.step_lines(rows)),
    ("Marks to beat", targets.lines(keyed)),
  ]


def _table(rows: Sequence[Row]) -> str:
  cells = [
    f"| {markdown.escape(row['name'])} | {markdown.escape(numbers(row))} |\n"
    for row in rows
  ]
  return "| what | numbers |\n| --- | --- |\n" + "".join(cells)


def _list(texts: Iterable[str]) -> str:
  return "".join(f"- {markdown.escape(text)}\n" for text in texts)


def _memory(row: Row) -> str:
  return f"peak {row['peak_bytes'] / 2**30:.2f} GiB"


def _compile(row: Row) -> str:
  kind = "cached" if row["compile_cached"] else "cold"
  again = row.get("compile_again_s")
  text = f"compile {row['compile_s']:.1f} s ({kind})"
  return text + (f", {again:.1f} s (cached)" if again is not None else "")


def _mfu(row: Row) -> str:
  if row["mfu"] is not None:
    return f"MFU {row['mfu']:.1%}"
  return f"MFU blank: {row['mfu_why']}" if "mfu_why" in row else ""


def _pair(row: Row) -> str:
  return ", ".join(f"{form} {ms:.3f} ms" for form, ms in row["ms"].items())


def _kernels(row: Row) -> str:
  top = [f"{k['name']} {k['share']:.0%}" for k in row["kernels"][:3]]
  return f"idle {row['idle_share']:.0%}; dearest {', '.join(top)}"


def _optional(name: str, form: str) -> Any:
  return lambda row: "" if row[name] is None else form.format(row[name])


# A number's name -> how it is shown.
_FORMS = (
  ("images_per_s", _optional("images_per_s", "{:,.1f} images/s")),
  ("examples_per_s", _optional("examples_per_s", "{:,.0f} examples/s")),
  ("gb_per_s", _optional("gb_per_s", "{:.2f} GB/s")),
  ("step_p50_ms", _optional("step_p50_ms", "p50 {:.2f} ms")),
  ("dispatch_ms", _optional("dispatch_ms", "dispatch {:.2f} ms")),
  ("peak_bytes", _memory),
  ("compile_s", _compile),
  ("mfu", _mfu),
  ("ms", _pair),
  ("error", _optional("error", "error {:.2e}")),
  ("length", _optional("length", "{:.3f} of its length")),
  ("kernel", _optional("kernel", "by {}")),
  ("kernels", _kernels),
  ("data_wait_share", _optional("data_wait_share", "data wait {:.1%}")),
  ("seconds_to", _optional("seconds_to", "{:.1f} s to 94 %")),
  ("seconds_to_why", lambda row: row["seconds_to_why"]),
  ("cudnn", lambda row: f"cuDNN {row['cudnn'] or 'absent'}"),
)
