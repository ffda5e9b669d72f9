"""The structure of the project, as a test.

`ALLOWED` is the table of who may import whom: a part of the library imports
what stands below it, and no module is part of a circle. Flags end in `command`,
a ConfigDict in `pipelines`, `planning` and `recipe`; configs are made of the
library, and nothing imports tests. The rest is house style that a reader can
rely on: sizes of files and functions, the field's words, docstrings, tiny
variants.
"""

import ast
import functools
import graphlib
import pathlib
import re
import sys

import numpy as np

from vision_jax.recipe import recipe

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ("vision_jax", "configs", "benchmarks", "tests")

# Part of vision_jax -> the parts it may import, besides itself.
ALLOWED = {
  "errors": set(),  # and every part may import it
  "files": set(),  # and every part may import it
  "forms": set(),  # and every part may import it
  "signals": set(),
  "core": set(),
  "ops": {"core"},
  "layers": {"core", "ops"},
  "models": {"core", "ops", "layers"},
  "parallel": {"core", "layers"},  # executions by name; nets that are split
  "losses": {"core", "ops"},
  "metrics": {"core", "data", "ops"},  # run lengths of masks are data's
  "tasks": {"core", "ops", "losses"},  # they receive models
  "data": set(),
  "checking": {"data", "paths", "viz"},  # of a folder, without training
  "optim": {"core"},
  "cluster": {"signals"},  # the processes of a run
  "provenance": {"core"},  # what a run was made of
  "report": {"experiment"},  # what it tells a person
  "train": {
    *("cluster", "core", "experiment", "interop", "paths", "provenance"),
    *("report", "signals", "weights"),
  },
  "debugging": {"core", "experiment", "train", "weights"},
  "viz": set(),
  "writers": {"data", "viz"},
  "tuning": set(),
  "interop": {"core", "data", "layers", "models", "paths"},  # of others
  "weights": {"core"},
  "experiment": {"core", "data", "weights", "writers"},
  "pipelines": {  # sources in, what an experiment takes out
    *("core", "data", "experiment", "interop", "layers", "losses", "metrics"),
    *("models", "ops", "optim", "recipe", "tasks", "train", "viz", "weights"),
    "writers",
  },
  "paths": set(),
  "recipe": {"experiment", "paths", "tuning"},
  "planning": {  # what a config would need of devices
    *("core", "data", "experiment", "layers", "models", "recipe", "tasks"),
  },
  "inference": {
    *("core", "data", "experiment", "interop", "ops", "paths", "provenance"),
    *("recipe", "report", "train", "viz", "writers"),
  },
  "transfer": {  # what a trained net knows of other images
    *("core", "data", "experiment", "inference", "layers", "metrics"),
    *("pipelines", "viz", "writers"),
  },
  "explain": {  # what a trained net looks at
    *("core", "data", "experiment", "inference", "layers", "ops", "viz"),
    "writers",
  },
  "stylize": {  # pixels that descend what a trained net tells of them
    *("core", "data", "interop", "losses", "models", "ops", "train", "viz"),
    *("weights", "writers"),
  },
  "export": {  # a trained net in the files of others
    *("core", "data", "experiment", "inference", "ops", "train"),
  },
  "command": {
    *("cluster", "core", "data", "debugging", "experiment", "inference"),
    *("checking", "explain", "export", "interop", "paths", "planning"),
    *("parallel", "recipe", "report", "stylize", "train", "transfer"),
    "tuning",
  },
  "library": {"core", "data", "inference", "interop", "ops"},
  "main": {"command", "signals"},
}
# A part's own command, `python -m vision_jax.PART`, stands above the part.
COMMANDS = {"vision_jax/models/__main__.py": {"models", "recipe"}}
# What a config is made of: everything but the command.
LIBRARY = set(ALLOWED) - {
  *("main", "command", "debugging", "inference", "library", "recipe"),
  *("explain", "export", "planning", "report", "stylize", "transfer"),
}

