"""New results beside earlier ones, what has become worse first."""

from collections.abc import Sequence

from benchmarks import against
from benchmarks.against import Comparison
from benchmarks.page.markup import Markup, element, join

ORDER = (against.WORSE, against.BETTER, against.SAME, against.NOT_COMPARED)


def section(comparisons: Sequence[Comparison] | None) -> Markup:
  """Returns a section; nothing where no earlier results were given."""
  if comparisons is None:
    return join()
  worse = against.worse(comparisons)
  number = sum(x.p is not None for x in comparisons)
  counted = f"{number} of {len(comparisons)} rows could be compared."
  verdict = (
    f"Worse beyond the noise: {', '.join(worse)}."
    if worse
    else "Nothing is worse beyond the noise."
  )
  inside = [_table(comparisons)] if comparisons else []
  return element(
    "section",
    element("h2", "Beside earlier results"),
    element(
      "p", verdict, class_="bad" if worse else "good" if number else None
    ),
    element("p", counted, class_="sub"),
    *inside,
    class_="beside",
  )


def _table(comparisons: Sequence[Comparison]) -> Markup:
  ordered = sorted(comparisons, key=lambda x: ORDER.index(x.verdict))
  heads = [element("th", name) for name in against.COLUMNS]
  return element(
    "div",
    element(
      "table",
      element("thead", element("tr", *heads)),
      element("tbody", *map(_line, ordered)),
    ),
    class_="scroll",
  )


def _line(comparison: Comparison) -> Markup:
  named = zip(against.COLUMNS, against.cells(comparison), strict=True)
  cells = [
    element("td", _verdict(text) if name == "verdict" else text)
    for name, text in named
  ]
  return element("tr", *cells, data_beside=comparison.verdict)


def _verdict(text: str) -> Markup:
  kinds = {against.WORSE: "missed", against.BETTER: "reproduced"}
  return element("span", text, class_=f"pill {kinds.get(text, 'plain')}")
