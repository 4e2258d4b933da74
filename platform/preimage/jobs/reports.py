"""What the outcomes of jobs say, known before they run: a study is refused that seeks what no job reports."""

from preimage.jobs.evaluate.job import ScoreConfig
from preimage.jobs.invert.job import COUNTS, InvertConfig
from preimage.jobs.pag import PagConfig
from preimage.jobs.train.base import LearnConfig

PACE = ("images_seen", "images_per_second")
ERRORS = ("images", "reconstruction_error", "reconstruction_error_median")
SCORED = ("class_entropy", "effective_classes", "near_duplicates")


def of_training(config: LearnConfig) -> tuple[str, ...]:
    """Of a training of a generator."""
    return (*config.recorded(), *PACE)


def of_codes(config: LearnConfig) -> tuple[str, ...]:
    """Of a training that leaves codes."""
    return (*of_training(config), *ERRORS)


def of_classifier(config: LearnConfig) -> tuple[str, ...]:
    return ("accuracy", "held_out_images", *of_training(config))


def of_inversion(config: InvertConfig) -> tuple[str, ...]:
    return (*ERRORS, "converged", "steps_per_image", *COUNTS)


def of_pag(config: PagConfig) -> tuple[str, ...]:
    normal = ("pag_normal",) if config.prior else ()
    return ("pag", "pag_raw", "pag_n", "pag_left_out", "latent_dim", *normal)


def of_score(config: ScoreConfig) -> tuple[str, ...]:
    """A line of the table for each generator."""
    scores = (
        ("classifier_score", "classifier_frechet_distance")
        if config.classifier
        else ("inception_score", "fid")
    )
    return tuple(f"table.{name}.{each}" for name in config.generators for each in (*scores, *SCORED))