# Packages of others that a part must not import.
FORBIDDEN = {
  "data": {"jax", "jaxlib", "flax", "optax", "orbax"},
  "viz": {"jax", "jaxlib", "flax", "optax", "orbax"},
  "tuning": {"jax", "jaxlib", "flax"},
  "main": {"jax", "jaxlib", "flax"},  # --help answers at once
}
# Either is TensorFlow or imports it.
TENSORFLOW = (
  "tensorflow",
  "keras",
  "flax.metrics.tensorboard",
  "jax.experimental.jax2tf",
  "clu.metric_writers",
  "clu.periodic_actions",
)
# Words in whose place the field has others: metric, image, prob, log, MLP.
OTHER_WORDS = {
  *("figure", "figures", "picture", "pictures", "chance", "chances"),
  *("say", "said", "told", "perceptron", "kit", "owed", "ladder"),
}
# Names that say nothing about what is inside.
EMPTY_NAMES = {"utils.py", "helpers.py", "misc.py", "common.py", "util.py"}
EMPTY_CLASS = re.compile(r"(Manager|Handler|Wrapper|Helper)$")
MAX_LINES = 300
# What works on a batch whole: `vision_jax.core.mapped` is told and asked.
WITHOUT_AXIS = {
  *("command", "core", "inference", "losses", "metrics", "models"),
  *("pipelines", "tasks", "train"),
}


def python_files(*folders):
  files = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
  return sorted(p.relative_to(ROOT) for p in files)


SOURCES = python_files("vision_jax", "configs", "benchmarks")
EVERYTHING = [*SOURCES, *python_files("tests"), pathlib.Path("setup.py")]
# Experiments lie in folders; what several share lies beside those.
CONFIGS = [p for p in SOURCES if p.match("configs/*/[!_]*.py")]


def each(files):
  """A check of one file as a test of all, which names each that fails."""

  def decorate(check):
    def test():
      failed = []
      for file in files:
        try:
          check(file)
        except AssertionError as error:
          failed.append(f"{file}: {error}")
      assert files and not failed, "\n".join(failed)

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    return test

  return decorate


@functools.cache
def tree(file):
  return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imports(file):
  """Returns the dotted names that a file imports, wherever in it."""
  return names_of(ast.walk(tree(file)))


def names_of(nodes):
  """Returns the dotted names that those of the nodes import that do."""
  names = []
  for node in nodes:
    if isinstance(node, ast.Import):
      names += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{node.module}: relative, expected absolute"
      names += [f"{node.module}.{alias.name}" for alias in node.names]
  return names


def part_of(dotted):
  """vision_jax.train.loop -> train; None for what is not the library's."""
  words = dotted.split(".")
  if words[0] != "vision_jax" or len(words) == 1:
    return None
  return words[1]


def part_of_file(file):
  return part_of(".".join(file.with_suffix("").parts))


def test_the_walk_sees_the_project():
  assert len(SOURCES) > 30 and len(CONFIGS) >= 5
  parts = {part_of_file(p) for p in SOURCES if p.parts[0] == "vision_jax"}
  assert parts - {"__init__"} == {*ALLOWED}, "the table is that of the house"


def test_nothing_is_in_a_circle():
  """Neither a part of the table nor a module, by what it imports at once."""
  [*graphlib.TopologicalSorter(ALLOWED).static_order()]
  modules = {
    ".".join(p.with_suffix("").parts).removesuffix(".__init__"): p
    for p in SOURCES
  }
  needs = {
    name: {
      dotted if dotted in modules else dotted.rpartition(".")[0]
      for dotted in names_of(tree(file).body)
    }
    - {name}
    for name, file in modules.items()
  }
  [*graphlib.TopologicalSorter(needs).static_order()]


