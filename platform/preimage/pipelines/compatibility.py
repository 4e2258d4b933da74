"""Check that a step's inputs fit each other, as far as that is known before any work."""

from collections.abc import Mapping

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.image_shape import Shape, shape_text
from preimage.errors import GeneratorError, PriorError, StoreError
from preimage.jobs.base import Job
from preimage.jobs.compatibility import require_classifiable, require_codes_of, trained_on
from preimage.jobs.references import images_named
from preimage.models.cards import read_card
from preimage.models.config import GeneratorConfig, ImportedConfig, classes_known
from preimage.named_code import require_named
from preimage.pipelines.inputs import Input
from preimage.pipelines.plan import Earlier

Inputs = Mapping[str, Input]


def require_compatible(
    job: Job, inputs: Inputs, data: DataConfig | None, earlier: Earlier, catalog: Catalog
) -> None:
    """Raise StoreError, ClassifierError, PriorError or GeneratorError if they do not fit, or if a generator's
    code is not named.

    data: the images that the step works on.
    """
    _require_generators(job, inputs, earlier)
    if data and "data" in type(job).model_fields:
        _require_images_of_stores(data, inputs, earlier, catalog)
    if job.compares_stores:
        _require_same_images_of_stores(inputs, earlier, catalog)
    _require_codes_of_generator(inputs, earlier)
    _require_classifier_of_images(job, inputs, earlier)
    _require_same_networks(job, inputs, earlier)
    _require_prior_of_codes(job, inputs, earlier)
    _require_borrowed_priors(job, inputs, earlier)
    for source in _of("store", inputs):
        if not source.step:
            job.check_store(source.card)
    if "store" in inputs:
        job.check_codes(_latent_dim(inputs["store"], earlier))


