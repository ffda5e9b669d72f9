"""Generation."""

from benchmarks.concept import Concept

CODES = "tests/tasks/test_autoencoder_codes.py::test_"
VAE = "tests/tasks/test_vae.py::test_"
GAN = "tests/tasks/test_gan.py::test_"
SIZES = "tests/models/test_stylegan2.py::test_"
STYLED = "tests/tasks/test_style_gan.py::test_"
MEAN = "tests/tasks/test_mean_flow.py::test_"
NOISE = "tests/ops/test_diffusion_"
SCORES = "tests/metrics/test_metrics_generation.py::test_"

CONCEPTS = (
  Concept(
    "autoencoder, beside PCA",
    "vision_jax.tasks.autoencoder:Autoencoding",
    "tests/tasks/test_autoencoder.py::"
    "test_the_linear_optimum_spans_the_pca_subspace",
    "--config=configs/generation/digits_autoencoder.py",
    number="within 1e-2 of the plane of PCA",
  ),
  Concept(
    "denoising autoencoder",
    "vision_jax.tasks.autoencoder",
    "tests/tasks/test_autoencoder.py::"
    "test_a_denoising_one_is_scored_against_the_clean_image",
    row="mnist_denoising_autoencoder_cpu",
  ),
  Concept(
    "contractive autoencoder",
    "vision_jax.losses.autoencoding:square_jacobian",
    f"{CODES}the_contraction_is_autodiffs_jacobian, "
    f"{CODES}of_one_layer_the_contraction_is_the_papers_formula",
    "--config=configs/generation/mnist_autoencoder.py "
    "--config.contraction=1e-4",
    number="a code of 4 numbers",
  ),
  Concept(
    "sparse autoencoder (k-sparse)",
    "vision_jax.models.generation.tied_autoencoder:k_sparse",
    CODES + "the_largest_numbers_of_a_code_stay",
    "--config=configs/generation/mnist_autoencoder.py --config.sparsity=3",
    number="3 of 9 numbers",
  ),
  Concept(
    "latent space, and what lies between its codes",
    "vision_jax.pipelines.generation_images:codes",
    "tests/viz/test_scatter.py::test_codes_lie_where_they_spread_most, "
    f"{CODES}samples_are_of_the_normal_that_fits_the_codes",
    row="mnist_autoencoder_cpu",
  ),
  Concept(
    "conditional VAE",
    "configs.generation.mnist_conditional_vae",
    CODES + "a_key_gives_the_nets_the_class, "
    f"{VAE}a_sample_depends_on_index_label_and_key_alone",
    "--config=configs/generation/mnist_conditional_vae.py",
    number="10 classes",
  ),
  Concept(
    "evidence bound (ELBO)",
    "vision_jax.tasks.vae:VariationalAutoencoding",
    VAE + "the_bound_of_one_sample_is_the_evidence_bound_on_average",
    row="digits_vae",
  ),
  Concept(
    "divergence of normals (KL)",
    "vision_jax.losses.likelihood:normal_divergence",
    VAE + "the_divergence_is_torchs",
    row="imported_vae_mnist",
  ),
  Concept(
    "importance samples (IWAE)",
    "vision_jax.metrics.likelihood",
    VAE + "the_bound_rises_to_the_exact_likelihood",
    row="mnist_vae_cpu",
  ),
  Concept(
    "GAN",
    "vision_jax.tasks.gan:GAN",
    GAN + "the_optimal_discriminator_has_the_papers_value",
    row="digits_gan",
  ),
  Concept(
    "DCGAN",
    "vision_jax.models.generation.dcgan",
    GAN + "dcgan_has_the_stated_layers",
    row="mnist_dcgan_cpu",
  ),
  Concept(
    "gradient penalties (WGAN-GP, R1)",
    "vision_jax.losses.adversarial:gradient_penalty",
    GAN + "penalties_of_a_linear_critic_are_exact",
    row="digits_gan",
  ),
  Concept(
    "StyleGAN2: modulation, path lengths, truncation",
    "vision_jax.tasks.style_gan:StyleGAN",
    f"{STYLED}a_path_is_as_long_as_the_jacobian_says, "
    f"{STYLED}samples_are_cut_mixed_and_of_their_index, "
    f"{SIZES}of_1024_pixels_they_are_as_large_as_the_authors",
    "--config=configs/generation/mnist_stylegan2.py",
    number="30,370,060 parameters at 1024 pixels",
  ),
  Concept(
    "diffusion",
    "vision_jax.tasks.diffusion:Diffusion",
    f"{NOISE}ops.py::test_the_linear_schedule_is_the_papers, "
    f"{NOISE}ops.py::test_the_posterior_is_bayes_rule",
    row="digits_ddpm",
  ),
  Concept(
    "DDIM and other samplers",
    "vision_jax.ops.diffusion.samplers",
    NOISE + "samplers.py::test_ddim_with_all_the_noise_is_ddpm",
    row="mnist_ddpm_cpu",
  ),
  Concept(
    "flow matching",
    "vision_jax.tasks.flow_matching:FlowMatching",
    "tests/tasks/test_flow_matching.py::test_the_loss_of_the_answer_is_zero, "
    f"{NOISE}paths.py::test_solvers_converge_at_their_order",
    "--config=configs/generation/mnist_flow_matching.py",
    number="order 2 of Heun's method, within 0.1",
  ),
  Concept(
    "average velocity (MeanFlow)",
    "vision_jax.tasks.mean_flow:MeanFlow",
    f"{MEAN}an_exact_average_keeps_the_identity, "
    f"{MEAN}one_step_lands_where_the_flow_does",
    "--config=configs/generation/mnist_mean_flow.py",
    number="1 evaluation of the net",
  ),
  Concept(
    "inpainting, super-resolution by diffusion",
    "vision_jax.ops.given",
    "tests/ops/test_given.py::"
    "test_a_hole_is_nothing_and_the_rest_is_the_image, "
    "tests/ops/test_given.py::test_fewer_pixels_are_scikit_images_means",
    row="mnist_inpainting_cpu",
  ),
  Concept(
    "EDM's preconditioning",
    "vision_jax.ops.diffusion.conversions",
    f"{NOISE}paths.py::test_the_preconditioning_is_the_papers, "
    f"{NOISE}paths.py::test_predictions_convert_both_ways",
    "--config=configs/generation/mnist_flow_matching.py --config.path=edm "
    "--config.prediction=edm",
    number="of images of deviation 0.5",
  ),
  Concept(
    "normalizing flow",
    "vision_jax.tasks.normalizing_flow:NormalizingFlow",
    "tests/tasks/test_normalizing_flow.py::test_the_likelihood_is_autodiffs, "
    "tests/models/test_flows.py::"
    "test_a_flow_is_undone_and_knows_its_volume",
    row="mnist_glow_cpu",
  ),
  Concept(
    "affine coupling (RealNVP)",
    "vision_jax.models.generation.coupling:Coupling",
    "tests/models/test_flows.py::test_a_layer_is_undone_and_knows_its_volume",
    "--config=configs/generation/mnist_glow.py --config.net=realnvp",
    row="mnist_realnvp",
  ),
  Concept(
    "invertible 1x1 convolution (Glow)",
    "vision_jax.models.generation.invertible_conv:InvertibleConv",
    "tests/models/test_flows.py::test_a_mix_begins_as_a_rotation",
    row="mnist_glow_cpu",
  ),
  Concept(
    "vector quantisation (VQ-VAE)",
    "vision_jax.tasks.vector_quantisation:VectorQuantisation",
    "tests/ops/test_codebook.py::test_vectors_are_the_papers_averages, "
    "tests/tasks/test_vector_quantisation.py::"
    "test_the_gradient_passes_straight_through",
    row="mnist_vqvae",
  ),
  Concept(
    "masked codes (MaskGIT)",
    "vision_jax.tasks.code_prior:CodePrior",
    "tests/tasks/test_code_prior.py::test_the_loss_is_of_hidden_codes_alone, "
    "tests/tasks/test_code_prior.py::"
    "test_the_cosine_hides_all_at_first_and_none_at_last",
    row="mnist_vq_prior",
  ),
  Concept(
    "latent diffusion",
    "vision_jax.tasks.latent:Latent",
    "tests/tasks/test_latent.py::test_codes_are_scaled_by_the_first_batch",
    row="mnist_latent",
  ),
  Concept(
    "guidance",
    "vision_jax.ops.diffusion.predictions:guided",
    "tests/tasks/test_diffusion.py::test_guidance_extrapolates_from_no_class",
    "--mode=sample --workdir=WORKDIR --output=OUT --sample.guidance=2",
    number="2.5 times what the class adds",
  ),
  Concept(
    "Fréchet distance (FID)",
    "vision_jax.metrics.generation_distances:frechet_distance",
    f"{SCORES}frechet_distance_is_scipys, "
    f"{SCORES}frechet_distance_of_known_normals",
    row="mnist_dcgan_cpu",
  ),
  Concept(
    "learning from generated data",
    "configs.classification.mnist_generated",
    "tests/benchmarks/test_generated_data.py::"
    "test_samples_of_the_dcgan_teach_nearly_as_much_as_real_digits",
    row="learned_generated",
  ),
  Concept(
    "inception score",
    "vision_jax.metrics.generation_distances:inception_score",
    f"{SCORES}inception_score_is_torchmetrics, "
    f"{SCORES}inception_score_of_the_extremes",
    "--config=configs/generation/cifar10_dcgan.py",
    number="1 of one class only",
  ),
  Concept(
    "from one draw to the next",
    "vision_jax.tasks.generative:latents",
    "tests/tasks/test_generation.py::"
    "test_an_interpolation_goes_from_one_draw_to_the_next",
    "--mode=sample --workdir=WORKDIR --output=OUT --sample.interpolate=4",
    number="4 images a row",
  ),
)