@each([p for p in SOURCES if p.parts[0] == "vision_jax"])
def test_imports_point_down(file):
  part = part_of_file(file)
  if part == "__init__":
    standard = {*sys.stdlib_module_names}
    assert {name.split(".")[0] for name in imports(file)} <= standard
    return
  assert part in ALLOWED, f"{file}: add {part!r} to the table of imports"
  allowed = COMMANDS.get(file.as_posix(), ALLOWED[part])
  allowed = allowed | {part, "errors", "files", "forms", "__version__"}
  for name in imports(file):
    assert name.split(".")[0] not in {"configs", "benchmarks", "tests"}, name
    target = part_of(name)
    assert target is None or target in allowed, (
      f"{file} imports {name}: {part} may import {sorted(allowed)}"
    )


@each([p for p in SOURCES if p.parts[0] != "vision_jax"])
def test_configs_and_benchmarks_import_what_is_public(file):
  own = file.parts[0]
  for name in imports(file):
    top = name.split(".")[0]
    assert top not in {*OURS} - {"vision_jax"} or own == "benchmarks", name
    assert top != "tests", f"{file} imports {name}"
    if own == "configs" and part_of(name):
      assert part_of(name) in LIBRARY, f"{file} imports {name}"


@each([p for p in SOURCES if p.parts[0] == "vision_jax"])
def test_flags_end_at_the_door(file):
  """What is below reads a mode's fields; a config's values end in `build`."""
  found = {name for name in imports(file) if name.split(".")[0] == "absl"}
  door = file.match("command/flags.py") or file.match("checkpoint/quiet.py")
  assert not found or door, f"{file} imports {sorted(found)}"


def test_flags_object_is_passed_about_in_four_files():
  """Each mode has its own; what all modes share handles those of any mode."""
  door = {
    "vision_jax.command.options.Options",
    "vision_jax.command.flags.parse",
  }
  handled = {str(p) for p in SOURCES if door & {*imports(p)}}
  handled.add("vision_jax/command/options.py")  # where it is defined
  assert len(handled) <= 4, handled
  assert all(re.match(r"vision_jax/(main|command)\b", name) for name in handled)


@each([p for p in SOURCES if p.parts[0] == "vision_jax"])
def test_config_ends_in_build(file):
  """Below the pipelines everything takes values by their names."""
  found = {name.split(".")[0] for name in imports(file)}
  reads = part_of_file(file) in {"recipe", "pipelines", "planning"}
  assert "ml_collections" not in found or reads, file


@each(EVERYTHING)
def test_no_tensorflow(file):
  for name in imports(file):
    for bad in TENSORFLOW:
      assert name != bad and not name.startswith(bad + "."), name


@each([p for p in SOURCES if part_of_file(p) in FORBIDDEN])
def test_numpy_parts_stay_without_jax(file):
  part = part_of_file(file)
  found = {name.split(".")[0] for name in imports(file)}
  assert not found & FORBIDDEN[part], f"{file}: {part} is without jax"


@each(EVERYTHING)
def test_file_is_small_and_named_for_what_it_does(file):
  lines = len((ROOT / file).read_text(encoding="utf-8").splitlines())
  limit = MAX_LINES if file.parts[0] != "tests" else 2 * MAX_LINES
  assert lines <= limit, f"{file} has {lines} lines"
  assert file.name not in EMPTY_NAMES, f"{file}: name what is inside"


def own_names(node):
  """Returns the names that a node gives to something, or uses."""
  if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
    return []  # a sentence
  keys = ("id", "arg", "attr", "name")
  return [x for key in keys if isinstance(x := getattr(node, key, None), str)]


