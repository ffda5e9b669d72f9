"""A report as files that say the same: report.md, report.csv, report.html."""

import pathlib

from benchmarks import against
from benchmarks.page.page import Contents, page
from benchmarks.report import markdown, pages, sheet
from vision_jax.files import replace_text

NAMES = ("report.md", "report.csv", "report.html")


def write(contents: Contents, output: pathlib.Path) -> list[pathlib.Path]:
  """Writes the three files into a folder and returns their paths."""
  texts = (_markdown(contents), sheet.sheet(contents.results), page(contents))
  found = [output / name for name in NAMES]
  for file, text in zip(found, texts, strict=True):
    replace_text(file, text)
  return found


def _markdown(contents: Contents) -> str:
  parts = [pages.page(contents.results, contents.title)]
  if contents.beside is not None:
    parts.append(against.on_page(contents.beside))
  if contents.doubts:
    items = "".join(f"- {markdown.escape(x)}\n" for x in contents.doubts)
    parts.append(f"## What does not add up\n\n{items}")
  return "\n".join(parts)