def _require_generators(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise GeneratorError if an imported generator's code is not named, or the job has no class labels for
    a generator, made or planned, that takes them."""
    for source in _of("generator", inputs):
        model, _ = generator_of(source, earlier)
        imported = model if isinstance(model, ImportedConfig) else None
        if imported and imported.code:
            require_named(imported.code.target, source.folder.uri)
        if classes_known(model) and not job.takes_labels:
            remedy = (
                "import it once more with a fixed one, such as --fixed y=7"
                if imported
                else "train one without model.classes"
            )
            raise GeneratorError(
                f"{f'the step {source.step}' if source.step else source.folder.uri} takes a class label with "
                f"every code, which {job.job} does not give: {remedy}"
            )


def _require_images_of_stores(data: DataConfig, inputs: Inputs, earlier: Earlier, catalog: Catalog) -> None:
    """Raise StoreError if the codes of an earlier step stand for other images than the step works on."""
    for source in _of("store", inputs):
        made = earlier[source.step].data if source.step else None
        if made and not _same_images(made, data, catalog):
            raise StoreError(
                f"the step {source.step} makes codes of {_named(made)}, this one works on {_named(data)}: "
                "name the same images with data in both"
            )


def _require_same_images_of_stores(inputs: Inputs, earlier: Earlier, catalog: Catalog) -> None:
    """Raise StoreError if earlier steps make codes of different images for a job that compares them."""
    made = {each.step: earlier[each.step].data for each in _of("store", inputs) if each.step}
    known = [(step, data) for step, data in made.items() if data]
    for step, data in known[1:]:
        first, own = known[0]
        if not _same_images(own, data, catalog):
            raise StoreError(
                f"the step {first} makes codes of {_named(own)}, the step {step} of {_named(data)}: name the "
                "same images with data in both"
            )


def _same_images(one: DataConfig, other: DataConfig, catalog: Catalog) -> bool:
    """Whether two configs select the same images, as far as that is known before they are prepared."""
    prepared = catalog.prepared(one), catalog.prepared(other)
    if prepared[0] and prepared[1]:
        return prepared[0].fingerprint == prepared[1].fingerprint
    whole = [each.model_copy(update={"max_images": None, "on_error": "stop"}) for each in (one, other)]
    if catalog.listing(whole[0]) != catalog.listing(whole[1]):
        return False
    counts = catalog.count(one), catalog.count(other)
    return None in counts or counts[0] == counts[1]


def _named(data: DataConfig) -> str:
    images = f"{data.max_images:,} of " if data.max_images else ""
    return f"{images}{data.source} {data.split} of {shape_text(data.shape)}"


def generator_of(source: Input, earlier: Earlier) -> tuple[GeneratorConfig, DataConfig | None]:
    """The config of a generator, made or planned, and the images it is trained on if they are known."""
    if source.step:
        maker = earlier[source.step]
        assert maker.job.made_generator
        return maker.job.made_generator, maker.data
    return source.card.generator, trained_on(source.card)


def _require_codes_of_generator(inputs: Inputs, earlier: Earlier) -> None:
    """Raise StoreError if a store, made or planned, holds codes of another generator."""
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
                f"the step {store.step} makes codes of another generator: give it "
                f"{generator.step or generator.folder.uri} as its generator, or give this step the one it has"
            )


def _require_classifier_of_images(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise ClassifierError if a classifier expects images of another shape than those that the step is
    given, or those that its generators make."""
    shapes = [each.shape for each in images_named(job).values()]
    for source in _of("generator", inputs):
        model, _ = generator_of(source, earlier)
        shapes.append(model.shape)
    for source in _of("classifier", inputs):
        own = _classified(source, earlier)
        for shape in shapes:
            require_classifiable(own, shape)


def _classified(source: Input, earlier: Earlier) -> Shape:
    """The shape of the images that a classifier, made or planned, expects."""
    if source.step:
        data = earlier[source.step].job.own_data
        assert data
        return data.shape
    return source.card.classifier.shape


def _require_same_networks(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise GeneratorError if a training run would resume from a generator of another shape."""
    for source in _of("checkpoints", inputs):
        if source.step:
            saved = generator_of(source, earlier)[0]
        else:
            saved = read_card(source.folder.parent / "generator").generator
        new = job.made_generator
        assert new
        before, after = (each.model_dump(mode="json", exclude={"prior"}) for each in (saved, new))
        differences = [
            f"{key} {before.get(key)} there, {after.get(key)} here"
            for key in sorted(before.keys() | after.keys())
            if before.get(key) != after.get(key)
        ]
        if differences:
            raise GeneratorError(
                f"`resume_from` names a generator of another shape ({', '.join(differences)}): "
                "use its model and data"
            )


def _require_prior_of_codes(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise PriorError if a prior's codes have another dimension than the generator's."""
    prior, generator = inputs.get("prior"), job.made_generator
    if prior and generator:
        dim = _latent_dim(prior, earlier)
        if dim != generator.latent_dim:
            raise PriorError(
                f"the prior's codes have {dim} components but the generator's have {generator.latent_dim}: "
                f"fit a prior to a store of such codes, or set model.latent_dim={dim}"
            )


def _require_borrowed_priors(job: Job, inputs: Inputs, earlier: Earlier) -> None:
    """Raise PriorError if a generator is to draw its codes from a prior of another dimension."""
    for generator, prior in job.borrowed_priors().items():
        needed = generator_of(inputs[generator], earlier)[0].latent_dim
        dim = _latent_dim(inputs[prior], earlier)
        if dim != needed:
            raise PriorError(
                f"{prior}: the prior's codes have {dim} components but those of {generator} have {needed}: "
                "fit a prior to a store of this generator's codes"
            )


def _latent_dim(source: Input, earlier: Earlier) -> int:
    """The dimension of the codes of a store or a prior."""
    if not source.step:
        return source.card.latent_dim
    maker = earlier[source.step]
    if source.product == "prior":
        return _latent_dim(maker.inputs["store"], earlier)
    return (maker.job.made_generator or generator_of(maker.inputs["generator"], earlier)[0]).latent_dim


def _of(product: str, inputs: Inputs) -> list[Input]:
    return [each for each in inputs.values() if each.product == product]
