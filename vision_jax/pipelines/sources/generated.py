"""What is trained on where a generator has drawn images: real, drawn, both."""

from vision_jax.data.concatenated import concatenated
from vision_jax.data.source import Source
from vision_jax.data.sources.samples import Samples
from vision_jax.errors import UserError


def with_generated(
  real: Source,
  folder: str,
  *,
  shape: tuple[int, int, int],
  class_names: tuple[str, ...],
  only: bool = False,
) -> Source:
  """Returns the images to train on.

  Args:
    real: the data set's own.
    folder: what --mode=sample wrote, see `Samples`; "" for none.
    shape: (h, w, c) of the images.
    class_names: of the labels.
    only: whether they are trained on without the data set's own.

  Raises:
    UserError: where nothing is left to train on.
  """
  if only and not folder:
    raise UserError(
      "--config.only_generated: got true without --config.generated, so that "
      "there is nothing to train on; expected a folder of samples, as "
      "`--mode=sample --workdir=GENERATOR --output=FOLDER` writes them."
    )
  if not folder:
    return real
  drawn = Samples(folder, shape, class_names)
  return drawn if only else concatenated(real, drawn)
