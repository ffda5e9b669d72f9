"""Which form of an operation is traced."""

import pytest

from vision_jax.forms import choice
from vision_jax.forms.choice import CPU_VARIABLE, VARIABLE, cpu_forms, form


def test_forms_are_chosen_by_backend_and_environment(monkeypatch):
  monkeypatch.delenv(VARIABLE, raising=False)
  monkeypatch.delenv(CPU_VARIABLE, raising=False)
  assert form("conv_1x1") == "product"
  monkeypatch.setenv(CPU_VARIABLE, "off")
  assert form("conv_1x1") == "convolution"
  with cpu_forms(True):
    assert form("conv_1x1") == "product"
  monkeypatch.setenv(VARIABLE, "transposed=subpixel, matching=nested")
  assert form("transposed") == "subpixel" and form("matching") == "nested"
  with choice.use_forms(transposed="dilated"):
    assert form("transposed") == "dilated" and form("matching") == "nested"
  assert form("transposed") == "subpixel"


def test_an_accelerator_has_defaults_of_its_own(monkeypatch):
  monkeypatch.setattr(choice.jax, "default_backend", lambda: "tpu")
  assert form("transposed") == "subpixel" and form("matching") == "turns"
  assert form("patches") == "product" and form("pool_blocks") == "shifts"
  assert form("conv_1x1") == "convolution"


@pytest.mark.parametrize(
  ("variable", "value", "message"),
  [
    (CPU_VARIABLE, "yes", "'yes'; expected 'on' or 'off'"),
    (VARIABLE, "matching=fast", "matching=fast; expected .*nested|turns"),
    (VARIABLE, "sorting=fast", "sorting=fast; expected"),
  ],
)
def test_a_form_that_there_is_not_is_an_error(
  monkeypatch, variable, value, message
):
  monkeypatch.setenv(variable, value)
  with pytest.raises(ValueError, match=message):
    form("matching")
