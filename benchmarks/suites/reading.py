"""Rows of strings of digits that are read."""

from benchmarks.row import Row

NOTHING = "nothing comparable is published: the strings are generated"
TARGETS = {"clean": 0.95, "textures": 0.88}


def _row(net: str, ground: str) -> Row:
  textures = {"textures": "1.0"} if ground == "textures" else {}
  where = "on textures" if textures else "on black"
  return Row(
    name=f"strings_{net}_{ground}",
    config=f"configs/reading/mnist_{net}.py",
    dataset=f"strings of mnist's digits, {where}",
    reference="",
    protocol=(
      "strings right in every digit, of 2,000 of five MNIST test digits each, "
      "overlapping by 8 to 12 pixels of 28 and moved by up to 2; trained on "
      "strings of 3 to 7 of 55,000 others, last step"
    ),
    tolerance=0.0,
    metric="test/strings",
    target=TARGETS[ground],
    differs=NOTHING,
    overrides=textures,
    data="mnist",
    seeds=1,
    also=("test/cer", "test/wer", "val/strings"),
    curve=("val/strings",),
    seconds=900,
  )


READING = tuple(
  _row(net, ground) for ground in TARGETS for net in ("crnn", "attention")
)

SUITES = {"reading": READING}
