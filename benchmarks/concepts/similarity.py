"""Same or not, and reading."""

from benchmarks.concept import Concept

LOSSES = "tests/losses/test_metric_losses.py::test_"
FOUND = "tests/metrics/test_metrics_retrieval.py::test_"
EMBED = "--config=configs/metric_learning/mnist_embedding.py"
READ = "tests/tasks/test_reading.py::test_"

CONCEPTS = (
  Concept(
    "triplets",
    "vision_jax.losses.metric:batch_hard",
    LOSSES + "loss_is_that_of_a_loop_over_examples",
    row="mnist_embedding",
  ),
  Concept(
    "ArcFace",
    "vision_jax.losses.metric:arcface",
    LOSSES + "arcface_adds_the_margin_to_the_angle",
    EMBED + " --config.loss=arcface",
    number="a margin of 0.5",
  ),
  Concept(
    "supervised contrast (SupCon)",
    "vision_jax.losses.metric:supervised_contrastive",
    LOSSES + "shards_compare_with_the_whole_batch",
    row="mnist_embedding",
  ),
  Concept(
    "recall@k and mAP@R",
    "vision_jax.metrics.retrieval",
    f"{FOUND}retrieval_is_that_of_a_loop, {FOUND}average_precision_by_hand",
    row="mnist_embedding",
  ),
  Concept(
    "verification: TAR at FAR",
    "vision_jax.metrics.verification",
    FOUND + "verification_is_a_point_of_the_curve",
    EMBED,
    number="0.3, 0.02 and 1e-4",
  ),
  Concept(
    "few shots, prototypes",
    "vision_jax.metrics.episodes",
    FOUND + "a_query_is_of_the_nearest_prototype",
    EMBED,
    number="0.5 of the queries by hand",
  ),
  Concept(
    "searching for an image",
    "vision_jax.transfer.search:search",
    "tests/command/test_search_mode.py::test_a_nets_features_are_compared",
    "--mode=search --workdir=WORKDIR --query=PHOTO.jpg --images=PHOTOS",
    number="cosine 1.0000 of the image itself",
  ),
  Concept(
    "CTC",
    "vision_jax.losses.ctc:ctc",
    "tests/losses/test_ctc.py::"
    "test_it_is_the_sum_over_all_ways_to_write_a_text",
    row="strings_crnn_clean",
  ),
  Concept(
    "best path, joined",
    "vision_jax.tasks.reading:CtcReading",
    READ + "the_best_path_joins_neighbours_and_leaves_blanks_out",
    row="strings_crnn_textures",
  ),
  Concept(
    "attention that writes",
    "vision_jax.tasks.reading:AttentionReading",
    READ + "attention_writes_until_the_end",
    row="strings_attention_clean",
  ),
  Concept(
    "a lexicon",
    "vision_jax.data.text.letters:read_lexicon",
    READ + "a_lexicon_gives_the_likeliest_word",
    "--config=configs/reading/mnist_crnn.py --config.lexicon=WORDS.txt",
    number="sure by more than 0.9",
  ),
  Concept(
    "error rates of letters and words",
    "vision_jax.metrics.reading:edit_distance",
    "tests/metrics/test_metrics_reading.py::test_the_distance_is_levenshteins",
    "--config=configs/reading/mnist_attention.py",
    number="3 from kitten to sitting",
  ),
)
