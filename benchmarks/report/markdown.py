"""Text as markdown: names, links, commands and tables that stay what they are.

What comes from a file is data, never markup.
"""

import re
import urllib.parse
from collections.abc import Sequence


def escape(text: str) -> str:
  """Returns text that markdown shows as it is, on one line."""
  text = re.sub(r"([\\`*\[\]<>|~#])", r"\\\1", " ".join(text.split()))
  # Within a word an underscore is one already; so names stay readable.
  return re.sub(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])", r"\\_", text)


def link(text: str, url: str) -> str:
  """Returns a link, or the text alone where the address is not of the web."""
  if not re.match(r"https?://", url):
    return escape(text)
  return f"[{escape(text)}]({urllib.parse.quote(url, safe=':/?#@!$&=+,;%~')})"


def code(text: str) -> str:
  """Returns a command or name in a code span, on one line."""
  text = " ".join(text.split())
  longest = max(map(len, re.findall("`+", text)), default=0)
  fence, gap = "`" * (longest + 1), " " * bool(longest)
  return f"{fence}{gap}{text}{gap}{fence}"


def prose(text: str) -> str:
  """Returns a docstring's sentence, in which names stand in backticks."""
  parts = re.split("`([^`]*)`", text)
  spans = [code(x) if i % 2 else escape(x) for i, x in enumerate(parts)]
  for i, x in enumerate(parts):  # which `escape` takes off
    spans[i] = " " * x.startswith(" ") + spans[i] + " " * x.endswith(" ")
  return "".join(spans)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns a table; cells are markdown already."""
  lines = [_row(columns), _row(["---"] * len(columns)), *map(_row, rows)]
  return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
  return "| " + " | ".join(cells) + " |"
