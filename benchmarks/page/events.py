"""Images of a TensorBoard file, as a training writes them."""

import pathlib
import struct
from collections.abc import Iterator

from vision_jax.report.tensorboard import tensorboardx

HEAD, TAIL = 12, 4  # bytes around a record: its length and two checksums


def last_images(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
  """Returns the last image of each name, (step, its file's bytes).

  Of a run that was stopped there are several files; what cannot be read of one
  (a kill may have torn its end) is left out.
  """
  found: dict[str, tuple[int, bytes]] = {}
  for file in folder.glob("events.out.tfevents.*"):
    for step, name, data in _images(file):
      if step >= found.get(name, (-1, b""))[0]:
        found[name] = step, data
  return dict(sorted(found.items()))


def images_of(folder: pathlib.Path, name: str) -> dict[int, bytes]:
  """Returns the images of one name, step -> its file's bytes, rising."""
  found = {}
  for file in sorted(folder.glob("events.out.tfevents.*")):
    found |= {step: data for step, tag, data in _images(file) if tag == name}
  return dict(sorted(found.items()))


def _images(file: pathlib.Path) -> Iterator[tuple[int, str, bytes]]:
  from google.protobuf.message import DecodeError

  event_of = tensorboardx().proto.event_pb2.Event.FromString
  for record in _records(file.read_bytes()):
    try:
      event = event_of(record)
    except DecodeError:
      return
    for value in event.summary.value:
      if value.HasField("image"):
        yield event.step, value.tag, value.image.encoded_image_string


def _records(data: bytes) -> Iterator[bytes]:
  """Yields the records of a TFRecord file, as far as they are whole."""
  at = 0
  while at + HEAD <= len(data):
    (size,) = struct.unpack_from("<Q", data, at)
    end = at + HEAD + size
    if end + TAIL > len(data):
      return
    yield data[at + HEAD : end]
    at = end + TAIL
