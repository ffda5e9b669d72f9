"""The files that the README's "Add something" shows, written as it says."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Add something\n")[1].split("\n## ")[0]
BLOCK = re.compile(
  r"^```python\n# (\w+\.py)(?:: (\S+\.py), with)?\n(.*?)^```", re.M | re.S
)
BLOCKS = {name: (base, text) for name, base, text in BLOCK.findall(SECTION)}


def write(folder, *names):
  """Writes blocks into a folder, changed copies where they name a config."""
  for name in names:
    base, text = BLOCKS[name]
    (folder / name).write_text(changed(base, text) if base else text)


def changed(base, text):
  """A config with imports more, and other values of some names.

  Each `name = value` of the text takes the place of the value that the config
  assigns to that name or passes by it, which is there once; where it is not,
  the experiment takes it besides.
  """
  source = (ROOT / base).read_text(encoding="utf-8")
  imports, values = [], {}
  for node in ast.parse(text).body:
    code = ast.get_source_segment(text, node)
    if isinstance(node, ast.Assign):
      values[node.targets[0].id] = ast.get_source_segment(text, node.value)
    else:
      imports.append(code)
  for name, value in values.items():
    source = replaced(source, name, value)
  docstring = ast.parse(source).body[0]
  lines = source.splitlines()
  lines[docstring.end_lineno : docstring.end_lineno] = imports
  return "\n".join(lines) + "\n"


def replaced(source, name, value):
  """The source with another value of a name."""
  old = [
    node.value
    for node in ast.walk(ast.parse(source))
    if (isinstance(node, ast.keyword) and node.arg == name)
    or (isinstance(node, ast.Assign) and is_name(node.targets[0], name))
    if not is_name(node.value, name)
  ]
  if not old:
    assert source.count("  return Experiment(\n") == 1
    start = "  return Experiment(\n"
    return source.replace(start, f"{start}    {name}=({value}),\n")
  assert len(old) == 1, name
  segment = ast.get_source_segment(source, old[0])
  assert source.count(segment) == 1, segment
  return source.replace(segment, f"({value})")


def is_name(node, name):
  return isinstance(node, ast.Name) and node.id == name
