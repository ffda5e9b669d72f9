"""Forms change no config's first loss, at its full size."""

import pytest

from tests.programs.first_losses import apart, first_losses
from tests.programs.golden import configs

# More than a minute of a CPU each.
TOO_LARGE = ()


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in configs() if p not in TOO_LARGE])
def test_forms_of_an_accelerator_give_the_same_first_loss(path):
  told = first_losses(path)
  if told:
    assert apart(told) < 1e-5
