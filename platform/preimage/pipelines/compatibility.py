"""Whether the products that a step is given fit each other, as far as is known before any work."""

from collections.abc import Mapping

from preimage.data.config import DataConfig
from preimage.errors import GeneratorError, PriorError, StoreError
from preimage.jobs.base import Job
from preimage.jobs.compatibility import require_classifiable, require_codes_of
from preimage.jobs.references import images_named
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import read_card
from preimage.pipelines.inputs import Input
from preimage.pipelines.plan import Earlier

Inputs = Mapping[str, Input]


def require_compatible(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise StoreError, ClassifierError, PriorError or GeneratorError where they do not."""
    _require_codes_of_generator(inputs, earlier)
    _require_classifier_of_images(job, inputs, earlier)
    _require_same_networks(job, inputs, earlier)
    _require_prior_of_codes(job, inputs, earlier)
    if "store" in inputs:
        job.check_codes(_latent_dim(inputs["store"], earlier))


def generator_of(source: Input, earlier: Earlier) -> tuple[GeneratorConfig, DataConfig | None]:
    """What a generator is, or will be, and the images it was trained on where that is known."""
    if source.step:
        maker = earlier[source.step]
        assert maker.job.made_generator
        return maker.job.made_generator, maker.data
    data = source.card.training.get("data")
    return source.card.generator, DataConfig.model_validate(data) if data else None


def _require_codes_of_generator(inputs: Inputs, earlier: Earlier) -> None:
    """Raise StoreError where a store is, or will be, another generator's."""
    generator, store = (inputs.get(key) for key in ("generator", "store"))
    if not generator or not store:
        return
    if not store.step and not generator.step:
        require_codes_of(generator.card, store.card)
    elif store.step:
        maker = earlier[store.step]
        used = maker.inputs.get("generator")
        own = used.folder if used else maker.run.product("generator")
        if own.uri != generator.folder.uri:
            raise StoreError(
                f"the step {store.step} leaves codes of another generator: give it "
                f"{generator.step or generator.folder.uri} as its generator, or give here the one that it has"
            )


def _require_classifier_of_images(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise ClassifierError where a classifier is of images of another shape than the step's: those that it
    is given itself, and those that its generators make."""
    shapes = [(each.size, each.channels) for each in images_named(job).values()]
    for source in _of("generator", inputs):
        model, _ = generator_of(source, earlier)
        shapes.append((model.image_size, model.channels))
    for source in _of("classifier", inputs):
        own = _classified(source, earlier)
        for shape in shapes:
            require_classifiable(own, shape)


def _classified(source: Input, earlier: Earlier) -> tuple[int, int]:
    """The (size, channels) of the images that a classifier is, or will be, of."""
    if source.step:
        data = earlier[source.step].job.own_data
        assert data
        return data.size, data.channels
    return source.card.classifier.image_size, source.card.classifier.channels


def _require_same_networks(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise GeneratorError where a training run is to resume from a generator of another shape."""
    for source in _of("checkpoints", inputs):
        if source.step:
            there = generator_of(source, earlier)[0]
        else:
            there = read_card(source.folder.parent / "generator").generator
        here = job.made_generator
        assert here
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


def _require_prior_of_codes(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise PriorError where a prior's codes have another dimension than the generator's."""
    prior, here = inputs.get("prior"), job.made_generator
    if prior and here:
        dim = _latent_dim(prior, earlier)
        if dim != here.latent_dim:
            raise PriorError(
                f"the prior is one of codes of {dim} components, the generator's have {here.latent_dim}: fit "
                f"one to a store of such codes, or set model.latent_dim={dim}"
            )


def _latent_dim(source: Input, earlier: Earlier) -> int:
    """Components of the codes of a store or of a prior."""
    if not source.step:
        return source.card.latent_dim
    maker = earlier[source.step]
    if source.product == "prior":
        return _latent_dim(maker.inputs["store"], earlier)
    return (maker.job.made_generator or generator_of(maker.inputs["generator"], earlier)[0]).latent_dim


def _of(product: str, inputs: Inputs) -> list[Input]:
    return [each for each in inputs.values() if each.product == product]
