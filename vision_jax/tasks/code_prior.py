"""A prior over the codes of a fixed autoencoder, by which images are drawn."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.state import joined
from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.ops.augment.keys import example_keys, uniforms
from vision_jax.ops.diffusion.noise import shares
from vision_jax.ops.unmasking import hidden_number, lowest, unmask
from vision_jax.tasks.conditions import (
  Condition,
  Conditional,
  check_guidance,
  dropped,
)
from vision_jax.tasks.generative import SIGNED
from vision_jax.tasks.latent import AUTOENCODER
from vision_jax.tasks.net import NET, Net, OneNet


@dataclasses.dataclass(frozen=True)
class CodePrior(Conditional, OneNet):
  """Predicts hidden codes of an image (MaskGIT, arXiv 2202.04200).

  A batch has `image` (b, h, w, c) in [-1, 1], `index` (b,), `mask` (b,) and
  what the condition reads. How many codes are hidden, one at least, and which,
  follows from an example's index. Logs `cross_entropy` of the hidden ones, in
  nats a code, and `accuracy`, the share of them that is guessed.

  Attributes:
    model: (codes int (b, l), condition, *, train, mask) -> logits (b, l, k), k
      being a hidden code: such as `CodeTransformer`.
    autoencoder: has `encode`, `quantise`, `lookup` and `draw`, such as `VQVAE`.
      The experiment's `fixed` says its weights; without any it is random.
    drop_label: share of the examples trained without their condition, which is
      what guidance needs.
    smoothing: of the codes, as classes.
    condition: what the model is given besides; None is the class of a model
      with `num_classes`, and nothing without.
  """

  model: nn.Module
  autoencoder: nn.Module
  drop_label: float = 0.1
  smoothing: float = 0.1
  condition: Condition | None = None

  def __post_init__(self):
    self._settle_condition(self.model)
    if not hasattr(self.autoencoder, "quantise"):
      raise UserError(
        f"autoencoder: got {type(self.autoencoder).__name__}, which has no "
        "codes; expected one with a codebook, such as VQVAE."
      )
    if self.model.size != self.autoencoder.size:
      raise UserError(
        f"size: got {self.model.size} codes of the prior and "
        f"{self.autoencoder.size} of the autoencoder; expected as many."
      )
    for name in ("drop_label", "smoothing"):
      if not 0 <= getattr(self, name) <= 1:
        raise UserError(f"{name}: got {getattr(self, name)}; expected [0, 1].")

  @property
  def value_range(self) -> tuple[float, float]:
    """The range of the pixels of images and samples."""
    return SIGNED

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The cross entropy of hidden codes."""
    return (Objective(NET, self._loss, {"cross_entropy": 1.0}),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns parameters and statistics, the autoencoder's too."""
    nets = self.condition.init(jax.random.fold_in(key, 1), batch)
    codec = self._codec.init(jax.random.fold_in(key, 2), batch["image"])
    codes = self.codes(*codec, batch["image"])
    codes = codes.reshape(len(codes), -1)
    given = self.condition.of(*nets, batch)
    return joined(nets, codec, self.net.init(key, codes, given))

  def codes(self, params: Nets, stats: Nets, image: Array) -> Array:
    """Returns the codes int32 (b, h', w') of images."""
    net = self._codec.given(params, stats)
    return net(net(image, method="encode"), method="quantise")[1]

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns what `sample` does."""
    return self.sample(params, stats, batch, key)

  def sample(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    steps: int = 10,
    temperature: float = 4.5,
    guidance: float = 1.0,
  ) -> dict[str, Array]:
    """Draws `image` (b, h, w, c), one for each `index` of the batch.

    Args:
      params: those of all nets, by name.
      stats: likewise.
      batch: `index`, what the condition reads, and `image`, of which only the
        shape counts.
      key: an image depends on it, its index and its condition alone.
      steps: evaluations of the net.
      temperature: of what is kept from one step to the next.
      guidance: 1 draws the condition as it was learned, more exaggerates it and
        evaluates the net twice.

    Raises:
      UserError: for less than one step, or guidance that the model was not
        trained for.
    """
    if steps < 1 or temperature < 0:
      raise UserError(
        f"steps, temperature: got {steps} and {temperature}; expected at least "
        "1 and 0."
      )
    codes = functools.partial(self.codes, params, stats)
    b, h, w = jax.eval_shape(codes, batch["image"]).shape
    found = unmask(
      self._predictor(params, stats, self.condition.given(batch), guidance),
      *(example_keys(batch, key), h * w, self.model.size),
      steps=steps,
      temperature=temperature,
    )
    net = self._codec.given(params, stats)
    vectors = net(found.reshape(b, h, w), method="lookup")
    return {"image": jnp.clip(net(vectors, method="draw"), *SIGNED)}

  def check_guidance(self, guidance: float) -> None:
    """Refuses guidance of a model that did not learn what that needs."""
    check_guidance(guidance, self.condition, self.drop_label)

  @property
  def _codec(self) -> Net:
    return Net(self.autoencoder, AUTOENCODER)

  def _predictor(self, params: Nets, stats: Nets, given: Any, guidance: float):
    """Returns codes (b, l) -> logits (b, l, k)."""
    encode = functools.partial(self.condition.encode, params, stats)
    net = functools.partial(self.net.given(params, stats), train=False)
    condition = encode(given)
    if guidance == 1:
      return lambda codes: net(codes, condition)
    self.check_guidance(guidance)
    null = encode(self.condition.null(given))

    def predict(codes):
      without = net(codes, null)
      return without + guidance * (net(codes, condition) - without)

    return predict

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    codes = self.codes(params, stats, batch["image"])
    codes = codes.reshape(len(codes), -1)
    hidden = self._hidden(batch, key, codes.shape[1])
    given = self.condition.given(batch)
    if train and self.drop_label:
      keys = example_keys(batch, key)
      given = dropped(self.condition, given, keys, self.drop_label)
    logits, stats = self.net.run(
      *(params, stats, jnp.where(hidden, self.model.size, codes)),
      self.condition.encode(params, stats, given),
      key=key,
      train=train,
      mask=batch["mask"],
    )
    smoothing = self.smoothing if train else 0.0
    loss = softmax_cross_entropy(logits, codes, smoothing)
    right = (jnp.argmax(logits, -1) == codes).astype(jnp.float32)
    weights = hidden * batch["mask"][:, None]
    return {
      "cross_entropy": Mean.of(loss, weights),
      "accuracy": Mean.of(right, weights),
    }, stats

  def _hidden(self, batch: Batch, key: Array, length: int) -> Array:
    """Returns which codes of each example are hidden, bool (b, length)."""
    number = hidden_number(shares(key, batch["index"]), length)
    return lowest(uniforms(batch, key, length), jnp.maximum(number, 1))
