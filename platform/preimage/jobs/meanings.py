"""What the metrics of jobs mean, in a few words each: one table."""

import re

_PRIOR = "divergence of the codes from the prior, in nats; 0 where they agree, lower is better"
MEANINGS: dict[str, str] = {
    r"pag": _PRIOR,
    r"pag_raw": "the same as the paper prints it: grows with the number of codes, compare only equal counts",
    r"pag_n": "codes that it was computed of",
    r"pag_.*": _PRIOR,
    r"reconstruction_error": "mean squared error of a pixel between image and reconstruction, mean over images; "
    "lower is better",
    r"reconstruction_error_median": "the same of the image in the middle: half are reconstructed better",
    r"reconstruction_error_.*": "mean squared error of a pixel; lower is better",
    r"images": "images that it worked on",
    r"images_seen": "images that training saw, each as often as it was drawn",
    r"images_per_second": "images seen in a second of training",
    r"image_steps_per_second": "steps of search in a second, summed over images",
    r"generator_loss": "the loss that the generator lowers against the discriminator; by itself no measure of "
    "quality",
    r"discriminator_loss": "the loss of telling real images from generated ones; near 0 when the discriminator "
    "wins",
    r"real_probability": "how real the discriminator finds real images, from 0 to 1",
    r"generated_probability": "how real the discriminator finds generated images, from 0 to 1",
    r"loss": "the training loss, mean over the last steps; lower is better",
    r"code_norm": "mean length of the codes",
    r"gradient_ratio": "how much the features pull at the generator, where the adversary pulls 1",
    r"accuracy": "share of held-out images whose class it names; higher is better",
    r"training_accuracy": "the same of training images",
    r"held_out_images": "images kept out of training to measure with",
    r"classifier_score": "the Inception Score by a classifier of these images: 1 is the worst, the number of "
    "classes the best",
    r"inception_score": "sharpness and variety of samples by Inception; higher is better",
    r"fid": "distance between the features of samples and of real images; 0 is none, lower is better",
    r"classifier_frechet_distance": "distance between a classifier's features of samples and of real images; "
    "lower is better",
    r"class_entropy": "how evenly samples spread over classes, in nats; higher is more even",
    r"ordering": "the compared, best first",
    r"splits|images_per_split": "into how many parts the samples were scored, and how large they are",
    r"local_rank": "dimensions in which the generator moves an image at its code: fewer than the code has means "
    "that codes are not unique",
    r"(.*\.)?scatter_ratio": "how far the classes' codes lie apart, by how far they spread; higher is further",
    r"nearest": "the prior that is closest to the codes",
    r"likeliest": "the prior that makes the codes likeliest",
    r"held_out_log_likelihood": "log-likelihood of codes that the prior was not fitted to; higher is better",
    r"training_log_likelihood": "log-likelihood of the codes that it was fitted to",
    r"codes": "codes that it was fitted to or measured on",
    r"codes_seen": "codes that training saw, each as often as it was drawn",
    r"relative_error": "error of the observed part, relative to the image; lower is better",
    r"spread": "standard deviation over completions of one image, where nothing was observed",
    r"spread_unconditional": "the same of samples without any image: the most that can be expected",
    r"best_explained|worst_explained|explained": "share of the images' variance that is reconstructed; 1 is all",
    r"latent_dim": "components of a code",
    r"as_in_paper": "comparisons that come out as in the paper",
    r"pairs": "comparisons made",
    r"recovered.*": "share of codes that were found again, from 0 to 1",
    r"evaluations.*": "how often the generator was computed for a code",
    r"best_trial": "the number of the trial that ranks first",
    r"trials": "trials that have ended",
}
"""By a pattern of the whole name; the first that fits counts."""


def meaning(metric: str) -> str:
    """What a metric means; empty if the table does not say. metric: its name, in a pipeline without its
    step's."""
    names = (metric, metric.removeprefix("best."))
    return next((text for name in names for key, text in MEANINGS.items() if re.fullmatch(key, name)), "")
