"""What a config would need of devices that are not here."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Configured, Log

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Tells memory, arithmetic and traffic of a step on so many devices.

  The step is compiled for as many CPU devices, on shapes alone: no data, no
  accelerator and no weights are needed, and nothing runs. Takes --execution and
  --mesh as training does.
  """

  starts = False
  needs_workdir = False

  devices: int = option(1, "How many.", low=1, high=4096)
  device: str = option(
    "", "What kind: v100, a100, h100, h200, v4, v5e, v5p, v6e and others."
  )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Loads the config named; its data need not be there."""
    from vision_jax.errors import UserError
    from vision_jax.planning.devices import device_named
    from vision_jax.planning.start import make_devices
    from vision_jax.recipe import recipe

    if not self.config:
      raise UserError("--config is missing; expected that which is planned.")
    if self.device:
      device_named(self.device)
    make_devices(self.devices)
    return recipe.load(self.config, self.overrides, resolve=False), None

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints the plan."""
    del recipe, batch
    from vision_jax.parallel.named import make_execution
    from vision_jax.planning.devices import device_named
    from vision_jax.planning.lines import lines
    from vision_jax.planning.plan import plan

    log(f"compiling for {self.devices} devices")
    execution = make_execution(self.execution, self.mesh)
    found = plan(self.config, self.overrides, execution)
    device = device_named(self.device) if self.device else None
    mesh = ",".join(f"{k}:{v}" for k, v in execution.mesh.shape.items())
    print(f"{self.config} on {self.devices} device(s), {self.execution} {mesh}")
    for line in lines(found, device):
      print(line)
    return 0
