"""Images in the style of one image, drawn by a net: fast style."""

import dataclasses
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.losses.style import style_of, style_terms, variation
from vision_jax.tasks.net import NET, OneNet
from vision_jax.tasks.perceptual import initial_judge, maps_by
from vision_jax.tasks.translation import check_weights, signed, translated

# Of a VGG-16, as in the paper.
CONTENT = ("relu3_3",)
STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
LAYERS = STYLE  # which has the content's


@dataclasses.dataclass(frozen=True)
class FastStyle(OneNet):
  """A net that redraws any image in the style of one.

  Johnson et al. (2016), arxiv.org/abs/1603.08155. A batch has `image`
  (b, h, w, 3) in [0, 1] and `mask` (b,); nets see and make pixels of [-1, 1].
  What the net draws is compared by the maps of a fixed VGG: its content with
  that of the image, its style with that of the painting, see `style_terms`.

  Logs `content`, `style` and `variation`, which is of pixels in [-1, 1].

  Attributes:
    model: (image, *, train, mask) -> image in (-1, 1); may have `multiple`,
      what sides have to be divisible by.
    judge: (image, *, train, features=True) -> maps by name, among them
      `CONTENT` and `STYLE`: the net "perceptual", whose weights the
      experiment's `fixed` says; without any its maps are random.
    painting: () -> the image (h, w, 3) uint8 whose style it is; called where
      losses are computed alone.
    content, style, variation: weights.
  """

  model: nn.Module
  judge: nn.Module
  painting: Callable[[], np.ndarray]
  _: dataclasses.KW_ONLY
  content: float = 1.0
  style: float = 1e5
  variation: float = 0.0

  def __post_init__(self):
    check_weights(self, "content", "style", "variation")

  @property
  def objectives(self) -> Sequence[Objective]:
    """The net's."""
    names = ("content", "style", "variation")
    weights = {name: getattr(self, name) for name in names}
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics of both nets."""
    judge = initial_judge(
      self.judge, jax.random.fold_in(key, 1), batch["image"]
    )
    return joined(judge, super().init(key, batch))

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `translated` (b, h, w, 3) in [0, 1], float32, of any size."""
    del key
    net = self.net.given(params, stats)
    return {"translated": translated(net, self.model, batch["image"])}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    del step
    image = signed(batch["image"])
    drawn, new = self.net.run(
      params, stats, image, key=key, train=train, mask=batch["mask"]
    )
    maps = maps_by(self.judge, params, stats)
    content = {name: maps(image)[name] for name in CONTENT}
    terms = style_terms(maps(drawn), content, self._style(maps))
    terms["variation"] = variation(drawn)
    return {k: Mean.of(x, batch["mask"]) for k, x in terms.items()}, new

  def _style(self, maps: Callable) -> dict[str, Array]:
    """Returns the Gram matrices (1, c, c) of the painting."""
    painting = jnp.asarray(self.painting(), jnp.float32)[None] / 255
    found = maps(signed(painting))
    return {name: style_of(found[name]) for name in STYLE}
