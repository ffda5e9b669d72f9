"""A model card: what a net is, by which recipe, with which numbers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from vision_jax.export.options import How
from vision_jax.files import to_json

# The hub's names of tasks, by ours.
PIPELINES = {
  "Classification": "image-classification",
  "Segmentation": "image-segmentation",
  "Detection": "object-detection",
}
LINES = """
# {name}

{model}, trained for {task} with vision_jax {version}: weights ({weights}) of
step {step}. Licence: {license}.

Images are {image} as `preprocessor_config.json` makes them; config.json has
what the package itself does. A run begins with these weights by

```
python -m vision_jax.main --config=CONFIG --init_from=model.safetensors
```

## Recipe

`{config}`{variant}, with

```json
{values}
```

## Numbers

{metrics}
"""


def card(about: Mapping[str, Any], how: How) -> str:
  """Returns README.md: metadata as the hub reads it, and the text.

  Args:
    about: of `about.describe`.
    how: name and licence.
  """
  head = {
    "license": how.license,
    "library_name": "vision_jax",
    "tags": ["vision_jax", "jax", "flax", about["model"]],
  }
  if about["task"] in PIPELINES:
    head["pipeline_tag"] = PIPELINES[about["task"]]
  if about["metrics"]:
    head["model-index"] = [{"name": how.name, "results": [*_results(about)]}]
  front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
  return f"---\n{front}---\n{_text(about, how)}"


def _text(about: Mapping[str, Any], how: How) -> str:
  variant = f" (variant {about['variant']})" if about["variant"] else ""
  rows = [
    f"| {name} | {value if value is None else f'{value:.6g}'} |"
    for name, value in about["metrics"].items()
  ]
  table = "\n".join(["| metric | value |", "|---|---|", *rows])
  return LINES.format(
    name=how.name,
    model=about["model"],
    task=PIPELINES.get(about["task"], about["task"]).replace("-", " "),
    version=about["vision_jax"],
    step=about["step"],
    weights=about["weights"],
    license=how.license,
    image=to_json(about["inputs"]["image"]["shape"]),
    config=about["config"],
    variant=variant,
    values=to_json(about["values"], indent=2),
    metrics=table if rows else "None were measured at this step.",
  )


def _results(about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
  """Yields the metrics of each evaluation, as the hub's model-index has them.

  A metric that is no number has no place there.
  """
  dataset = str(about["values"].get("dataset") or "own data")
  task = PIPELINES.get(about["task"], about["task"])
  for split in dict.fromkeys(x.split("/")[0] for x in about["metrics"]):
    yield {
      "task": {"type": task},
      "dataset": {"name": dataset, "type": dataset, "split": split},
      "metrics": [
        {"type": name.partition("/")[2], "value": value, "name": name}
        for name, value in json.loads(to_json(about["metrics"])).items()
        if name.split("/")[0] == split and value is not None
      ],
    }
