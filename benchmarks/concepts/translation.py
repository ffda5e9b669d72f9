"""Restoration, translation and style."""

from benchmarks.concept import Concept

CONCEPTS = (
  Concept(
    "image translation from pairs (pix2pix)",
    "vision_jax.tasks.translation:PairedTranslation",
    "tests/tasks/test_translation.py::"
    "test_pix2pix_descends_what_torch_computes, "
    "tests/models/test_translation_nets.py::"
    "test_a_logit_sees_a_patch_and_nothing_else",
    "--config=configs/translation/photos_cartoon.py",
    number="a logit for each patch of 70 pixels; 100 times the error",
  ),
  Concept(
    "image translation without pairs (CycleGAN)",
    "vision_jax.tasks.cycle:CycleTranslation",
    "tests/tasks/test_translation.py::test_a_cycle_descends_what_torch_computes",
    "--config=configs/translation/digits_cycle.py",
    number="10 times the error after both ways",
  ),
  Concept(
    "super-resolution, PSNR",
    "vision_jax.metrics.restoration:psnr",
    "tests/metrics/test_metrics_restoration.py::test_they_are_scikit_images",
    row="t91_srcnn_x3",
  ),
  Concept(
    "super-resolution, perceptual loss (SRGAN)",
    "vision_jax.tasks.adversarial_restoration:AdversarialRestoration",
    "tests/tasks/test_adversarial_restoration.py::"
    "test_losses_are_what_torch_computes, "
    "tests/tasks/test_adversarial_restoration.py::"
    "test_the_discriminator_has_the_papers_layers",
    row="div2k_srgan_x4",
  ),
  Concept(
    "denoising",
    "vision_jax.models.restoration.dncnn:DnCNN",
    "tests/interop/test_restoration_files.py::test_noise_is_taken_away",
    row="imported_kair_dncnn_25_bsd68",
  ),
  Concept(
    "Gram matrix (style)",
    "vision_jax.losses.style:gram",
    "tests/test_arithmetic.py::test_a_gram_matrix_by_hand",
    "vision_jax.models --filter=VGG",
    number="14, 10 / 10, 17",
  ),
  Concept(
    "neural style (Gatys)",
    "vision_jax.losses.style:style_terms",
    "tests/stylize/test_stylize.py::"
    "test_losses_of_vgg_19_are_what_torch_computes, "
    "tests/stylize/test_stylize.py::test_pixels_descend",
    "--mode=stylize --content=PHOTO --style=PAINTING --output=OUT "
    "--weights_file=vgg19.pth",
    number="L-BFGS: a twentieth of the loss in 40 steps",
  ),
  Concept(
    "fast style (Johnson)",
    "vision_jax.tasks.style:FastStyle",
    "tests/tasks/test_style.py::test_losses_are_what_torch_computes, "
    "tests/models/test_translation_nets.py::"
    "test_the_transformer_of_styles_is_torchs",
    "--config=configs/style/folder_fast_style.py --config.images=PHOTOS "
    "--config.painting=PAINTING --config.judge=vgg16.pth",
    number="weight 1e5 of the style",
  ),
  Concept(
    "adaptive instance normalization (AdaIN)",
    "vision_jax.ops.adain:adain",
    "tests/tasks/test_adain.py::test_channels_take_on_the_others_moments, "
    "tests/tasks/test_adain.py::"
    "test_losses_and_predictions_are_what_torch_computes",
    "--config=configs/style/folder_adain.py --config.images=PHOTOS "
    "--config.styles=PAINTINGS --config.judge=vgg19.pth",
    number="weight 10.0 of the style",
  ),
)
