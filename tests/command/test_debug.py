"""What is not finite, found: JAX's switches, one step done without jit."""

import json
import re
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.programs.command import BLOBS, ROOT, call, steps, train
from tests.programs.files import content, write_npz
from vision_jax.command import debug
from vision_jax.debugging import blame
from vision_jax.errors import UserError

HERE = "test_debug.py:"


def origin(function, *, output="", **arguments):
  """Returns who is to blame for an output of `function(**arguments)`."""
  found = blame.find_origins(function, **arguments)
  return found.get(output)


def test_what_is_finite_is_not_blamed():
  x = jnp.array([1.0, -jnp.inf, 2.0])
  masked = lambda x: jax.nn.softmax(jnp.where(x > -3, x, -jnp.inf)).sum()
  assert blame.find_origins(masked, x=jnp.arange(3.0)) == {}
  assert blame.find_origins(lambda x: jnp.exp(x).sum(), x=x) == {}


def test_an_operation_and_its_line():
  def loss(x):
    good = jnp.where(x > 0, x, -jnp.inf).max()  # an infinity that does no harm
    return good + jnp.log(x - 1).sum()

  found = origin(loss, x=jnp.array([0.5, 2.0]))
  assert (found.kind, found.what, found.cause) == ("nan", "`log`", None)
  assert HERE in found.place and "loss: return good + jnp.log" in found.place


def test_a_nan_made_of_an_infinity():
  def loss(x):
    large = jnp.exp(x)
    return large - large

  found = origin(loss, x=jnp.float32(100.0))
  assert (found.kind, found.what) == ("nan", "`sub`")
  assert (found.cause.kind, found.cause.what) == ("inf", "`exp`")
  assert "large = jnp.exp(x)" in found.cause.place


def test_a_gradient_of_a_finite_loss():
  @jax.jit
  def loss(x):
    return jnp.sqrt(x).sum()

  found = origin(lambda x: jax.grad(loss)(x), x=jnp.array([0.0, 1.0]))
  assert found.kind == "inf" and found.what == "`div`"
  assert "loss: return jnp.sqrt(x).sum()" in found.place


@pytest.mark.parametrize("reverse", [False, True])
def test_inside_a_scan_a_cond_and_a_checkpoint(reverse):
  @jax.checkpoint
  def body(carry, x):
    carry = jax.lax.cond(
      x > 2, lambda c: jnp.log(c - 9), lambda c: c + x, carry
    )
    return carry, carry

  def loss(x):
    return jax.lax.scan(body, 0.0, x, reverse=reverse)

  found = blame.find_origins(loss, x=jnp.arange(4.0))
  assert set(found) == {"0", "1"}
  for one in found.values():
    assert one.what == "`log`" and "jnp.log(c - 9)" in one.place
  finite = blame.find_origins(loss, x=jnp.arange(3.0))
  assert finite == {}


def test_a_constant_that_reaches_the_result():
  loss = lambda x: jnp.where(x > 1, x, jnp.nan).sum()
  found = origin(loss, x=jnp.arange(3.0))
  assert found.kind == "nan" and found.what == "a constant in `select_n`"
  assert HERE in found.place
  assert blame.find_origins(loss, x=jnp.arange(2.0, 5.0)) == {}


def test_an_argument_that_is_not_finite():
  batch = {"image": np.ones((4, 2), np.float32)}
  batch["image"][2, 1] = np.nan
  found = origin(lambda batch: batch["image"].sum(), batch=batch)
  assert found == blame.Origin("nan", "the batch's image at [2, 1]")


@pytest.mark.parametrize("text", ["nan", "step", "step:0", "step:x", "nojit:3"])
def test_what_debug_does_not_know(text):
  with pytest.raises(UserError, match="expected nojit, nans or step:N"):
    debug.parse(text)
  assert debug.parse("nojit,nans") == debug.Debug(nojit=True, nans=True)


