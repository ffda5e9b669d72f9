"""A plan, as lines for a person."""

from collections.abc import Iterator

from vision_jax.planning.devices import GB, SHARE, Device
from vision_jax.planning.plan import Plan, largest_batch

USUAL = 0.4  # of the peak rate, that well-kept training reaches on GPUs


def lines(found: Plan, device: Device | None) -> Iterator[str]:
  """Yields what a plan says, of one device in particular where one is named."""
  each = found.batch_size / found.parts
  yield f"parameters       {found.parameters:,}"
  yield (
    f"state            {_gb(found.state_bytes)}: weights, optimizer, averages; "
    f"{_gb(found.own_bytes)} on a device"
  )
  yield f"batch            {found.batch_size:,}: {each:,.0f} on each device"
  yield (
    f"a step           {found.flops:.3g} FLOPs, two a multiply-add; "
    f"{found.flops / found.devices:.3g} on a device"
  )
  yield from _memory(found)
  yield from _sent(found)
  if device is not None:
    yield from _on(found, device)


def _memory(found: Plan) -> Iterator[str]:
  first, *others = found.peaks.items()
  yield f"memory           {_gb(first[1])} on a device, traced as for a GPU"
  if (planned := found.compiled_bytes) is not None:
    yield f"                 {_gb(planned)} on a CPU, as XLA plans it and with"
    yield "                 what convolutions pack"
  if found.parts < found.devices:
    yield "                 with what a layer's parts compute counted as whole"
  for mode, peak in others:
    yield f"                 {_gb(peak)} with --config.remat={mode}"


def _sent(found: Plan) -> Iterator[str]:
  for part in found.collectives:
    yield (
      f"{part.kind:16} {part.count:,} a step of {_gb(part.bytes)} in all; a "
      f"device sends {_gb(part.sent)}"
    )


def _on(found: Plan, device: Device) -> Iterator[str]:
  room = SHARE * device.bytes
  peak = next(iter(found.peaks.values()))
  least = found.flops / found.devices / device.flops
  yield (
    f"on {device.title}: at least {1e3 * least:.3g} ms a step at its "
    f"{device.flops / 1e12:,.0f} TFLOP/s of bf16, "
    f"{1e3 * least / USUAL:.3g} ms at {USUAL:.0%} of them; what devices wait "
    "for each other or for memory is not in it"
  )
  count = largest_batch(found, peak, room)
  if peak <= room:
    yield (
      f"fits             {peak / room:.0%} of the {_gb(int(room))} that are "
      f"taken; about {_rounded(count)} examples would fit a device"
    )
    return
  yield (
    f"does not fit     {_gb(peak)} of the {_gb(int(room))} that are taken; "
    + _advice(found, room, count)
  )


def _advice(found: Plan, room: float, count: int) -> str:
  """What would make it fit."""
  ways = [f"--config.remat={m}" for m, p in found.peaks.items() if p <= room]
  each = found.batch_size // found.parts
  parts = 2
  while parts <= each and (count < each / parts or each % parts):
    parts *= 2
  if parts <= each:
    ways.append(f"--config.accumulate={parts}")
  if found.own_bytes > room / 4 and found.own_bytes == found.state_bytes:
    ways.append("--execution=fsdp")
  return f"try {' or '.join(ways)}" if ways else "take more devices"


def _rounded(count: int) -> str:
  """Two digits, of what is a proportion: 1,600."""
  digits = max(len(str(count)) - 2, 0)
  return f"{count // 10**digits * 10**digits:,}"


def _gb(size: int) -> str:
  return f"{size / GB:.3g} GB"
