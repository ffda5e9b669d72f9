"""Scenes drawn from captions, by a tower that is trained along."""

import dataclasses
import functools

import numpy as np
import pytest

from tests.experiments.everywhere import (
  ROUNDING,
  assert_equal_everywhere,
  assert_resumes,
)
from tests.programs import command
from vision_jax.data.sources.captioned_digits import LENGTH, WORDS
from vision_jax.errors import UserError
from vision_jax.recipe import recipe

CONFIGS = f"{command.ROOT}/configs/generation/"
CONFIG = f"{CONFIGS}scenes_text.py:tiny"
GAN = f"{CONFIGS}scenes_text_gan.py:tiny"


@functools.cache
def loaded(config):
  return recipe.load(config)


def unmeasured(config=CONFIG):
  """The tiny experiment without evaluations, which train a reader."""
  return dataclasses.replace(loaded(config).build(), evals={})


def test_a_prompt_is_asked_for_by_its_words():
  condition = unmeasured().task.condition
  prompt = "a red 3 left of a blue 7|a green 0 right of a red 1"
  tokens = condition.ask(3, {"prompt": prompt})["tokens"]
  assert tokens.shape == (3, LENGTH)
  texts = [" ".join(WORDS[i - 1] for i in row) for row in tokens]
  assert texts == [*prompt.split("|"), prompt.split("|")[0]]
  assert not condition.ask(1, {"prompt": ""})["tokens"].any()


@pytest.mark.parametrize(
  ("prompt", "message"),
  [
    ("a rad 3 left of a blue 7", "got the word 'rad'; .* did you mean 'red'"),
    ("a red 3 left of a blue 7 7", "got 9 tokens in .*; expected at most 8"),
  ],
)
def test_prompts_of_other_words_are_refused(prompt, message):
  with pytest.raises(UserError, match=message):
    unmeasured().task.condition.ask(1, {"prompt": prompt})


def test_a_batch_has_the_words_of_its_scenes():
  with unmeasured() as made:
    batch = made.train_data.batch(0)
  assert batch["image"].shape == (16, 16, 32, 3)
  assert batch["tokens"].shape == (16, LENGTH) and batch["tokens"].all()
  first = {WORDS[i - 1] for i in batch["tokens"][:, 0]}
  assert first == {"a"}
  assert {WORDS[i - 1] for i in batch["tokens"][:, 3]} <= {"left", "right"}


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"scenes": "9"}, r"scenes: got \(9,\); expected 2 numbers"),
    ({"scenes": "9,0"}, r"scenes: got \(9, 0\); expected 2 numbers of at le"),
    ({"dataset": "scenes"}, "dataset: got 'scenes'; .*'captioned_digits'"),
  ],
)
def test_data_that_cannot_be_are_refused(values, message):
  with pytest.raises(UserError, match=message):
    recipe.load(CONFIG, values).build()


BOTH = pytest.mark.parametrize("config", [CONFIG, GAN], ids=["flow", "gan"])


@pytest.mark.slow
@BOTH
def test_it_is_the_same_everywhere_and_resumes(tmp_path, config):
  make = functools.partial(unmeasured, config)
  # A bias of keys changes no attention: its gradient is rounding, which Adam
  # without a first moment takes for a direction.
  rounding = 3e-4 if config == GAN else ROUNDING
  assert_equal_everywhere(make, ["pmap", "fsdp"], rounding=rounding)
  assert_resumes(make, tmp_path)


@pytest.mark.slow
@BOTH
def test_it_is_trained_measured_and_draws_what_is_asked(tmp_path, config):
  run, out = tmp_path / "run", tmp_path / "out"
  command.train(run, "--config.steps=4", config=config, devices=1)
  last = command.metrics(run)[-1]
  names = ("captions", "digits", "colours", "captions_real")
  assert all(0 <= last[f"test/ema/{name}"] <= 1 for name in names)
  prompt = "--sample.prompt=a red 3 left of a blue 7|a red 1 right of a red 0"
  where = ("--mode=sample", f"--workdir={run}")
  flags = (f"--output={out}", "--num_samples=4")
  more = () if config == GAN else ("--sample.steps=2",)
  done = command.call(*where, *flags, *more, prompt, devices=1)
  assert done.code == 0, done.err
  drawn = np.load(out / "samples.npz")
  assert drawn["image"].shape == (4, 16, 32, 3)
  np.testing.assert_array_equal(
    drawn["tokens"][::2], drawn["tokens"][:1][[0, 0]]
  )
  other = "--sample.prompt=a pink 3 left of a blue 7"
  done = command.call(*where, f"--output={tmp_path / 'b'}", other, devices=1)
  assert done.code == 2 and "got the word 'pink'" in done.err
