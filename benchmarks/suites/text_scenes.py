"""Rows of images drawn from captions."""

from benchmarks.row import Row

TEXT_SCENES = (
  Row(
    name="scenes_text_cpu",
    config="configs/generation/scenes_text.py",
    variant="cpu",
    dataset="scenes of digits with captions, generated",
    reference="",
    protocol=(
      "a scene of 16x32 for each of 1,000 captions, none of them in training, "
      "10 steps, each of two evaluations of the net, as guidance is 2, "
      "averaged weights: the share of captions of which both digits, both "
      "colours and their places are read back right, by a CNN trained apart on "
      "true scenes"
    ),
    tolerance=0.0,
    metric="test/ema/captions",
    target=0.90,  # chosen before any run
    seeds=1,
    also=(
      "test/ema/captions_real",
      "test/ema/digits",
      "test/ema/colours",
    ),
    seconds=2400,
  ),
  Row(
    name="scenes_text_gan_cpu",
    config="configs/generation/scenes_text_gan.py",
    variant="cpu",
    dataset="scenes of digits with captions, generated",
    reference="",
    protocol=(
      "as scenes_text_cpu, by one evaluation of a generator, averaged weights"
    ),
    tolerance=0.0,
    metric="test/ema/captions",
    seeds=1,
    also=(
      "test/ema/captions_real",
      "test/ema/digits",
      "test/ema/colours",
    ),
    seconds=2400,
  ),
)

SUITES = {"text_scenes": TEXT_SCENES}
