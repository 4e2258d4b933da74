"""An earlier run, opened: its generator, codes, outcome and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from torch import nn

from preimage.errors import PreimageError, SpecError
from preimage.jobs.named_images import open_images
from preimage.latents.priors import Prior
from preimage.latents.store import Store
from preimage.library.display import Picture, picture_html, table_html
from preimage.library.load_images import LoadedImages
from preimage.models import generator_folder
from preimage.models.cards import GeneratorCard, read_card
from preimage.models.generator_folder import load_prior
from preimage.models.prior_folder import load_fitted
from preimage.pipelines.inputs import find_images, find_product, find_run
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.address import results_root
from preimage.storage.folder import Folder
from preimage.storage.plain_yaml import load
from preimage.tracking.model_uri import is_model_uri
from preimage.tuning.records import TrialRecord, read_records


@dataclass(frozen=True)
class Run:
    """An earlier run; in a notebook, its metrics and figures. Of a pipeline, what only one step made is here
    too."""

    folder: RunFolder

    @property
    def name(self) -> str:
        """What every verb accepts."""
        return self.folder.name

    @property
    def outcome(self) -> Outcome:
        """Its result. Raises PreimageError if it is not finished."""
        if found := self.folder.outcome():
            return found
        raise PreimageError(f"the run {self.name} is not finished: run it again to complete it")

    @property
    def spec(self) -> dict[str, Any]:
        """The resolved spec, which `preimage.run` takes."""
        return load(self.folder.folder.read("spec.yaml").decode())

    @property
    def steps(self) -> Mapping[str, "Run"]:
        """A pipeline's steps by name."""
        runs = self.folder.folder.parent
        steps = self.outcome.steps or {}
        return {name: Run(RunFolder(runs / each["run"])) for name, each in steps.items()}

    @cached_property
    def generator(self) -> nn.Module:
        """In eval mode, on the CPU; its weights take no gradients. Raises PreimageError if the run has none,
        or several."""
        return generator_folder.load_generator(self.product("generator"))[0].requires_grad_(False)

    @cached_property
    def prior(self) -> Prior:
        """The prior that it fitted, or else that of its generator's codes. Raises PreimageError like
        `generator`."""
        if "prior" in self._made():
            return load_fitted(self.product("prior"))
        folder = self.product("generator")
        return load_prior(folder, read_card(folder))

    @cached_property
    def store(self) -> Store:
        """Its latent store. Raises PreimageError like `generator`."""
        return Store.open(self.product("store"))

    def images(self, max_images: int | None = None) -> LoadedImages:
        """The images of its codes, or else those that it worked on, in memory; at most so many. Raises
        PreimageError if there are none, or they are gone."""
        if "store" in self._made():
            dataset = open_images(self.store.about.dataset)
        else:
            dataset = find_images(self.folder.folder.uri, self.folder.folder.parent)
        return LoadedImages.of(dataset, max_images)

    @property
    def table(self) -> str:
        """Its table, in Markdown: of a study the ranked trials. Raises PreimageError if it has none."""
        if (data := self.folder.figures.find("table.md")) is None:
            raise PreimageError(f"the run {self.name} has no table")
        return data.decode()

    @property
    def trials(self) -> list[TrialRecord]:
        """Of a study: what each trial had and got, by its number; also while the study runs."""
        return read_records(self.folder.folder)

    @property
    def figures(self) -> dict[str, Picture]:
        """Its pictures by name, each the bytes of a PNG; a pipeline's by `<step>.<name>`."""
        if steps := self.steps:
            return {
                f"{step}.{name}": each for step, run in steps.items() for name, each in run.figures.items()
            }
        folder = self.folder.figures
        pngs = [name for name in folder.names() if name.endswith(".png")]
        return {name.removesuffix(".png"): Picture(folder.read(name)) for name in pngs}

    def product(self, kind: str) -> Folder:
        """The folder of what the run made. Raises PreimageError if it made none of this kind, or several."""
        made = self._made().get(kind, {})
        if len(made) == 1:
            return next(iter(made.values()))
        title = PRODUCTS[kind].title
        if made:
            ways = ", ".join(f".steps[{step!r}].{kind}" for step in made)
            raise PreimageError(f"{self.name} has {len(made)} {title}s: take one of {ways}")
        others = [f"{step}.{each}" if step else each for each, by in self._made().items() for step in by]
        there = f"has {', '.join(others)}" if others else "has nothing for other jobs"
        raise PreimageError(f"the run {self.name} has no {title}; it {there}")

    def _made(self) -> dict[str, dict[str, Folder]]:
        """The folders of its products: by kind, then by step."""
        found: dict[str, dict[str, Folder]] = {}
        if steps := self.steps:
            for step, run in steps.items():
                for kind in run.outcome.products:
                    found.setdefault(kind, {})[step] = run.folder.product(kind)
            return found
        return {kind: {"": self.folder.product(kind)} for kind in self.outcome.products}

    def __repr__(self) -> str:
        return f"<run {self.name}, {self._state()}>"

    def _repr_html_(self) -> str:
        head = f"<b>{escape(self.name)}</b> ({escape(self.folder.about()['job'])}): {self._state()}"
        done = self.folder.outcome()
        if not done:
            return f"<div>{head}</div>"
        pictures = "".join(picture_html(png, name) for name, png in self.figures.items())
        return f"<div>{head}{table_html(done.metrics)}{pictures}</div>"

    def _state(self) -> str:
        return "finished" if self.folder.outcome() else "not finished"


def open(name: str | Path | Outcome, results: str | None = None) -> Run:
    """An earlier run, by its name under the results, its folder, or its MLflow run id; or what `run`
    returned.

    results: the root of all results; default: PREIMAGE_RESULTS, or results/. Raises SpecError without a run.
    """
    root = Folder.at(results_root(results))
    name = name.run if isinstance(name, Outcome) else str(name)
    if found := find_run(name, root / "runs"):
        return Run(found)
    raise SpecError(
        f"{name!r} is not a run under {root.uri}: if it is elsewhere, give its folder, or results=FOLDER"
    )


def load_generator(
    name: str | Path | Folder, code: str | Sequence[str] = (), results: str | None = None
) -> tuple[nn.Module, GeneratorCard]:
    """A generator in eval mode, on the CPU, and its card: of a folder, a run, or a model in MLflow, such as
    `models:/decoder/1` or `runs:/ID/generator`.

    code: modules whose code may build it, such as mypkg.nets. results: the root of the runs and of what is
    downloaded. Raises PreimageError if there is none, or it is damaged.
    """
    return generator_folder.load_generator(find_generator(name, results), code)


def find_generator(name: str | Path | Folder, results: str | None = None) -> Folder:
    """The folder of a generator: that folder itself, what a run made, or a model in MLflow. Raises
    PreimageError."""
    if isinstance(name, Folder):
        return name
    runs = Folder.at(results_root(results)) / "runs"
    if is_model_uri(str(name)):
        return find_product(str(name), "generator", runs).folder
    if found := find_run(str(name), runs):
        return Run(found).product("generator")
    return find_product(str(name), "generator", runs).folder