@each(EVERYTHING)
def test_names_are_the_fields_words(file):
  for node in ast.walk(tree(file)):
    for name in own_names(node):
      words = {w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
      assert not words & OTHER_WORDS, f"{file}: {name}"


@each([p for p in SOURCES if p.parts[0] == "vision_jax"])
def test_signatures_say_what_they_take(file):
  """An experiment has a type, and what is not used is not asked for."""
  for node in ast.walk(tree(file)):
    if isinstance(node, ast.arg):
      kind = ast.unparse(node.annotation) if node.annotation else ""
      assert (node.arg, kind) != ("experiment", "Any"), file
      assert node.arg != "unused", file


def reached(node):
  """Returns the names that a node takes from a module or an object."""
  if isinstance(node, ast.ImportFrom):
    return [*node.module.split("."), *(alias.name for alias in node.names)]
  if isinstance(node, ast.Attribute):
    own = isinstance(node.value, ast.Name) and node.value.id == "self"
    return [] if own else [node.attr]
  if isinstance(node, ast.Call) and len(node.args) > 1:
    calls = r"(.*\.)?([gs]etattr|patch\.object)"
    if re.fullmatch(calls, ast.unparse(node.func)):
      return [ast.unparse(node.args[1]).strip("'")]
  return []


@each(python_files("tests"))
def test_tests_use_what_is_public(file):
  """A test of a private name breaks when nothing is broken."""
  documented = {"_replace", "_asdict"}  # of named tuples
  if file == pathlib.Path("tests/programs/lowering.py"):
    documented.add("_src")  # it says why
  for node in ast.walk(tree(file)):
    for name in reached(node):
      private = re.fullmatch(r"_[A-Za-z]\w*", name)
      assert not private or name in documented, f"{file} reaches {name}"


def test_functions_are_small():
  """Counted with their docstrings: these are to be read too."""
  sizes = [
    node.end_lineno - node.lineno + 1
    for file in python_files("vision_jax")
    for node in ast.walk(tree(file))
    if isinstance(node, ast.FunctionDef)
  ]
  assert np.median(sizes) <= 9
  assert np.percentile(sizes, 90) <= 26
  assert np.mean(np.array(sizes) > 50) < 0.01


@each([p for p in SOURCES if part_of_file(p) in WITHOUT_AXIS])
def test_no_signature_carries_the_mapped_axis(file):
  """It is a context, which an execution enters and layers ask."""
  for node in ast.walk(tree(file)):
    if isinstance(node, ast.arguments):
      names = {arg.arg for arg in (*node.args, *node.kwonlyargs)}
      assert "axis" not in names or file.match("core/mapped.py"), file


# Parts that are loop, step and command of every run: read in one sitting.
SPINE = ("core", "train", "command", "main")
SPINE_LINES = 5_540
MODES = "vision_jax/command/modes/*.py"  # each is a plug, with its own flags


def test_the_spine_does_not_grow():
  """What is not of every run (a format, a diagnosis) has a part of its own."""
  files = [
    p for p in SOURCES if part_of_file(p) in SPINE and not p.match(MODES)
  ]
  lines = sum(len((ROOT / p).read_text("utf-8").splitlines()) for p in files)
  assert lines <= SPINE_LINES, f"{lines} lines in {', '.join(SPINE)}"


@each(SOURCES)
def test_public_names_are_documented(file):
  module = tree(file)
  assert ast.get_docstring(module), f"{file} has no docstring"
  for node in module.body:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
      continue
    assert not EMPTY_CLASS.search(node.name), f"{file}: {node.name}"
    public = not node.name.startswith("_")
    config = file.parts[0] == "configs"  # its docstring is the module's
    assert ast.get_docstring(node) or not public or config, (
      f"{file}: {node.name} has no docstring"
    )


@each(CONFIGS)
def test_config_has_a_tiny_variant(file):
  full = recipe.load(str(file), resolve=False)
  tiny = recipe.load(f"{file}:tiny", resolve=False).config
  module, full = full.module, full.config
  assert set(full) == set(tiny), "a variant changes values, not keys"
  assert tiny.steps <= 100 and tiny.steps < full.steps
  assert callable(module.build)
  assert len(module.__doc__.splitlines()) > 1, "result, hardware and time"
