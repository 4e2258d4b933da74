"""How a result was made, in one line: the job and its settings, and what it took from earlier runs."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from preimage.data.catalog import Catalog
from preimage.errors import PreimageError
from preimage.inversion.config import InversionConfig
from preimage.jobs.base import Job
from preimage.jobs.references import images_named, references
from preimage.jobs.settings_text import data_text, pixels_text, settings_of
from preimage.latents.manifest import read_manifest
from preimage.models.cards import GeneratorCard, read_card, read_classifier_card, read_prior_card
from preimage.models.config import DcganConfig, ImportedConfig, LinearConfig, classes_known
from preimage.storage.folder import Folder

BETWEEN = " · "


def made_by(
    job: Job, inputs: Mapping[str, Folder], catalog: Catalog, spec: str, plugins: Mapping[str, str]
) -> str:
    """One line on how a job makes its result. inputs: the folders of its products, by dotted key, all of them
    whole. spec: names the spec and its profile. plugins: the versions by name of those that it uses."""
    own = [
        f"{_title(key, 'data')}: {data_text(data, catalog.count(data))}".removeprefix(": ")
        for key, data in images_named(job).items()
    ]
    used = [" ".join(each) for each in plugins.items()]
    parts = [job.job, *used, *_inputs(job, inputs), *own, *job.settings_text(), f"seed {job.seed}", spec]
    return BETWEEN.join(parts)


def study_made_by(jobs: Mapping[str, Job], varied: Collection[str], sampler: str, spec: str) -> str:
    """One line on how a study's trials are made. jobs: a trial's, by the names of their steps. varied: dotted
    keys of its search space, whose values differ between trials."""
    parts = [f"study by {sampler}", f"varied {', '.join(varied)}"]
    for step, job in jobs.items():
        own = {key.removeprefix(f"{step}.") for key in varied}
        data = [data_text(each) for each in images_named(job).values()]
        parts.append(f"{job.job}: {', '.join([*data, *job.settings_text(own)])}".removesuffix(": "))
    return BETWEEN.join([*parts, spec])


def _inputs(job: Job, inputs: Mapping[str, Folder]) -> list[str]:
    """What the job takes, by its name in the spec; what is made alike, such as by several seeds, once."""
    taken = references(job)
    generators = {
        read_card(inputs[key]).fingerprint for key, each in taken.items() if each.product == "generator"
    }
    texts: dict[str, list[str]] = {}
    for key, each in taken.items():
        folder = inputs[key]
        text = _store(folder, generators) if each.product == "store" else _OF[each.product](folder)
        found = texts.setdefault(_title(key, each.product), [])
        found += [text] if text not in found else []
    titles: dict[str, list[str]] = {}
    for title, found in texts.items():
        titles.setdefault("; ".join(found), []).append(title)
    return [f"{', '.join(filter(None, names))}: {text}".removeprefix(": ") for text, names in titles.items()]


def _title(key: str, usual: str) -> str:
    """What a line calls the thing of a dotted key; nothing where the text itself says what it is."""
    parts = [each for each in key.split(".") if not each.isdecimal()]
    if parts[-1] in ("generator", "store") and len(parts) > 1:
        parts.pop()
    return "" if parts[-1] in (usual, f"{usual}s") else parts[-1].replace("_", " ")


def generator_text(card: GeneratorCard) -> str:
    """`DCGAN 16 px, d 20, width 32, normal prior, by train-gan after 60,000 images of digits train`."""
    about, training = card.generator, card.training
    kind = {DcganConfig: "DCGAN", LinearConfig: "linear generator", ImportedConfig: "imported generator"}
    width = f", width {about.base_channels}" if isinstance(about, DcganConfig) else ""
    if isinstance(about, DcganConfig) and about.activation != "relu":
        width += f", {about.activation}"
    classes = f", conditional on {count} classes" if (count := classes_known(about)) else ""
    made = f"{kind[type(about)]} {pixels_text(about.image_size)}, d {about.latent_dim}{width}{classes}"
    return f"{made}, {about.prior} prior, {_training(training)}"


def _training(training: Mapping[str, Any]) -> str:
    if imported := training.get("imported"):
        return f"from {imported['from']}"
    if "job" not in training:
        return "training unknown"
    data = training.get("data", {})
    images = " ".join(data[key] for key in ("source", "category", "split") if data.get(key)) or "unknown data"
    if count := data.get("max_images"):
        images += f" ({count:,} images)"
    if (seen := training.get("images_seen")) is None:
        return f"by {training['job']} of {images}"
    if not seen:
        return f"untrained, by {training['job']}"
    before = f"{training['images_before']:,} and another " if "images_before" in training else ""
    return f"by {training['job']} after {before}{seen:,} images of {images}"


def _generator(folder: Folder) -> str:
    return generator_text(read_card(folder))


def _classifier(folder: Folder) -> str:
    card = read_classifier_card(folder)
    accuracy = f"accuracy {card.accuracy:.1%} on {card.held_out}"
    return f"classifier {_training(card.training)}, {accuracy}"


def _prior(folder: Folder) -> str:
    card = read_prior_card(folder)
    seen = f" after {card.training['codes_seen']:,} codes" if "codes_seen" in card.training else ""
    return f"{card.kind} prior by {card.training.get('job', 'an unknown job')}{seen}"


def _checkpoints(folder: Folder) -> str:
    return f"networks of {generator_text(read_card(folder.parent / 'generator'))}"


_OF: dict[str, Callable[[Folder], str]] = {
    "generator": _generator,
    "classifier": _classifier,
    "prior": _prior,
    "checkpoints": _checkpoints,
}
"""What a product's card says of its making, by the kind of product."""


def _store(folder: Folder, said: Collection[str]) -> str:
    """said: the generators, by their fingerprints, that the line describes beside it."""
    manifest = read_manifest(folder)
    about, generator = manifest.about, manifest.about.generator
    if imported := about.imported:
        text = f"{manifest.count:,} codes imported from {imported.file} (SHA-256 {imported.sha256[:10]})"
    else:
        text = f"{manifest.count:,} codes by {_solver(about.solver)}"
    if generator is None or generator.fingerprint in said:
        return text
    with suppress(PreimageError):  # it may have moved since, or be of another version
        card = read_card(Folder.at(generator.path))
        if card.fingerprint == generator.fingerprint:
            return f"{text}, through {generator_text(card)}"
    return f"{text}, through generator {generator.fingerprint[:10]}"


def _solver(said: Mapping[str, Any]) -> str:
    """How a store's codes were found, as its manifest says; a mask's file is not read again."""
    keys = {name: each for name, each in said.items() if name in InversionConfig.model_fields}
    measured = keys.pop("measurement", None)
    how = str(said.get("solver", "an unknown solver"))
    if "steps" in keys:
        with suppress(ValidationError):  # of another version
            how = ", ".join(settings_of(InversionConfig.model_validate(keys)))
    if isinstance(measured, str):
        return f"{how}, seen through {measured}"  # an operator of the user's own
    measured = measured or {}
    if operator := measured.get("operator"):
        rate = f" at rate {rate:g}" if (rate := measured.get("rate")) else ""
        return f"{how}, seen through {operator}{rate}"
    seen = measured.get("mask", "all"), measured.get("pool", 1)
    return how if seen == ("all", 1) else f"{how}, seen in part"
