"""Programs that test_checkpoint_failures runs in processes of their own."""

import json
import os
import resource
import sys

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.train.checkpoint.checkpoints import Checkpoints, SaveError


def make(step):
  x = np.random.default_rng(step).standard_normal((8, 250_000), np.float32)
  return {"x": jnp.asarray(x), "key": jax.random.key(step)}


def save_forever(folder):
  """Prints each step as soon as its save has begun."""
  checkpoints = Checkpoints(folder, best=None)
  for step in range(1, 1000):
    checkpoints.save(step, make(step), None, {"seed": step})
    print(step, flush=True)


def full_disk(folder):
  """Saves while files may not grow beyond 100 kB."""
  errors = {}
  checkpoints = Checkpoints(folder)
  checkpoints.save(1, make(1), {"val/accuracy": 0.5})
  checkpoints.wait()
  none = resource.RLIM_INFINITY
  resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, none))
  for step, then in (
    (2, checkpoints.wait),
    (3, lambda: checkpoints.save(4, {})),
  ):
    checkpoints.save(step, make(step), {"val/accuracy": 0.9})
    try:
      then()
    except SaveError as error:
      errors[step] = str(error)
  left = sorted(os.listdir(folder))
  restored = int(
    np.array_equal(checkpoints.restore(make(0))[0]["x"], make(1)["x"])
  )
  resource.setrlimit(resource.RLIMIT_FSIZE, (none, none))
  checkpoints.save(9, make(9))
  checkpoints.close()
  later = Checkpoints(folder).steps
  print(json.dumps(
    {"errors": errors, "left": left, "restored": restored, "later": later}
  ))  # fmt: skip


def spread(state, spec):
  """The same state in both processes, on a mesh over all of their devices."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()), ("fsdp",))
  put = lambda x: jax.make_array_from_callback(
    x.shape, jax.NamedSharding(mesh, spec), lambda index: np.asarray(x)[index]
  )
  x, key = put(state["x"]), jax.NamedSharding(mesh, jax.P())
  seed = int(jax.random.key_data(state["key"])[-1])
  key = jax.jit(lambda: jax.random.key(seed), out_shardings=key)()
  return {"x": x, "key": key}


def begin(port, process):
  jax.distributed.initialize(f"127.0.0.1:{port}", 2, int(process))


def two_save(folder, port, process):
  begin(port, process)
  with Checkpoints(folder) as checkpoints:
    for step, accuracy in ((3, 0.9), (4, 0.1), (5, 0.2)):
      state = spread(make(step), jax.P("fsdp"))
      checkpoints.save(step, state, {"val/accuracy": accuracy})
  print(json.dumps(checkpoints.steps))


def two_restore(folder, port, process):
  begin(port, process)
  with Checkpoints(folder) as checkpoints:
    target = spread(make(0), jax.P(None, "fsdp"))
    state, _ = checkpoints.restore(target)
    step = checkpoints.latest
    parts = state["x"].addressable_shards
    x = np.asarray(make(step)["x"])
    exact = all(np.array_equal(part.data, x[part.index]) for part in parts)
    print(json.dumps({
      "step": step, "damaged": list(checkpoints.damaged), "exact": exact,
    }))  # fmt: skip


if __name__ == "__main__":
  globals()[sys.argv[1]](*sys.argv[2:])
