"""Video, skeletons and captions."""

from benchmarks.concept import Concept

NETS = "tests/models/test_models_video.py::test_"
SIZES = NETS + "parameters_are_the_published_ones"
COCA = "--config=configs/captions/scenes_coca.py"

CONCEPTS = (
  Concept(
    "convolution over time (R3D)",
    "vision_jax.models.video.r3d:R3D",
    f"{SIZES}, {NETS}outputs_equal_torchvisions",
    "--config=configs/video/digits_r3d.py",
    number="33,371,472 weights",
  ),
  Concept(
    "space, then time (R(2+1)D)",
    "vision_jax.models.video.r2plus1d:R2Plus1D",
    f"{SIZES}, {NETS}outputs_equal_torchvisions",
    "--config=configs/video/digits_r2plus1d.py",
    number="31,505,325 weights",
  ),
  Concept(
    "attention in space, then in time (ViViT)",
    "vision_jax.models.video.factorised_vit:FactorisedViT",
    f"{SIZES}, {NETS}a_factorised_vit_is_a_vit_of_frames_and_one_of_time",
    "--config=configs/video/digits_vivit.py",
    number="115,062,928 weights",
  ),
  Concept(
    "graphs of joints (ST-GCN)",
    "vision_jax.models.skeletons.stgcn:STGCN",
    f"{NETS}parameters_of_the_papers_skeletons, "
    f"{NETS}stgcn_equals_its_equations_and_sees_no_missing_joint",
    "--config=configs/skeletons/actions_stgcn.py",
    number="3.1 million weights",
  ),
  Concept(
    "temporal segmentation (MS-TCN)",
    "vision_jax.models.temporal.mstcn:MSTCN",
    f"{SIZES}, {NETS}mstcn_equals_its_layers_and_sees_no_padding",
    "--config=configs/skeletons/actions_mstcn.py",
    number="0.80 million weights",
  ),
  Concept(
    "F1 at overlaps, Edit, MoF",
    "vision_jax.metrics.temporal",
    "tests/metrics/test_metrics_temporal.py::test_numbers_by_hand",
    "--config=configs/skeletons/actions_mstcn.py",
    number="0.9 of the frames, Edit 1; Edit 3 / 5; F1 at 10, 25 and 50",
  ),
  Concept(
    "frames as they come, a majority vote",
    "vision_jax.inference.online",
    "tests/inference/test_online.py::"
    "test_votes_by_hand_and_what_they_cost_in_frames",
    "--mode=stream --workdir=WORKDIR --stream=VIDEO.mp4 --votes=3",
    number="of 3 votes 2 frames late, of 1 vote 1",
  ),
  Concept(
    "contrast of images and captions",
    "vision_jax.losses.contrastive",
    "tests/losses/test_contrastive_loss.py::test_it_is_the_mean_of_both_ways",
    COCA,
    number="the definition's to 1e-5",
  ),
  Concept(
    "captions (CoCa)",
    "vision_jax.tasks.captions",
    "tests/models/test_coca.py::test_the_papers_base_size, "
    "tests/tasks/test_captioning.py::test_the_captioning_loss_is_torchs",
    COCA,
    number="86 and 297 million weights",
  ),
  Concept(
    "retrieval both ways",
    "vision_jax.metrics.cross_retrieval",
    "tests/metrics/test_metrics_captions.py::"
    "test_retrieval_both_ways_is_that_of_a_loop",
    COCA,
    number="recall at 1 and 3",
  ),
  Concept(
    "classes nobody taught (zero-shot)",
    "vision_jax.tasks.captions:Captioning",
    "tests/tasks/test_captioning.py::test_it_writes_compares_and_classifies",
    COCA,
    number="cosines to 1e-4",
  ),
  Concept(
    "images from text",
    "vision_jax.models.generation.prompted_unet:PromptedUNet",
    "tests/models/test_prompted_unet.py::test_the_order_of_words_counts, "
    "tests/metrics/test_scenes_read.py::"
    "test_a_caption_is_right_as_a_whole_or_not",
    row="scenes_text_cpu",
  ),
  Concept(
    "images from text by a GAN",
    "vision_jax.models.generation.prompted_gan:PromptedGenerator",
    "tests/models/test_prompted_gan.py::test_the_order_of_words_counts, "
    "tests/models/test_prompted_gan.py::"
    "test_an_image_fits_some_words_more_than_others",
    row="scenes_text_gan_cpu",
  ),
)
