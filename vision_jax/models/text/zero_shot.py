"""Classes by their names: what CLIP and SigLIP tell apart without training."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.text.image_text import ImageText
from vision_jax.models.text.tower import TextTower

Tokenizer = Callable[[Sequence[str], int], np.ndarray]
TEMPLATES = ("a photo of a {}.",)


def zero_shot(
  model: ImageText,
  variables: Mapping[str, Any],
  tokenizer: Tokenizer,
  class_names: Sequence[str],
  templates: Sequence[str] = TEMPLATES,
) -> Array:
  """Returns a vector of each class as the columns of (e, k), of length 1.

  >>> weights = zero_shot(model, variables, tokenizer, ["cat", "dog"])
  >>> images = model.apply(variables, pictures, train=False)
  >>> label = (images @ weights).argmax(-1)

  Args:
    model: without prompts.
    variables: of it.
    tokenizer: (texts, length) -> numbers of tokens (n, length), int32.
    class_names: of the k classes.
    templates: texts with {} where the name goes; the mean of all of them
      stands for a class.
  """
  numbers = tokens(tokenizer, class_names, templates, model.text)
  describe = jax.jit(
    functools.partial(model.apply, variables, method="describe")
  )
  found = [describe(jnp.asarray(one[None])) for one in numbers]
  return jnp.concatenate(found).T


def tokens(
  tokenizer: Tokenizer,
  class_names: Sequence[str],
  templates: Sequence[str],
  tower: TextTower,
) -> np.ndarray:
  """Returns the tokens (k, t, l) of each class in each template.

  A tower that is causal is not given what follows the ends of all of them.

  Args:
    tokenizer, class_names, templates: as of `zero_shot`.
    tower: what reads them.

  Raises:
    UserError: as `described` does.
  """
  found = described(tokenizer, class_names, templates, tower.length)
  if tower.causal and tower.pooled == "end":
    ends = found == found[..., -1:]
    found = found[..., : ends.argmax(-1).max() + 1]
  return found


def described(
  tokenizer: Tokenizer,
  class_names: Sequence[str],
  templates: Sequence[str],
  length: int,
) -> np.ndarray:
  """Returns the tokens (k, t, length) of each class in each template.

  Args:
    tokenizer, class_names, templates: as of `zero_shot`.
    length: tokens of a text.

  Raises:
    UserError: for a template without {}, or no class or template at all.
  """
  for template in templates:
    if "{}" not in template:
      raise UserError(
        f"prompts: got {template!r}; expected {{}} where the name of a class "
        "goes, as in 'a photo of a {}.'"
      )
  if not class_names or not templates:
    raise UserError(
      f"prompts: got {len(class_names)} classes and {len(templates)} "
      "templates; expected one of each at least."
    )
  texts = [x.replace("{}", name) for name in class_names for x in templates]
  found = tokenizer(texts, length)
  return found.reshape(len(class_names), len(templates), length)
