"""recover-partial: how it runs."""

from math import prod

from torch import Tensor

from preimage.inversion.measurements import MeasurementConfig
from preimage.jobs.base import Context, Result
from preimage.jobs.recover_partial.figures import completions_png, transition_png, weights_png
from preimage.jobs.recover_partial.job import RecoverPartialJob, name_of, sweep_rates
from preimage.jobs.recover_partial.report import MeasurementResult, RecoverPartialReport
from preimage.jobs.recover_partial.trial import PartialRecovery
from preimage.metrics.normality import layer_weights, normality
from preimage.models.cards import GeneratorCard, read_card
from preimage.models.config import GeneratorConfig, classes_known
from preimage.models.generator_folder import load_generator
from preimage.work.trials import Results

SHOWN = 3
"""Images in each column of the completions."""


def run(job: RecoverPartialJob, context: Context) -> Result:
    """Do the missing trials, draw what they found, and set it beside what the paper says."""
    folder = context.inputs["generator"]
    card = read_card(folder)
    model = card.generator
    job.check_generator(model)
    trials = {_slug(each): each for each in job.all_measurements(model.shape)}
    work = PartialRecovery(folder, job.inversion, job.images, job.seed)
    found = context.run_trials(trials, work, "recovering codes")
    weights = layer_weights(load_generator(folder)[0])
    report = _report(job, found, weights, card)
    shown = {
        _title(each): work.completion(each, found[_slug(each)]["z"][:SHOWN]) for each in job.measurements
    }
    figures = {
        "measurements.png": completions_png(shown),
        "transition.png": transition_png(report.rates, job.images, report.latent_dim / report.numbers),
        "weights.png": weights_png(weights, report.fits),
    }
    return Result(report.metrics(), figures, report.table())


def _report(
    job: RecoverPartialJob, found: dict[str, Results], weights: dict[str, Tensor], card: GeneratorCard
) -> RecoverPartialReport:
    results = {name: summarise(each, job.threshold) for name, each in found.items()}
    return RecoverPartialReport(
        images=job.images,
        threshold=job.threshold,
        latent_dim=card.generator.latent_dim,
        numbers=prod(card.generator.shape),
        measurements={name_of(each): results[_slug(each)] for each in job.measurements},
        rates={
            family: {share: results[_slug(each)].recovered for share, each in by_share.items()}
            for family, by_share in sweep_rates(job.rates, card.generator.shape).items()
        },
        fits={layer: normality(each) for layer, each in weights.items()},
        diverged=sum(each.diverged for each in results.values()),
        remark=" ".join(filter(None, [job.paper.remark(job, card), _of_classes(card.generator)])),
    )


def _of_classes(generator: GeneratorConfig) -> str:
    known = "The generator is conditional on {} classes: each code has one, drawn at random and known."
    return known.format(classes) if (classes := classes_known(generator)) else ""


def summarise(found: Results, threshold: float) -> MeasurementResult:
    """What one measurement gave. An image that diverged is not recovered, and the other metrics skip it."""
    fine = ~found["diverged"].bool()
    return MeasurementResult(
        recovered=((found["z_error"] < threshold) & fine).double().mean().item(),
        z_error=found["z_error"][fine].median().item(),
        hidden_error=found["hidden_error"][fine].double().mean().item(),
        evaluations=found["passes"][fine].double().mean().item(),
        diverged=int((~fine).sum()),
        smallest=found["smallest"].median().item() if "smallest" in found else None,
        condition=found["condition"].median().item() if "condition" in found else None,
    )


def _title(seen: MeasurementConfig) -> str:
    """Its name above its images: what an operator observes is no image, so A^T y is shown."""
    return f"{name_of(seen)} (A^T y)" if seen.operator else name_of(seen)


def _slug(seen: MeasurementConfig) -> str:
    """A trial's name, different for every measurement."""
    parts = {"": seen.rate, "pool": seen.pool if seen.pool > 1 else None, "noise": seen.noise or None}
    return "-".join(
        [name_of(seen), *(f"{key}{value:g}" for key, value in parts.items() if value is not None)]
    )
