"""recover: how it runs."""

import torch
from torch import Tensor

from preimage.figures.plots import image_rows_png
from preimage.inversion.labels import labels_at
from preimage.jobs.base import Context, Result
from preimage.jobs.held_out_images import unseen_images
from preimage.jobs.made_by import generator_text
from preimage.jobs.published import RECOVER, RECOVER_DESCENT, RECOVERED
from preimage.jobs.recover.condition import Condition, measure_condition
from preimage.jobs.recover.figures import noise_png, success_png
from preimage.jobs.recover.job import RecoverJob
from preimage.jobs.recover.metrics import Way
from preimage.jobs.recover.report import RecoverReport
from preimage.jobs.recover.results import RecoveredCodes, baseline, distances, recovered_codes
from preimage.jobs.recover.search import (
    CODES,
    UNSEEN,
    CodeSearch,
    PartResults,
    join_chunks,
    noisy_part,
    search_chunks,
)
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.jobs.settings_text import settings_of
from preimage.latents.priors import Prior
from preimage.models.cards import GeneratorCard, read_card
from preimage.models.generator_folder import load_prior
from preimage.storage.folder import Folder


def run(job: RecoverJob, context: Context) -> Result:
    """Do the missing trials, draw what they found, and set it beside what the paper prints."""
    folder = context.inputs["generator"]
    card = read_card(folder)
    prior = load_prior(folder, card)
    job.check_generator(card.generator)
    dataset = unseen_images(card, job.data, job.unseen, context)
    chunks = search_chunks(job)
    work = CodeSearch(folder, dataset.folder, job)
    found = join_chunks(chunks, context.run_trials(chunks, work, "recovering codes"))
    condition = measure_condition(context, folder, job, min(job.probes, job.codes), job.thresholds[0])
    codes = draw_codes(prior, job.drawn, job.seed)
    report = _report(job, prior, codes, found, condition, _heading(job, card))
    settings = _searches_in_words(job)
    figures = {
        "success.png": success_png(report.recovered, RECOVERED, condition, settings),
        "noise.png": noise_png(report.noisy, settings),
        "reconstructions.png": image_rows_png(_reconstructions(job, folder, codes, found)),
    }
    return Result(report.metrics(), figures, report.table())


def _searches_in_words(job: RecoverJob) -> dict[str, str]:
    """The settings of each inversion, beside the paper's."""
    texts = {}
    for name, each in job.inversions.items():
        key = f"inversions.{name}"
        texts[name] = ", ".join(settings_of(each, job.paper.settings, before=key))
    return texts


def _heading(job: RecoverJob, card: GeneratorCard) -> list[str]:
    searches = "; ".join(f"{name}: {text}" for name, text in _searches_in_words(job).items())
    heading = [f"Generator: {generator_text(card)}. Searches: {searches}.", RECOVER.remark(job, card)]
    if any(each.solver == RECOVER_DESCENT.settings["solver"] for each in job.inversions.values()):
        heading.append(
            "The paper says that the descent's rate is attenuated over time. The rate of 1, halved every "
            "50,000 steps, is its authors' code's."
        )
    return heading


def _report(
    job: RecoverJob, prior: Prior, codes: Tensor, found: PartResults, condition: Condition, heading: list[str]
) -> RecoverReport:
    def of_codes(part: str, way: Way) -> RecoveredCodes:
        return recovered_codes(found[part, way], codes, job.thresholds)

    return RecoverReport(
        codes=job.codes,
        noisy_codes=job.noisy_codes,
        unseen=job.unseen,
        repeats=job.repeats,
        recovered={way: of_codes(CODES, way) for way in job.ways},
        noisy={way: {noise: of_codes(noisy_part(noise), way) for noise in job.noises} for way in job.ways},
        distances={way: distances(found[UNSEEN, way], job.repeats) for way in job.ways},
        baseline=baseline(prior, job.seed),
        condition=condition,
        heading=heading,
    )


def _reconstructions(
    job: RecoverJob, folder: Folder, codes: Tensor, found: PartResults
) -> dict[str, dict[str, Tensor]]:
    """By way: the first images as they are, after the steps shown, and at the end."""
    network, _ = open_generator(folder, torch.device("cpu"))
    most = max(each.steps for each in job.inversions.values())
    labels, columns = draw_labels(network, job.drawn, job.seed), {}
    for way in job.ways:
        each = found[CODES, way]
        kept = {f"step {step:,}": each["kept_z"][:, i] for i, step in enumerate(job.shown) if step < most}
        count = len(each["kept_z"])
        rows = {"original": codes[:count], **kept, "end": each["z"][:count]}
        classes = labels_at(labels, slice(count), codes.device)
        columns[way.title] = {name: make_images(network, z, classes) for name, z in rows.items()}
    return columns
