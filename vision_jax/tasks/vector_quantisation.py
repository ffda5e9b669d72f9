"""Vector quantisation: images as the numbers of a codebook's vectors."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.ops import codebook
from vision_jax.ops.codebook import Table
from vision_jax.tasks.denoising import per_example
from vision_jax.tasks.generative import SIGNED, outside
from vision_jax.tasks.net import NET, OneNet

_TABLE = "codebook"  # the collection of the model's table
_USE = "use"  # and what is known of it besides


@dataclasses.dataclass(frozen=True)
class VectorQuantisation(OneNet):
  """A VQ-VAE (van den Oord et al., arXiv 1711.00937), in [-1, 1].

  A batch has `image` (b, h, w, c), `index` (b,) and `mask` (b,). Gradients pass
  the codebook straight through. Its vectors are statistics that follow what
  they stand for, and are the same in how many parts a batch comes; those hardly
  used become what the encoder gave of late for some example, at a place drawn
  by its key (arXiv 2005.00341, section 3.1). Where the model's codebook is
  learned, a term draws its vectors there in place of both.

  Logs `mse`, the squared error of a pixel, `commitment`, that of a code's
  features, `perplexity`, how many vectors are in use, as if evenly, by a
  running average, and `outside`, the share of pixels outside [-1, 1].

  Attributes:
    model: has `encode`, `quantise` and `draw`, such as `VQVAE`.
    beta: weight of the commitment.
    decay: what stays of the averages in a step.
    restart: share of even use below which a vector is replaced; 0 replaces
      none.
  """

  model: nn.Module
  beta: float = 0.25
  decay: float = 0.99
  restart: float = 0.1

  def __post_init__(self):
    if self.beta < 0:
      raise UserError(f"beta: got {self.beta}; expected 0 or more.")
    for name in ("decay", "restart"):
      if not 0 <= getattr(self, name) < 1:
        raise UserError(
          f"{name}: got {getattr(self, name)}; expected 0 or more and below 1."
        )

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images."""
    return SIGNED

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The squared errors."""
    weights = {"mse": 1.0, "commitment": self.beta}
    if self.model.learned:
      weights["codebook"] = 1.0
    return (Objective(NET, self._loss, weights),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the parameters, and statistics with the use of the codebook."""
    params, stats = super().init(key, batch)
    table = codebook.begun(_vectors(params, stats))
    use = {"use": table.use}
    if not self.model.learned:
      use["candidates"] = table.candidates
    return params, {NET: {**stats[NET], _USE: use}}

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `image`, reconstructed, and `codes` int32 (b, h', w')."""
    del key
    net = self.net.given(params, stats)
    vectors, codes = net(
      net(batch["image"], method="encode"), method="quantise"
    )
    image = jnp.clip(net(vectors, method="draw"), *SIGNED)
    return {"image": image, "codes": codes}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    image, mask = batch["image"], batch["mask"]
    follows = train and not self.model.learned
    if follows:
      stats = self._renewed(stats)
    net = self.net.given(params, stats)
    z = net(image, method="encode")
    vectors, codes = net(z, method="quantise")
    still = jax.lax.stop_gradient
    passed = z + still(vectors - z)
    errors, _ = self._reconstructed(
      params, stats, passed, batch, key, step, train
    )
    errors["commitment"] = per_example((z - still(vectors)) ** 2)
    if self.model.learned:
      errors["codebook"] = per_example((vectors - still(z)) ** 2)
    use = stats[NET][_USE]["use"]
    number = codebook.perplexity(use, self.restart)
    errors["perplexity"] = jnp.broadcast_to(number, mask.shape)
    errors["outside"] = outside(image, SIGNED)
    terms = {name: Mean.of(x, mask) for name, x in errors.items()}
    if train:
      stats = self._moved(stats, params, still(z), codes, batch, key)
    return terms, stats

  def _reconstructed(
    self, params, stats, z, batch, key, step, train
  ) -> tuple[dict[str, Array], Array]:
    """Returns errors (b,) of the images that are drawn of z, and the images."""
    del key, step, train
    image = self.net.given(params, stats)(z, method="draw")
    return {"mse": per_example((image - batch["image"]) ** 2)}, image

  def _renewed(self, stats: Nets) -> Nets:
    """Returns the statistics with candidates in the place of dead vectors."""
    own = stats[NET]
    table = Table(_vectors({}, stats), **own[_USE])
    return _with(stats, codebook.renewed(table, self.restart))

  def _moved(self, stats, params, z, codes, batch, key) -> Nets:
    """Returns the statistics after a batch, which may come in parts."""
    b, *_, d = z.shape
    vectors, use = _vectors(params, stats), stats[NET][_USE]
    table = Table(vectors, use["use"], use.get("candidates", vectors))
    x, codes = z.reshape(b, -1, d), codes.reshape(b, -1)
    new = codebook.moved(table, x, codes, batch, key, self.decay)
    if self.model.learned:
      return {**stats, NET: {**stats[NET], _USE: {"use": new.use}}}
    return _with(stats, new)


def _vectors(params: Nets, stats: Nets) -> Array:
  """Returns the table of the model's codebook, wherever it is."""
  own = stats[NET].get(_TABLE) or params[NET]
  return own["codebook"]["vectors"]


def _with(stats: Nets, table: Table | codebook.Moved) -> Nets:
  """Returns the statistics of all nets, the codebook's those of a table."""
  use = {"use": table.use, "candidates": table.candidates}
  own = {_TABLE: {"codebook": {"vectors": table.vectors}}, _USE: use}
  return {**stats, NET: {**stats[NET], **own}}
