"""The page of which config to take, with what is counted and measured."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.choices import CHOICES, Choice
from benchmarks.keys import keys_of
from benchmarks.report import markdown as md
from benchmarks.report import recipes
from benchmarks.report.tables import value
from benchmarks.result import Result
from benchmarks.row import Row

PAGE = "configs/CHOOSING.md"
CPU = "cpu"  # a variant for a machine without an accelerator
HEAD = """\
# Which config to take

Every config is here, by its task; those to begin with come first. *On two
cores* is what to name where there is no accelerator, with what was reached and
how long a seed took where that was measured; the configs of one's own data take
that variant by themselves there, and a run that would take more than two hours
says so after its first steps. An accelerator takes the file as it stands.
`--mode=plan --config=PATH --devices=8` counts memory and time for devices
that are not here. What keys a config has is in [KEYS.md](KEYS.md), every result
in [README.md](README.md). Written by `python -m benchmarks.report --write` from
`benchmarks/choices.py`, the configs and the committed results.

## By what you have

- **Nothing yet:** `python -m benchmarks.run --suite=quick` trains six of them
  in minutes of two cores and downloads nothing.
- **A published file, no time:** `--mode=import`, then `--mode=predict`,
  `features` or `search`.
- **Five images of each class:** import a net, then probe its features
  (`--mode=probe`), which takes seconds, or fine-tune it. Of five new classes of
  CIFAR-10 a probe was right on {transfer_probe_5shot} % of the test images,
  fine-tuning on {transfer_finetune_5shot} %, the same net from scratch on
  {transfer_scratch_5shot} %.
- **Hundreds of images, two cores, 20 minutes:** `:cpu` of `folder_resnet18`
  ({own_images_cpu} % accuracy on 2,000 images of MNIST), `folder_unet`
  (Dice {own_masks_cpu} % on 392 images of nuclei), and of boxes `own_boxes`, or
  `voc_detr` (AP50 {own_boxes_cpu} % on 205 images of blood cells).
- **Thousands of images and an accelerator:** the same files as they stand.
- **Images without labels:** `self_supervised`; a linear classifier of features
  that were learned without labels had {cifar10_simclr} % on CIFAR-10, of
  features learned with them {cifar10_simclr_supervised} %, in as long on a CPU.
- **Several devices or hosts:** the same command, see
  [benchmarks/launch](../benchmarks/launch/README.md); the batch size is that of
  all devices together.

## By task
"""
COLUMNS = ("for", "data", "config", "parameters", "on two cores", "reached")


def page(known: Mapping[str, Result]) -> str:
  """Returns the page.

  Args:
    known: a result with a number of each row that has one, see `pages.newest`.
  """
  parts, counts = [HEAD.format_map(_Numbers(known))], recipes.parameters()
  for task, paths in recipes.configs().items():
    lines = [_line(x, known, counts) for x in choices(task, paths)]
    title = task.replace("_", " ").capitalize()
    parts.append(f"### {title}\n\n{md.table(COLUMNS, lines)}")
  return "\n".join(parts)


def choices(task: str, paths: Sequence[str]) -> Iterator[Choice]:
  """Yields the choices of a task, and then its other configs."""
  known = [x for x in CHOICES if x.config.startswith(f"{task}/")]
  yield from known
  for path in paths:
    name = path.removeprefix("configs/").removesuffix(".py")
    if name not in {x.config for x in known}:
      lead, others = recipes.rows_of(path)
      rows = [x for x in (lead, *others) if x]
      data = rows[0].dataset if rows else ""
      yield Choice(name, recipes.what(path), md.escape(data))


class _Numbers(dict):
  """The numbers of rows, in place of their names."""

  def __init__(self, known: Mapping[str, Result]):
    super().__init__({k: value(x, x.summary.mean) for k, x in known.items()})

  def __missing__(self, row: str) -> str:
    return "(not run here)"


def _line(
  choice: Choice, known: Mapping[str, Result], counts: Mapping[str, int]
) -> list[str]:
  path = f"configs/{choice.config}.py"
  lead, others = recipes.rows_of(path)
  rows = [x for x in (lead, *others) if x and not (x.source or x.probe)]
  small = [x for x in rows if x.needs == "cpu"]
  small.sort(key=lambda x: x.variant != CPU)
  measured = [known[x.name] for x in small if x.name in known]
  file = choice.config.partition("/")[2]
  return [
    choice.want,
    choice.have,
    f"[{md.escape(file)}]({choice.config}.py)",
    f"{counts[path]:,}" if path in counts else "",
    _on_cpu(path, rows, small),
    _reached(measured[0]) if measured else "",
  ]


def _on_cpu(path: str, rows: Sequence[Row], small: Sequence[Row]) -> str:
  """Says what to name where there is no accelerator."""
  found = keys_of(path)
  if found.values.get("source") or (small and not small[0].variant):
    return "as it stands"
  if small or CPU in found.variants:
    return md.code(f":{CPU}")
  return f"{md.code(':tiny')} alone" if rows else "not timed"


def _reached(result: Result) -> str:
  """Returns the metric with its deviation, and how long a seed took."""
  row, summary = result.row, result.summary
  text = value(result, summary.mean)
  if summary.sd is not None:
    text += f" ± {value(result, summary.sd)}"
  parts = [f"{md.code(row.metric)} {text} {md.escape(row.unit)}"]
  return ", ".join([*parts, *filter(None, [recipes.duration(result.seconds)])])
