"""What makes sense after a run: commands that take what it made, or what it worked with.

They follow from the products at hand, so that a new kind of job has some too; a kind that handles none has a
row in `RELATED`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from preimage.data.config import DataConfig
from preimage.data.image_shape import Shape, settings_text
from preimage.latents.priors import PRIORS
from preimage.latents.schema import About
from preimage.latents.store import Store
from preimage.models.cards import PRIOR
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.runs.products import PRODUCTS
from preimage.runs.spec_params import override_text
from preimage.specs.shipped import shipped_spec
from preimage.storage.address import command
from preimage.storage.folder import Folder

MOST = 4
"""Commands that are shown."""

RELATED = {
    "landscape": ("invertibility", "small", "when codes can be recovered through random nets"),
    "invertibility": ("recover-partial", "small", "recover codes from parts of images"),
    "random-weights": ("demo", "small", "train a generator, and find the codes of its images"),
}
"""A shipped spec, its profile, and what it shows, for the kinds of job that take and make no product."""


@dataclass(frozen=True)
class AtHand:
    """What the next command may name: a run's name, or an address, of each kind of product."""

    products: dict[str, str]
    results: str | None = None
    """The root that a command names unless it would find it without."""
    done: frozenset[str] = frozenset()
    """The kinds of job that were just run."""
    code: tuple[str, ...] = ()
    """Modules that build the generator."""
    knows_images: bool = True
    """Whether the images are known that the codes of the store stand for."""
    knows_prior: bool = True
    """Whether the prior of the codes is known."""
    data: DataConfig | None = None
    """The images of a run, to train another network on."""

    def run(self, spec: str, *keys: str) -> str | None:
        """The command that runs a shipped spec; None where there is none, as on a cluster."""
        if not shipped_spec(spec):
            return None
        code = [word for module in self.code for word in ("--code", module)]
        return command("preimage", "run", spec, *keys, *code, results=self.results)


class Suggestion(NamedTuple):
    """A command that makes sense with some products, unless a kind of job has just done it."""

    needs: frozenset[str]
    lacks: frozenset[str]
    unless: str
    make: Callable[[AtHand], str | None]
    what: str


def next_commands(plan: Plan) -> list[tuple[str, str]]:
    """What to try after a finished plan: (command, what it does)."""
    found = list(suggested(at_hand(plan)))
    for step in plan.steps:
        if step.job.job in RELATED and not found:
            spec, profile, what = RELATED[step.job.job]
            related = AtHand({}, plan.spec.results).run(spec, "--profile", profile)
            found += [(related, what)] if related else []
    pages = plan.spec.tracking.here.uri == "local"
    ui = command("preimage", "ui", results=plan.spec.results)
    return [*([(ui, "see the run in MLflow")] if pages else []), *found][:MOST]


def suggested(hand: AtHand) -> Iterator[tuple[str, str]]:
    """What to do with products: (command, what it does)."""
    for each in SUGGESTIONS:
        products = hand.products.keys()
        fits = each.needs <= products and not each.lacks & products and each.unless not in hand.done
        if fits and (made := each.make(hand)):
            yield made, each.what


def at_hand(plan: Plan) -> AtHand:
    """What the last steps of a plan made, and what they were given of what no step made."""
    given = [each for step in plan.steps for each in step.inputs.values()]
    found = {each.product: each.folder for each in reversed(given)}
    makers: dict[str, PlannedStep] = {}
    for step in plan.steps:
        makers |= {name: step for name in step.job.makes if PRODUCTS[name].is_result}
    found |= {name: step.run.product(name) for name, step in makers.items()}
    about = _about(found.get("store"))
    if generator := _generator_of(makers.get("store"), about):
        found["generator"] = generator
    found.pop("prior", None)
    if prior := _prior_of(plan, found, about):
        found["prior"] = prior
    return AtHand(
        {name: _named(folder, plan.root) for name, folder in found.items()},
        plan.spec.results,
        frozenset(step.job.job for step in plan.steps),
        plan.spec.code,
        knows_images=bool(about and about.dataset),
        knows_prior=bool(about and about.prior),
        data=next((step.data for step in reversed(plan.steps) if step.data), None),
    )


def of_store(store: Store, results: str | None) -> list[tuple[str, str]]:
    """What to do with a store that was imported."""
    products = {"store": store.folder.uri}
    if store.about.generator and store.about.generator.path:
        products["generator"] = store.about.generator.path
    knows_images, knows_prior = bool(store.about.dataset), bool(store.about.prior)
    hand = AtHand(products, results, knows_images=knows_images, knows_prior=knows_prior)
    return list(suggested(hand))[:MOST]


