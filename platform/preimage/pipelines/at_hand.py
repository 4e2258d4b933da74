"""What a finished plan leaves for the commands after it: products, images, and what is known of them."""

from dataclasses import dataclass

from preimage.data.config import DataConfig
from preimage.errors import PreimageError
from preimage.jobs.compatibility import trained_on
from preimage.latents.priors import PRIORS
from preimage.latents.schema import About
from preimage.latents.store import Store
from preimage.models.cards import PRIOR, read_card
from preimage.pipelines.plan import Plan, PlannedStep
from preimage.runs.products import PRODUCTS
from preimage.specs.shipped import shipped_spec
from preimage.storage.address import command
from preimage.storage.folder import Folder


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
    has_normal_prior: bool = True
    """Whether N(0, I) is the prior of the codes, or it is not known."""
    latent_dim: int | None = None
    """Components of a code, if they are known."""
    data: DataConfig | None = None
    """The images of a run, to train another network on."""
    classes: int = 0
    """How many classes these have, as far as is known."""

    def run(self, spec: str, *keys: str) -> str | None:
        """The command that runs a shipped spec; None where there is none, as on a cluster."""
        if not shipped_spec(spec):
            return None
        return command("preimage", "run", spec, *keys, *self.code_words, results=self.results)

    @property
    def code_words(self) -> list[str]:
        """The options that name the modules."""
        return [word for module in self.code for word in ("--code", module)]


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
    data = next((step.data for step in reversed(plan.steps) if step.data), None) or _images_of(found)
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
        has_normal_prior=not about or about.prior in (None, "normal"),
        latent_dim=about.latent_dim if about else None,
        data=data,
        classes=len(plan.catalog.classes(data) or ()) if data else 0,
    )


def _about(folder: Folder | None) -> About | None:
    """What a store says of itself."""
    return Store.open(folder).about if folder and PRODUCTS["store"].is_whole(folder) else None


def _images_of(products: dict[str, Folder]) -> DataConfig | None:
    """Those that a generator was trained on, if it says so and they can still be found."""
    folder = products.get("generator")
    if not folder or not PRODUCTS["generator"].is_whole(folder):
        return None
    try:
        return trained_on(read_card(folder))
    except PreimageError:  # of another version, or of a plugin that is missing: nothing to propose
        return None


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
