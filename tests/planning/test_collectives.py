"""Traffic of compiled programs, by counting on paper."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from vision_jax.planning.collectives import Collective, collectives

N = 8
SIZE = 4 * 16 * N  # bytes of the array


def mesh(**axes):
  types = (AxisType.Auto,) * len(axes)
  return jax.make_mesh(tuple(axes.values()), tuple(axes), axis_types=types)


def found(fn, *args, **options):
  text = jax.jit(fn, **options).lower(*args).compile().as_text()
  return collectives(text, N)


def mapped(fn, axes, given, gives):
  """fn of shards, over a mesh."""
  place = mesh(**axes)
  body = jax.shard_map(
    fn, mesh=place, in_specs=given, out_specs=gives, check_vma=False
  )
  x = jax.ShapeDtypeStruct(
    (N, 16), jnp.float32, sharding=NamedSharding(place, given)
  )
  return found(body, x)


def test_a_sum_over_all_is_sent_twice_but_for_a_part():
  fn = lambda x: jax.lax.psum(x, "d")
  size = SIZE // N
  assert mapped(fn, {"d": N}, P("d"), P()) == [
    Collective("all-reduce", 1, size, round(2 * size * 7 / 8))
  ]


def test_a_sum_over_a_part_of_the_mesh_is_of_its_devices():
  fn = lambda x: jax.lax.psum(x, "b")
  (one,) = mapped(fn, {"a": 4, "b": 2}, P(("a", "b")), P("a"))
  assert (one.bytes, one.sent) == (SIZE // N, SIZE // N)


HLO = """
ENTRY %main (param: f32[8]) -> f32[8] {{
  ROOT %x = f32[8]{{0}} all-reduce(%param), channel_id=1, replica_groups={}, x=y
}}
"""


@pytest.mark.parametrize(
  ("groups", "number"),
  [
    ("{}", 8),
    ("{{0,1,4,5},{2,3,6,7}}", 4),
    ("[2,4]<=[4,2]T(1,0)", 4),
    ("mesh['a'=4,'b'=2] {'b'}", 2),
    ("mesh['a'=4,'b'=1,'c'=2] {'a'}", 4),
    ("mesh['a'=2,'b'=2,'c'=2] {'a','c'}", 4),
    ("mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'a'}", 2),
    ("mesh['p'=2,'q'=4] {'q':(2)2}", 2),
    ("mesh['a'=8] {'a'}", 8),
  ],
)
def test_every_way_to_write_a_group_is_read(groups, number):
  (one,) = collectives(HLO.format(groups), N)
  assert one.sent == 2 * 32 * (number - 1) / number


def test_gathering_of_a_jitted_product_is_over_one_axis():
  place = mesh(a=4, b=2)
  given = lambda *spec: jax.ShapeDtypeStruct(
    (64, 64), jnp.float32, sharding=NamedSharding(place, P(*spec))
  )
  whole = NamedSharding(place, P())
  product = found(
    jnp.matmul, given("a", "b"), given("b", None), out_shardings=whole
  )
  assert product == [
    Collective("all-gather", 1, 64 * 64 * 4, 64 * 64 * 4 * 3 // 4),
    Collective("all-reduce", 1, 16 * 64 * 4, 16 * 64 * 4),
  ]


def test_gathering_and_scattering_count_the_whole():
  gather = lambda x: jax.lax.all_gather(x, "d", tiled=True)
  assert mapped(gather, {"d": N}, P("d"), P()) == [
    Collective("all-gather", 1, SIZE, SIZE * 7 // 8)
  ]
  scatter = lambda x: jax.lax.psum_scatter(x, "d", tiled=True)
  assert mapped(scatter, {"d": N}, P(), P("d")) == [
    Collective("reduce-scatter", 1, SIZE, SIZE * 7 // 8)
  ]


def test_a_neighbour_gets_all():
  ring = [(i, (i + 1) % N) for i in range(N)]
  fn = lambda x: jax.lax.ppermute(x, "d", ring)
  assert mapped(fn, {"d": N}, P("d"), P("d")) == [
    Collective("collective-permute", 1, SIZE // N, SIZE // N)
  ]


def test_what_is_in_a_loop_counts_its_turns():
  def fn(x):
    turn = lambda c, _: (jax.lax.psum(jnp.sin(c), "d") / N, None)
    return jax.lax.scan(turn, x, None, length=5)[0]

  (one,) = mapped(fn, {"d": N}, P("d"), P("d"))
  assert one.kind == "all-reduce" and one.count == 5
  assert one.bytes == 5 * SIZE // N


def test_one_device_sends_nothing():
  assert found(lambda x: x.sum(), jnp.ones((8, 8))) == []


@pytest.mark.parametrize(
  ("line", "bytes_"),
  [
    ("%a = (bf16[4,2]{1,0}, pred[8]{0}) all-reduce(%x, %y), channel_id=1", 24),
    ("%a = (f32[4]{0}, f32[32]{0}) all-gather-start(%x), dimensions={0}", 128),
    ("%a = f8e4m3fn[16]{0} all-reduce(%x), replica_groups={}", 16),
    ("%a = f32[] all-reduce(%x), replica_groups={{0,1},{2,3}}", 4),
  ],
)
def test_types_of_results(line, bytes_):
  (one,) = collectives(f"ENTRY %main (x: f32[4]) -> f32[4] {{\n  {line}\n}}", N)
  assert one.bytes == bytes_ and one.count == 1
