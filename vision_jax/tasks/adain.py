"""Images in the style of any image, by one net: AdaIN."""

import dataclasses
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.restoration import l2
from vision_jax.losses.style import moments_distance
from vision_jax.ops.adain import adain
from vision_jax.ops.parts import part
from vision_jax.tasks.net import NET, Net
from vision_jax.tasks.perceptual import initial_judge, maps_by
from vision_jax.tasks.translation import check_weights, signed

CONTENT, STYLE = "content", "style"  # parts of a batch
# Of a VGG-19; the last is what is decoded.
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CODE = LAYERS[-1]
MULTIPLE = 8  # of the sides of images, which VGG halves three times until CODE


@dataclasses.dataclass(frozen=True)
class AdaIN:
  """A decoder that draws a content in the style of any image.

  Huang and Belongie (2017), arxiv.org/abs/1703.06868. A batch has the parts
  `content` and `style` of a `Together`, each with `image` (b, h, w, 3) in
  [0, 1] and `mask`, and `mask` (b,) of its rows. A fixed VGG-19 encodes both;
  each channel of the content's map takes on the mean and the deviation of the
  style's; the decoder, which alone is trained, draws an image of that. Its
  content is compared with that map, its style by means and deviations of four
  layers. Differs from the paper: pixels of VGG are ImageNet's, normalized.

  Logs `content` and `style`.

  Attributes:
    model: (map, *, train) -> image, in [-1, 1] but for what is cut off.
    judge: (image, *, train, features=True) -> maps by name, `LAYERS`: the net
      "perceptual", whose weights the experiment's `fixed` says; without any its
      maps are random.
    painting: () -> the image (h, w, 3) uint8 in whose style images are drawn
      that are predicted alone.
    content, style: weights.
    alpha: how much of a style predictions take on, from 0, the content as it
      is, to 1.
  """

  model: nn.Module
  judge: nn.Module
  painting: Callable[[], np.ndarray]
  _: dataclasses.KW_ONLY
  content: float = 1.0
  style: float = 10.0
  alpha: float = 1.0

  def __post_init__(self):
    check_weights(self, "content", "style")
    if not 0 <= self.alpha <= 1:
      raise UserError(
        f"alpha: got {self.alpha}; expected 0, the content as it is, to 1, all "
        "of the style."
      )

  @property
  def objectives(self) -> Sequence[Objective]:
    """The decoder's."""
    weights = {"content": self.content, "style": self.style}
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of both nets."""
    first, second = jax.random.split(key)
    image = part(batch, CONTENT)["image"]
    judge = initial_judge(self.judge, first, image)
    code = maps_by(self.judge, *judge)(image)[CODE]
    return joined(judge, self._decoder.init(second, code))

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `translated` (b, h, w, 3) in [0, 1], float32, of any size.

    Of a batch with `image` alone in the style of the painting; else of the
    contents, each in the style beside it.
    """
    del key
    if "image" in batch:
      image = batch["image"]
      style = jnp.asarray(self.painting(), jnp.float32)[None] / 255
    else:
      image, style = (part(batch, x)["image"] for x in (CONTENT, STYLE))
    _, h, w, _ = image.shape
    more = ((0, 0), (0, -h % MULTIPLE), (0, -w % MULTIPLE), (0, 0))
    image = signed(jnp.pad(image, more, mode="edge"))
    maps = maps_by(self.judge, params, stats)
    code = maps(image)[CODE]
    wanted = adain(code, maps(signed(style))[CODE])
    mixed = self.alpha * wanted + (1 - self.alpha) * code
    drawn = self._decoder.given(params, stats)(mixed, train=False)
    return {"translated": (jnp.clip(drawn[:, :h, :w], -1, 1) + 1) / 2}

  @property
  def _decoder(self) -> Net:
    return Net(self.model)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    del step
    maps = maps_by(self.judge, params, stats)
    content, style = (
      maps(signed(part(batch, x)["image"])) for x in (CONTENT, STYLE)
    )
    wanted = adain(content[CODE], style[CODE])
    drawn, new = self._decoder.run(params, stats, wanted, key=key, train=train)
    found = maps(drawn)
    terms = {
      "content": l2(found[CODE].astype(jnp.float32), wanted),
      "style": sum(moments_distance(found[x], style[x]) for x in LAYERS),
    }
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new
