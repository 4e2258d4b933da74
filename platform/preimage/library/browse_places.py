"""Where the store and the generator are that a name stands for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from preimage.errors import PreimageError, SpecError
from preimage.latents.manifest import state
from preimage.pipelines.inputs import find_folder, find_product, find_run, hint
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.model_uri import is_model_uri


@dataclass
class Places:
    """Folders that may hold what is browsed."""

    name: str
    store: Folder | None = None
    generators: list[Folder] = field(default_factory=list)
    """Where the generator may be, the likeliest first."""
    missing: list[str] = field(default_factory=list)
    """Sentences."""


def find_places(name: str, root: Folder) -> Places:
    """Where a name leads. Raises SpecError for one that leads nowhere."""
    runs = root / "runs"
    if is_model_uri(name):
        found = find_product(name, "generator", runs)
        return Places(found.model or name, generators=[found.folder])
    if run := find_run(name, runs):
        return _of_run(run, runs)
    store, generator = (find_folder(name, product, runs) for product in ("store", "generator"))
    if state(store) != "absent":
        return Places(store.name, store, [store.parent / "generator"])
    if PRODUCTS["generator"].is_whole(generator):
        return Places(generator.name, generators=[generator])
    raise SpecError(
        f"{name!r} is neither a run under {root.uri}, nor the folder of a latent store or a generator; "
        f"{hint(name, runs)}"
    )


def generators_under(root: Folder) -> Iterator[Folder]:
    """The generators of all runs, and the imported ones."""
    yield from _products(root / "runs", "generator")
    imported = root / str(PRODUCTS["generator"].imports)
    yield from (imported / name for name in imported.names())


def priors_under(root: Folder) -> Iterator[tuple[str, Folder]]:
    """The fitted priors of all runs, each with its run's name."""
    for folder in _products(root / "runs", "prior"):
        if PRODUCTS["prior"].is_whole(folder):
            yield folder.parent.name, folder


def _products(runs: Folder, product: str) -> Iterator[Folder]:
    return (runs / each.name / product for each in runs.entries() if not each.is_file)


def _of_run(run: RunFolder, runs: Folder) -> Places:
    """Of a pipeline its last store, and of a run that made neither store nor generator what it looked at."""
    found = Places(run.name)
    about = run.about()
    if run.outcome() is None:
        found.missing.append(
            "The run is not finished: run it again to complete it. What it has by now is shown."
        )
    steps = [RunFolder(runs / each) for each in about.get("steps", {}).values()]
    for each in reversed([run, *steps]):
        _add_products(each, found)
    for each in reversed([run, *steps]):
        _add_inputs(each, found)
    if about["job"] == "study":
        raise SpecError(f"{run.name} is a study: name one of its trials (preimage study show {run.name})")
    return found


def _add_products(run: RunFolder, found: Places) -> None:
    store = run.product("store")
    if not found.store and state(store) != "absent":
        found.store = store
    if PRODUCTS["generator"].is_whole(run.product("generator")):
        found.generators.append(run.product("generator"))


def _add_inputs(run: RunFolder, found: Places) -> None:
    try:
        used = (run.about_or_none() or {}).get("inputs", {})
    except PreimageError as error:
        found.missing.append(f"What {run.name} looked at is not known: {error}.")
        return
    for each in used.values():
        folder = _as_it_lies_now(Folder.at(each["address"]), run.folder.parent)
        if each["product"] == "store" and not found.store and state(folder) != "absent":
            found.store = folder
        if each["product"] == "generator":
            found.generators.append(folder)


def _as_it_lies_now(folder: Folder, runs: Folder) -> Folder:
    """A product of a run, which may have moved with all results since its address was written."""
    moved = runs / folder.parent.name / folder.name
    return moved if moved.exists() else folder
