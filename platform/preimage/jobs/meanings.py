"""What the metrics of jobs mean, in a few words each: one table for pages and lists."""

import re

_PAG = "divergence of the codes from a prior, in nats: 0 where they agree, lower is better"
_RECOVERED = "share of codes that were found again, from 0 to 1"
MEANINGS: tuple[tuple[str, str], ...] = (
    (r"pag_raw", "as the paper prints it: grows with the number of codes, so compare only equal counts"),
    (r"pag_n|n", "codes that it was computed of"),
    (r"(.*_)?pag(_.*)?", _PAG),
    (r"reconstruction_error_median", "the same of the image in the middle: half are reconstructed better"),
    (r"reconstruction_error(_.*)?", "mean squared error of a pixel, of images in [-1, 1]; lower is better"),
    (r"images", "images that it worked on"),
    (r"images_seen", "images that training drew, again each time"),
    (r"images_per_second", "images seen in a second of training"),
    (r"image_steps_per_second", "steps of the search in a second, over all images"),
    (r"local_rank", "directions in which an image moves with its code: fewer than its components mean that "
     "other codes have the same image"),
    (r"generator_loss", "what the generator lowers against the discriminator; says little of quality"),
    (r"discriminator_loss", "of telling real images from generated ones; near 0 where it always can"),
    (r"real_probability", "how real the discriminator finds real images, from 0 to 1"),
    (r"generated_probability", "how real the discriminator finds generated images, from 0 to 1"),
    (r"loss", "the training loss over the last steps; lower is better"),
    (r"code_norm", "mean length of the codes"),
    (r"denoising_error", "mean squared error of the denoiser of features"),
    (r"feature_gap", "distance between the features of generated images and what the denoiser makes of them"),
    (r"gradient_ratio", "how much the features pull at the generator, where the adversary pulls 1"),
    (r"accuracy", "share of held-out images whose class it names; higher is better"),
    (r"training_accuracy", "the same of images that it was trained on"),
    (r"held_out_images", "images that training did not see"),
    (r"(classifier_)?score(_before|_after|_learned_prior)?", "Inception Score by a classifier of such "
     "images: from 1 to the number of classes, higher is better"),
    (r"inception_score", "sharpness and variety of samples by Inception's classes; higher is better"),
    (r"fid", "distance between Inception's features of samples and of real images; lower is better"),
    (r"classifier_frechet_distance", "distance of a classifier's features of samples to real images'; "
     "lower is better"),
    (r"class_entropy", "how evenly samples spread over classes, in nats; higher is more even"),
    (r"ordering", "what was compared, the best first"),
    (r"splits", "parts in which the samples are scored, for a standard deviation"),
    (r"images_per_split", "samples in each part"),
    (r"(.*_)?scatter_ratio", "squared distances between classes of codes over those within; higher is "
     "further apart"),
    (r"nearest", "the prior nearest to the codes"),
    (r"likeliest", "the prior under which held-out codes are likeliest"),
    (r"held_out_log_likelihood", "of codes that the prior was not fitted to; higher is better"),
    (r"training_log_likelihood", "of the codes that it was fitted to"),
    (r"energy_distance", "between codes of the prior and held-out codes: 0 if alike, lower is better"),
    (r"energy_distance_of_.*", "the same of other codes, to compare with"),
    (r"codes", "codes that it worked on"),
    (r"codes_seen", "codes that training drew, again each time"),
    (r"relative_error", "error of what was observed, relative to the image; lower is better"),
    (r"spread", "standard deviation over an image's completions, where nothing was observed"),
    (r"spread_unconditional", "the same of samples that know nothing of the image"),
    (r"best_explained|worst_explained|explained", "share of the images' variance that is kept; 1 is all"),
    (r"latent_dim", "components of a code"),
    (r"parameters", "weights of the networks"),
    (r"as_in_paper", "comparisons that come out as in the paper"),
    (r"pairs", "comparisons made"),
    (r"recovered_expansive", "the lowest share of codes found again, of nets whose layers all expand"),
    (r"recovered.*", _RECOVERED),
    (r"another_code_expansive", "the highest share of images with another code, of nets whose layers expand"),
    (r"evaluations.*", "times the generator was computed, for a code"),
    (r"reached_.*", "share of descents that reach the code that made the image"),
    (r"flat_area_.*", "share of the landscape that is nearly flat"),
    (r"half_recovered_ratio(_unscaled)?", "where half of the codes are found, at the rate "
     "that needs most over the one that needs least; 1: alike"),
    (r"stuck_.*", "share of places from which descent ends where the theorem allows no minimum"),
    (r"zero_.*", "share of codes along which the cost does not fall at 0"),
    (r"glo_beats_pca", "whether GLO reconstructs with a lower error than PCA"),
    (r"glo_is_flatter_than_pca", "whether GLO's codes spread over more directions than PCA's"),
    (r"best_trial", "the number of the trial that ranks first"),
    (r"trials", "trials that have ended"),
)  # fmt: skip
"""(a pattern of the whole name, what it means): the first that fits counts."""


def meaning(metric: str) -> str:
    """What a metric means; empty if the table does not say.

    metric: its name. Of a pipeline's, `train.generator_loss`, and of a study's best, the last part counts.
    """
    names = (metric, metric.rpartition(".")[2])
    return next((text for name in names for key, text in MEANINGS if re.fullmatch(key, name)), "")
