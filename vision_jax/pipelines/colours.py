"""(mean, standard deviation) of a data set's channels, of pixels in [0, 1].

For `vision_jax.ops.inputs.normalize`.
"""

from collections.abc import Sequence

from vision_jax.errors import UserError

Colours = tuple[Sequence[float], Sequence[float]]

GREY = ((0.5,), (0.5,))
MNIST = ((0.1307,), (0.3081,))
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
UNIT = ((0.0,), (1.0,))  # pixels stay in [0, 1]
SIGNED = GREY  # pixels are in [-1, 1]


def check_jitter(jitter: float, colours: Colours) -> None:
  """Refuses to change the colours of images that have none.

  Raises:
    UserError: for other channels than 1 or 3.
  """
  if jitter and (number := len(colours[0])) not in (1, 3):
    raise UserError(
      f"--config.jitter: got {jitter} for images of {number} channels; "
      "brightness, contrast and saturation are changed of 1 or 3, grey or "
      "colours. Give --config.jitter=0."
    )