@pytest.fixture
def bad_log(tmp_path):
  """Flags of a net that takes the logarithm of a black image's brightness."""
  path = tmp_path / "own.py"
  text = (ROOT / BLOBS).read_text()
  net = '    x = Conv(8, name="conv")(x)\n'
  bright = "jax.numpy.log(x.max((1, 2, 3), keepdims=True) + 0.99)"
  assert net in text
  path.write_text(text.replace(net, f"    x = x + 0 * {bright}\n{net}"))

  def blacken(image):
    image[67] = 0  # of the third batch
    return image

  file = write_npz(tmp_path / "x.npz", n=90, image=blacken)
  flags = ("--config.holdout=20", f"--config.data_dir={file}")
  return (f"--config={path}", *flags, "--config.eval_every=0")


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["jit", "pmap"])
def test_a_run_that_is_not_finite_names_the_command_that_looks(
  tmp_path, bad_log, execution
):
  workdir = tmp_path / "run"
  flags = (*bad_log, f"--workdir={workdir}", f"--execution={execution}")
  failed = call(*flags, "--config.save_every=1", "--config.log_every=1")
  assert failed.code == 3, failed.err
  (bad,) = re.findall(r"Step (\d+) gave a loss or gradient", failed.err)
  assert bad == "3"
  (line,) = re.findall("^To see where: (.*)$", failed.err, re.MULTILINE)
  words = shlex.split(line)
  assert words[:3] == ["python", "-m", "vision_jax.main"]
  assert words[-1] == f"--debug=step:{bad}"
  before = content(workdir)
  looked = call(*words[3:])
  assert looked.code == 3 and "Traceback" not in looked.err
  good = (steps(workdir) or [0])[-1]
  assert good == int(bad) - 1
  assert f"From step {good} on, compiled up to step {bad}." in looked.err
  assert f"Step {bad} without jit: " in looked.err
  assert "nan comes out of `log`" in looked.err
  assert re.search(
    r"at \S+own\.py:\d+ in \S*__call__: x = x \+ 0 \*", looked.err
  )
  assert content(workdir) == before, "something was written"


@pytest.mark.slow
def test_a_look_without_a_checkpoint_and_at_a_good_step(tmp_path, bad_log):
  flags = (*bad_log, f"--workdir={tmp_path / 'run'}")
  failed = call(*flags, "--config.save_every=0")
  (bad,) = re.findall(r"--debug=step:(\d+)$", failed.err, re.MULTILINE)
  assert steps(tmp_path / "run") == []
  looked = call(*flags, "--config.save_every=0", f"--debug=step:{bad}")
  assert f"From step 0 on, compiled up to step {bad}." in looked.err
  assert "nan comes out of `log`" in looked.err
  (tmp_path / "x.npz").unlink()
  write_npz(tmp_path / "x.npz", n=90)
  looked = call(*flags, "--config.save_every=0", "--debug=step:2")
  assert looked.code == 0, looked.err
  assert "Step 2 without jit: every value is finite." in looked.err


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--debug=step:99", "--debug=step:99: the run has 13 steps."),
    ("--debug=step:2", "the earliest checkpoint in .* is of step 4"),
    ("--debug=nonsense", "expected nojit, nans or step:N"),
  ],
)
def test_a_step_that_cannot_be_looked_into(tmp_path_factory, flag, message):
  folder = tmp_path_factory.getbasetemp() / "debugged"
  if not folder.exists():
    train(folder, "--config.keep_every=4", "--config.steps=5")
  result = train(folder, flag, "--config.steps=13", code=2)
  assert re.search(message, result.err), result.err


@pytest.fixture
def switches():
  """Turns jax's switches off again."""
  yield
  jax.config.update("jax_disable_jit", False)
  jax.config.update("jax_debug_nans", False)


@pytest.mark.usefixtures("switches")
@pytest.mark.parametrize("how", ["--debug=nans", "jax_debug_nans"])
def test_nans_are_found_at_their_operation(tmp_path, bad_log, how):
  flags = [*bad_log, f"--workdir={tmp_path / 'run'}"]
  if how.startswith("--"):
    flags.append(how)
  else:  # as JAX_DEBUG_NANS=1 does
    jax.config.update(how, True)
  failed = call(*flags)
  assert failed.code == 3, failed.err
  assert "error: Not finite: nan comes out of `log`" in failed.err
  assert re.search(r"at \S+own\.py:\d+ in __call__", failed.err), failed.err


@pytest.mark.usefixtures("switches")
def test_without_jit_there_is_no_pmap(tmp_path):
  flags = ("--debug=nojit", "--execution=pmap")
  result = train(tmp_path / "run", *flags, code=2)
  assert "got --execution=pmap, expected jit" in result.err
  assert not (tmp_path / "run").exists()


@pytest.mark.slow  # every operation is compiled by itself
@pytest.mark.usefixtures("switches")
def test_without_jit_a_run_trains_to_the_same_metrics(tmp_path):
  flags = ("--config.steps=1", "--config.holdout=16", "--config.width=8")
  train(tmp_path / "with", *flags, devices=1)
  train(tmp_path / "without", *flags, "--debug=nojit,nans", devices=1)
  assert jax.config.jax_disable_jit
  with_, without = (
    [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
    for name in ("with", "without")
  )
  for one, other in zip(with_, without, strict=True):
    for name, x in one.items():
      if name.startswith(("train/", "val/")):
        assert other[name] == pytest.approx(x, rel=1e-4, abs=1e-6), name
