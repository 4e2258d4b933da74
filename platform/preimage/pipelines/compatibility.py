"""Whether the products that a step is given fit each other, as far as is known before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preimage.data.config import DataConfig
from preimage.errors import GeneratorError, PriorError, StoreError
from preimage.jobs.compatibility import require_classifiable, require_codes_of
from preimage.jobs.config import JobConfig
from preimage.latents.store import Store
from preimage.models.classifier import read_classifier_card
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import read_card
from preimage.models.prior_folder import read_prior_card
from preimage.pipelines.inputs import Input

if TYPE_CHECKING:
    from preimage.pipelines.plan import PlannedStep

Earlier = Mapping[str, "PlannedStep"]
"""The steps before one, by name."""
IMAGES = ("data", "test")
"""Keys of a config that name images: these are known by what they mean, not by how they are named."""


def require_fitting(config: JobConfig, inputs: Mapping[str, Input], earlier: Earlier) -> None:
    """Raise StoreError, ClassifierError, PriorError or GeneratorError where they do not."""
    _require_codes_of_generator(inputs, earlier)
    _require_classifier_of_images(config, inputs, earlier)
    _require_same_networks(config, inputs, earlier)
    _require_prior_of_codes(config, inputs, earlier)
    if "store" in inputs:
        config.require_codes(_latent_dim("store", inputs["store"], earlier))


def generator_of(source: Input, earlier: Earlier) -> tuple[GeneratorConfig, DataConfig | None]:
    """What a generator is, or will be, and the images it was trained on where that is known."""
    if source.step:
        maker = earlier[source.step]
        return maker.config.generator, maker.data  # pyright: ignore[reportAttributeAccessIssue]
    card = read_card(source.folder)
    data = card.training.get("data")
    return card.generator, DataConfig.model_validate(data) if data else None


def _require_codes_of_generator(inputs: Mapping[str, Input], earlier: Earlier) -> None:
    """Raise StoreError where a store is, or will be, another generator's."""
    generator, store = (inputs.get(key) for key in ("generator", "store"))
    if not generator or not store:
        return
    if not store.step and not generator.step:
        require_codes_of(read_card(generator.folder), Store.open(store.folder))
    elif store.step:
        maker = earlier[store.step]
        own = maker.inputs["generator"].folder if "generator" in maker.inputs else maker.run.generator
        if own.uri != generator.folder.uri:
            raise StoreError(
                f"the step {store.step} leaves codes of another generator: give it "
                f"{generator.step or generator.folder.uri} as its generator, or give here the one that it has"
            )


def _require_classifier_of_images(config: JobConfig, inputs: Mapping[str, Input], earlier: Earlier) -> None:
    """Raise ClassifierError where a classifier is of images of another shape than the step's: those that it
    is given itself, and those that its generators make."""
    products = {key: product for key, (_, product) in config.needs().items()}
    given = [data for data in (getattr(config, name, None) for name in IMAGES) if data]
    shapes = [(each.size, each.channels) for each in given]
    for key, source in inputs.items():
        if products[key] == "generator":
            model, _ = generator_of(source, earlier)
            shapes.append((model.image_size, model.channels))
    for key, source in inputs.items():
        if products[key] == "classifier":
            own = _classified(source, earlier)
            for shape in shapes:
                require_classifiable(own, shape)


def _classified(source: Input, earlier: Earlier) -> tuple[int, int]:
    """The (size, channels) of the images that a classifier is, or will be, of."""
    if source.step:
        data: DataConfig = earlier[source.step].config.data  # pyright: ignore[reportAttributeAccessIssue]
        return data.size, data.channels
    card = read_classifier_card(source.folder)
    return card.classifier.image_size, card.classifier.channels


def _require_same_networks(config: JobConfig, inputs: Mapping[str, Input], earlier: Earlier) -> None:
    """Raise GeneratorError where a training is to go on from a generator of another shape."""
    if "resume_from" not in inputs:
        return
    start = inputs["resume_from"]
    if start.step:
        there = generator_of(start, earlier)[0]
    else:
        there = read_card(start.folder.parent / "generator").generator
    here: GeneratorConfig = config.generator  # pyright: ignore[reportAttributeAccessIssue]
    before, after = (each.model_dump(exclude={"prior"}) for each in (there, here))
    differences = [
        f"{key} {before.get(key)} there, {after.get(key)} here"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    if differences:
        raise GeneratorError(
            f"`resume_from` names a generator of another shape ({', '.join(differences)}): "
            "give its model and data"
        )


def _require_prior_of_codes(config: JobConfig, inputs: Mapping[str, Input], earlier: Earlier) -> None:
    """Raise PriorError where a prior's codes have another dimension than the generator's."""
    prior = inputs.get("prior")
    here: GeneratorConfig | None = getattr(config, "generator", None)
    if prior and isinstance(here, GeneratorConfig):
        dim = _latent_dim("prior", prior, earlier)
        if dim != here.latent_dim:
            raise PriorError(
                f"the prior is one of codes of {dim} components, the generator's have {here.latent_dim}: fit "
                f"one to a store of such codes, or set model.latent_dim={dim}"
            )


def _latent_dim(product: str, source: Input, earlier: Earlier) -> int:
    """Components of the codes of a store or of a prior."""
    if not source.step:
        opened = read_prior_card(source.folder) if product == "prior" else Store.open(source.folder)
        return opened.latent_dim
    maker = earlier[source.step]
    if product == "prior":
        return _latent_dim("store", maker.inputs["store"], earlier)
    own = getattr(maker.config, "generator", None)
    model = own if isinstance(own, GeneratorConfig) else generator_of(maker.inputs["generator"], earlier)[0]
    return model.latent_dim
