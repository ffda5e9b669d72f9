"""What every config of segmentation may choose: losses, views, metrics.

The keys, with what they are by default, are `OPTIONS`.
"""

import flax.linen as nn
import ml_collections

from vision_jax.core.checks import check_name
from vision_jax.core.types import Metric
from vision_jax.errors import UserError
from vision_jax.losses.segmentation_ranked import SHARE, THRESHOLD
from vision_jax.metrics.segmentation import Segmentation as Metrics
from vision_jax.ops.tiling import Tiles
from vision_jax.ops.views import Views
from vision_jax.pipelines.sources.masks import MEDIAN
from vision_jax.tasks.segmentation import TERMS, Segmentation

OPTIONS = {
  "loss": ("cross_entropy",),
  "loss_weights": (),
  "ohem_threshold": THRESHOLD,
  "ohem_share": SHARE,
  "balance_by": MEDIAN,
  "balance_beta": 1 - 1e-7,
  "tta_scales": (),
  "tta_flip": False,
  "boundary_pixels": 0,
  "trimap_pixels": 0,
}


def task_of(
  config: ml_collections.ConfigDict,
  model: nn.Module,
  *,
  tiles: Tiles | None = None,
  auxiliary: float = 0.0,
) -> Segmentation:
  """Returns the task of a `segmentation_config`.

  Args:
    config: has the keys of OPTIONS.
    model: as `Segmentation` takes it.
    tiles: likewise.
    auxiliary: likewise.

  Raises:
    UserError: naming the key of a value that cannot be.
  """
  return Segmentation(
    model,
    terms_of(config),
    class_weights=tuple(config.class_weights) or None,
    ohem_threshold=config.ohem_threshold,
    ohem_share=config.ohem_share,
    tiles=tiles,
    views=views_of(config),
    auxiliary=auxiliary,
  )


def metrics_of(config: ml_collections.ConfigDict) -> dict[str, Metric]:
  """Returns what evaluations of a `segmentation_config` measure."""
  names = tuple(config.class_names)
  return {
    "segmentation": Metrics(
      len(names),
      class_names=names,
      boundary_pixels=config.boundary_pixels,
      trimap_pixels=config.trimap_pixels,
    )
  }


def terms_of(config: ml_collections.ConfigDict) -> dict[str, float]:
  """Returns the parts of the loss with their weights, 1 where none are given.

  Raises:
    UserError: for a name that is unknown or there twice, none, or weights that
      are not as many.
  """
  names, weights = tuple(config.loss), tuple(config.loss_weights)
  for name in names:
    check_name("--config.loss", name, TERMS)
  if not names or len(set(names)) < len(names):
    raise UserError(
      f"--config.loss: got {','.join(names) or 'none'}; expected some of "
      f"{', '.join(TERMS)}, each once, as in --config.loss=ohem,lovasz."
    )
  if len(weights) not in (0, len(names)):
    raise UserError(
      f"--config.loss_weights: got {len(weights)} for --config.loss="
      f"{','.join(names)}; expected one for each, or none, which weighs them "
      "alike."
    )
  return dict(zip(names, weights or (1.0,) * len(names), strict=True))


def views_of(config: ml_collections.ConfigDict) -> Views | None:
  """Returns how often images are seen; None for once, as they are."""
  views = Views(tuple(config.tta_scales) or (1.0,), config.tta_flip)
  return None if views == Views() else views
