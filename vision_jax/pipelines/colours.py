"""(mean, standard deviation) of a data set's channels, of pixels in [0, 1].

For `vision_jax.ops.inputs.normalize`.
"""

from collections.abc import Mapping, Sequence

from vision_jax.errors import UserError

Colours = tuple[Sequence[float], Sequence[float]]

GREY = ((0.5,), (0.5,))
MNIST = ((0.1307,), (0.3081,))
CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
UNIT = ((0.0,), (1.0,))  # pixels stay in [0, 1]
SIGNED = GREY  # pixels are in [-1, 1]


def check_coloured(strengths: Mapping[str, float], colours: Colours) -> None:
  """Refuses to change the colours of images that have none.

  Args:
    strengths: key of a config -> how strongly; 0 is not at all.
    colours: mean and standard deviation of each of the images' channels.

  Raises:
    UserError: for other channels than 1 or 3.
  """
  on = {key: x for key, x in strengths.items() if x}
  if on and (number := len(colours[0])) not in (1, 3):
    key, strength = next(iter(on.items()))
    raise UserError(
      f"--config.{key}: got {strength} for images of {number} channels; "
      "expected 0, as colours are of 1 or 3. "
      f"Pass {' '.join(f'--config.{key}=0' for key in on)}."
    )
