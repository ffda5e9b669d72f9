"""FFDNet: the names of its authors' files."""

from vision_jax.data.transforms.preprocess import as_stored
from vision_jax.interop.published import Published
from vision_jax.interop.rules import Rules, Shapes, conv
from vision_jax.models.restoration.ffdnet import FFDNET_COLOUR, FFDNet


def kair(shapes: Shapes) -> Rules:
  """Positions in a sequence of convolutions and ReLUs."""
  number = sum(path.endswith("/kernel") for path in shapes)
  return [
    rule
    for i in range(1, number + 1)
    for rule in conv(rf"model\.{2 * i - 2}", f"conv{i}")
  ]


def _published(make: type, channels: int, most: int) -> Published:
  return Published(
    make,
    "kair",
    as_stored(channels),
    task="restoration",
    values={"levels": f"0,{most}"},
  )


LAYOUTS = {"kair": kair}
PUBLISHED = {
  "kair:ffdnet_gray": _published(FFDNet, 1, 75),
  "kair:ffdnet_color": _published(FFDNET_COLOUR, 3, 75),
}
