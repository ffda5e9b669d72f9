"""HTML from nested calls; every text is escaped where it enters.

What comes from a file is data: a class called `<script>` is shown.
"""

import html
import re

VOID = {"img", "input", "meta", "wbr"}


class Markup(str):
  """Text that is HTML already."""


def element(tag: str, /, *inside: object, **attributes: object) -> Markup:
  """Returns an element.

  Args:
    tag: its name.
    inside: text, which is escaped, or markup; None and False are left out.
    attributes: `class_` is class, `data_row` data-row; None and False are left
      out, True stands without a value.
  """
  start = f"<{tag}{''.join(_attribute(k, x) for k, x in attributes.items())}>"
  return Markup(start if tag in VOID else f"{start}{join(*inside)}</{tag}>")


def join(*parts: object) -> Markup:
  """Returns parts after one another, texts escaped."""
  return Markup("".join(map(_escaped, parts)))


def link(text: object, url: str) -> Markup:
  """Returns a link, or the text alone where the address is not of the web."""
  if not re.match(r"https?://", url):
    return join(text)
  return element("a", text, href=url, rel="noopener noreferrer")


def _escaped(part: object) -> str:
  if part is None or part is False:
    return ""
  return part if isinstance(part, Markup) else html.escape(str(part))


def _attribute(name: str, value: object) -> str:
  if value is None or value is False:
    return ""
  name = name.rstrip("_").replace("_", "-")
  if value is True:
    return f" {name}"
  return f' {name}="{html.escape(str(value))}"'
