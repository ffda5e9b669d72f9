"""Self-supervision."""

from benchmarks.concept import Concept

PROBE = "tests/metrics/test_linear_probe.py::test_"

CONCEPTS = (
  Concept(
    "SimCLR",
    "vision_jax.tasks.contrastive",
    PROBE + "the_probe_is_scikit_learns_ridge",
    row="cifar10_simclr",
  ),
  Concept(
    "labels beside no labels",
    "configs.self_supervised.cifar10_supervised",
    PROBE + "the_probe_is_scikit_learns_ridge",
    row="cifar10_simclr_supervised",
  ),
  Concept(
    "collapse of features",
    "vision_jax.metrics.spread",
    PROBE + "spread_is_one_on_the_sphere_and_zero_where_all_is_one",
    "--config=configs/self_supervised/cifar10_simclr.py",
    number="1 on the sphere, 0 where all features are one",
  ),
)
