"""Classes that are described in words, for nets that read them.

words: names of the classes, as the prompts have them; () for those of the data.
prompts: texts with {} where the name of a class goes, with a | in between; the
mean of all of them stands for a class. tokenizer: a folder with the files of
`load_tokenizer`; a net of bytes (`of_bytes`) needs none.
"""

from collections.abc import Sequence

import ml_collections

from vision_jax.data.text.tokenizer import Tokenizer, load_tokenizer, of_bytes
from vision_jax.errors import UserError
from vision_jax.models.text.image_text import ImageText
from vision_jax.models.text.zero_shot import TEMPLATES, tokens

PROMPTS = {"words": (), "tokenizer": "", "prompts": "|".join(TEMPLATES)}


def with_prompts(
  model: ImageText,
  config: ml_collections.ConfigDict,
  class_names: Sequence[str],
) -> ImageText:
  """Returns a net that classifies images by the names of their classes.

  Args:
    model: of an image tower and a text tower.
    config: with the keys of PROMPTS.
    class_names: of the classes.

  Raises:
    UserError: without a tokenizer.
  """
  tokenizer = _tokenizer(config.tokenizer, model.text.vocabulary)
  templates = config.prompts.split("|")
  found = tokens(tokenizer, class_names, templates, model.text)
  prompts = tuple(tuple(map(tuple, one)) for one in found.tolist())
  return model.clone(prompts=prompts)


def _tokenizer(folder: str, vocabulary: int) -> Tokenizer:
  if folder:
    return load_tokenizer(folder)
  if vocabulary == of_bytes().end + 1:
    return of_bytes()
  raise UserError(
    "--config.tokenizer is missing; expected the folder with the published "
    "vocab.json and merges.txt, or tokenizer.json."
  )