def of_generator(
    folder: Folder, shape: Shape, code: tuple[str, ...], results: str | None
) -> list[tuple[str, str]]:
    """What to do with a generator that was imported. Its own images are not known."""
    hand = AtHand({"generator": folder.uri}, results, code=code)
    images = ("data.source=folder", "data.path=IMAGES", *settings_text(shape).split())
    inverted = hand.run("invert", f"generator={folder}", *images)
    found = [(inverted, "find the codes of the images in a folder IMAGES")] if inverted else []
    return [(_show_generator(hand), "see what the generator is"), *found]


def of_images(data: DataConfig, results: str | None) -> list[tuple[str, str]]:
    """What to do with images that were prepared."""
    hand = AtHand({}, results, data=data)
    found = (
        (hand.run("dcgan", *data_keys(data)), "train a DCGAN on them"),
        (hand.run("pca", *data_keys(data)), "find their principal components"),
    )
    return [(each, what) for each, what in found if each]


def data_keys(data: DataConfig) -> list[str]:
    """The overrides that name images, beside a spec that names others."""
    changed = data.model_dump(mode="json", exclude_defaults=True)
    shape = data.model_dump(mode="json", include={"size", "channels"})
    return [f"data.{key}={override_text(value)}" for key, value in (changed | shape).items()]


def _about(folder: Folder | None) -> About | None:
    """What a store says of itself."""
    return Store.open(folder).about if folder and PRODUCTS["store"].is_whole(folder) else None


def _generator_of(step: PlannedStep | None, about: About | None) -> Folder | None:
    """The generator whose codes a store holds."""
    if step and "generator" in step.job.makes:
        return step.run.product("generator")
    if step and "generator" in step.inputs:
        return step.inputs["generator"].folder
    path = about.generator.path if about and about.generator else ""
    return Folder.at(path) if path and PRODUCTS["generator"].is_whole(Folder.at(path)) else None


def _prior_of(plan: Plan, found: dict[str, Folder], about: About | None) -> Folder | None:
    """The last prior that was fitted to the codes of a store, or else the one beside their generator."""
    for step in reversed(plan.steps):
        source = step.inputs.get("store")
        if source and source.folder == found.get("store"):
            if "prior" in step.job.makes:
                return step.run.product("prior")
            if "prior" in step.inputs:
                return step.inputs["prior"].folder
    has_own = about and about.prior and about.prior not in PRIORS and "generator" in found
    return found["generator"] / PRIOR if has_own else None


def _named(folder: Folder, root: Folder) -> str:
    """A product by its run's name, if that is one of the results; otherwise by its address."""
    run = folder.parent
    return run.name if run.parent.uri == (root / "runs").uri and folder.name in PRODUCTS else folder.uri


def _invert(hand: AtHand) -> str | None:
    return hand.run("invert", f"generator={hand.products['generator']}")


def _pag(hand: AtHand) -> str | None:
    prior = hand.products.get("prior")
    against = [f"prior={prior}"] if prior else [] if hand.knows_prior else ["std=1"]
    return hand.run("pag", f"store={hand.products['store']}", *against)


def _compare(hand: AtHand) -> str | None:
    return hand.run("compare-priors", f"store={hand.products['store']}")


def _explore(hand: AtHand) -> str | None:
    keys = (f"{name}={hand.products[name]}" for name in ("generator", "store"))
    return hand.run("explore", *keys) if hand.knows_images else None


def _evaluate(hand: AtHand) -> str | None:
    generator, classifier = hand.products["generator"], hand.products["classifier"]
    job = f"{{job: evaluate, generators: {{GAN: {generator}}}, classifier: {classifier}}}"
    return hand.run("evaluate", f"steps={{evaluate: {job}}}")


def _train(hand: AtHand) -> str | None:
    return hand.run("dcgan", *data_keys(hand.data)) if hand.data else None


def _show(hand: AtHand) -> str:
    return command("preimage", "store", "show", hand.products["store"], results=hand.results)


def _show_generator(hand: AtHand) -> str:
    return command("preimage", "generator", "show", hand.products["generator"], results=hand.results)


def _after(
    needs: str, lacks: str, unless: str, make: Callable[[AtHand], str | None], what: str
) -> Suggestion:
    return Suggestion(frozenset(needs.split()), frozenset(lacks.split()), unless, make, what)


SUGGESTIONS = (
    _after("classifier generator", "", "evaluate", _evaluate, "score the generator's samples"),
    _after("classifier", "generator", "", _train, "train a GAN on the same images, to score it with this"),
    _after("generator", "store", "invert", _invert, "find the codes of its images"),
    _after("store", "", "pag", _pag, "measure how well the codes agree with the prior"),
    _after("store", "", "compare-priors", _compare, "see which prior is closest to the codes"),
    _after("store generator", "", "explore", _explore, "sample, interpolate and complete images"),
    _after("store", "", "", _show, "see what the latent store holds"),
    _after("generator", "store", "", _show_generator, "see what the generator is"),
)
"""In the order in which they are shown."""
