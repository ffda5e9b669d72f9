"""What runs showed as they were trained, one below the other, and how it ended.

  python -m benchmarks.course --runs=out/translation \\
    --rows=photos_cartoon_cpu,photos_cycle_cpu --image=val/translated \\
    --title="Photographs into cartoons" --output=OUT/cartoon

Of rows that `benchmarks.run --output=FOLDER` has trained it takes the images of
an evaluation that TensorBoard has, from the first to the last, and writes
`cartoon.jpg`, a line for each row and a column for each step, and `cartoon.md`
with their numbers; `--text` is a line of one's own below the title. Exit codes:
0 done, 2 bad arguments or no images.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from benchmarks.page.events import images_of
from benchmarks.report import markdown as md
from vision_jax.errors import UserError
from vision_jax.files import replace_bytes, replace_text
from vision_jax.viz.grid import grid

COLUMNS = 4  # steps of a row, at most
WIDTH = 1200  # pixels of the image, at most
QUALITY = 80  # of the JPEG


def main(argv: Sequence[str] | None = None) -> int:
  """Writes the image and the page; returns the exit code."""
  parser = argparse.ArgumentParser(prog="python -m benchmarks.course")
  parser.add_argument("--runs", required=True, type=pathlib.Path)
  parser.add_argument("--rows", required=True)
  parser.add_argument("--image", required=True)
  parser.add_argument("--output", required=True, type=pathlib.Path)
  parser.add_argument("--title", default="Along training")
  parser.add_argument("--text", default="")
  options = parser.parse_args(argv)
  try:
    results = [result(options.runs, row) for row in options.rows.split(",")]
    image = course(options.runs, results, options.image)
  except UserError as error:
    print(f"benchmarks.course: {error}", file=sys.stderr)
    return 2
  texts = (options.title, options.text)
  write(options.output, image, results, texts)
  return 0


def result(runs: pathlib.Path, row: str) -> dict[str, Any]:
  """Returns the last result of a row in a folder of runs.

  Raises:
    UserError: if there is none.
  """
  file = runs / "results.jsonl"
  lines = file.read_text("utf-8").splitlines() if file.exists() else []
  found = [x for x in map(json.loads, lines) if x["row"] == row]
  if not found:
    raise UserError(
      f"--rows: {file} has no result of {row!r}; expected one. Run "
      f"python -m benchmarks.run --rows={row} --output={runs} first."
    )
  return found[-1]


def course(
  runs: pathlib.Path, results: Sequence[Mapping[str, Any]], name: str
) -> np.ndarray:
  """Returns a line of images for each result, (h, w, 3) uint8.

  Raises:
    UserError: if a run has no image of this name.
  """
  cells, titles = [], []
  for one in results:
    seed = one["seeds"][0]
    images = images_of(runs / one["row"] / f"seed{seed}" / "workdir", name)
    if not images:
      raise UserError(
        f"--image: {one['row']} has no images {name!r}; expected the name of "
        "one that TensorBoard shows, such as val/translated."
      )
    steps = [*images]
    places = np.linspace(0, len(steps) - 1, min(COLUMNS, len(steps)))
    chosen = [steps[round(place)] for place in places]
    left = COLUMNS - len(chosen)
    cells += [_decoded(images[step]) for step in chosen]
    cells += [np.full((1, 1, 3), 255, np.uint8)] * left
    titles += [f"{one['row']}: {chosen[0]:,} steps"]
    titles += [f"{step:,}" for step in chosen[1:]] + [""] * left
  return grid(cells, COLUMNS, gap=8, titles=titles, least=1)


def write(
  output: pathlib.Path,
  image: np.ndarray,
  results: Sequence[Mapping[str, Any]],
  texts: tuple[str, str],
) -> None:
  """Writes OUTPUT.jpg and OUTPUT.md, which has a title and a line of text."""
  if (factor := WIDTH / image.shape[1]) < 1:
    how = {"interpolation": cv2.INTER_AREA}
    image = cv2.resize(image, None, fx=factor, fy=factor, **how)
  flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
  _, data = cv2.imencode(".jpg", image[..., ::-1], flags)
  output.parent.mkdir(parents=True, exist_ok=True)
  replace_bytes(output.with_suffix(".jpg"), data.tobytes())
  file = output.with_suffix(".jpg").name
  replace_text(output.with_suffix(".md"), page(results, texts, file))


def page(
  results: Sequence[Mapping[str, Any]], texts: tuple[str, str], file: str
) -> str:
  """Returns the page of what runs showed and how they ended."""
  title, text = texts
  blocks = [f"# {title}", *[text] * bool(text), f"![{title}]({file})"]
  for one in results:
    also = {one["metric"]: one["mean"]} | dict(one["also"])
    rows = [(f"`{key}`", f"{value:.4g}") for key, value in also.items()]
    blocks += [
      f"## {one['row']}",
      f"{one['dataset']}: {one['protocol']}.",
      md.table(("metric", "value"), rows),
      f"Seed {one['seeds'][0]}, {round(one['seconds'])} s on "
      f"{one['hardware']['cpu_cores']} core of {one['hardware']['cpu']}; "
      f"`{one['command']}`; commit {one['git_commit'][:12]}.",
    ]
  return "\n\n".join(blocks) + "\n"


def _decoded(data: bytes) -> np.ndarray:
  image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  return np.ascontiguousarray(image[..., ::-1])


if __name__ == "__main__":
  sys.exit(main())
