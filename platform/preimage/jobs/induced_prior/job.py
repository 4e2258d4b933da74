"""induced-prior: what a prior of a generator's own codes made of it (flexible-priors, section 4.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator

from preimage.figures.tables import markdown
from preimage.jobs.compatibility import images_for, require_classes, require_codes_of
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.induced_prior.figures import Panel, induced_png
from preimage.jobs.sampling import draw_codes, make_images, this_device
from preimage.latents.priors import Normal
from preimage.latents.store import Store
from preimage.metrics.pag import PagResult, store_pag
from preimage.models.generator_folder import load_generator, load_prior, read_card
from preimage.models.scorer import ScorerSource
from preimage.storage.folder import Folder
from preimage.training.scoring import Evaluator, Scoring
from preimage.training.worker import Worker
from preimage.work.reproducible import prepare_process

HEADLINE = ("pag_before", "pag_after", "pag_normal_before", "pag_normal_after", "score_before", "score_after")

SHOWN = 64
"""Samples of each generator in the picture."""

NORMS = 10_000
"""Codes of a prior whose norms are averaged."""

Steps = Annotated[tuple[str, ...], Field(min_length=1)]


class InducedPriorConfig(JobConfig):
    """Compare a generator before and after it learned with a prior fitted to its own codes."""

    job: Literal["induced-prior"] = "induced-prior"
    generators: Steps
    """The first one, and what each round made of it: steps, runs or folders."""
    stores: Steps
    """The codes of the same images, of each of them."""
    control: str | None = None
    """The first generator trained as long without another prior: what training alone does."""
    control_store: str | None = None
    """Its codes."""
    classifier: str | None = None
    """Score samples by it: an earlier step, a run's name or a classifier's folder."""
    images: Annotated[int, Field(ge=SHOWN)] = 10_000
    """Samples scored, and real images that they are compared with."""

    @model_validator(mode="after")
    def _codes_of_each(self) -> "InducedPriorConfig":
        if len(self.generators) != len(self.stores):
            raise ValueError(
                f"{len(self.generators)} generators and {len(self.stores)} stores: give the codes of each"
            )
        if (self.control is None) != (self.control_store is None):
            raise ValueError("control and control_store go together")
        return self

    def needs(self) -> dict[str, tuple[str, Product]]:
        asked: dict[str, tuple[str, Product]] = {}
        for i, (generator, store) in enumerate(zip(self.generators, self.stores, strict=True)):
            asked |= {f"generators.{i}": (generator, "generator"), f"stores.{i}": (store, "store")}
        if self.control and self.control_store:
            asked |= {"control": (self.control, "generator"), "control_store": (self.control_store, "store")}
        if self.classifier:
            asked["classifier"] = (self.classifier, "classifier")
        return asked


def cost(config: InducedPriorConfig, images: int | None) -> dict[str, int]:
    generators = len(config.generators) + (config.control is not None)
    return {"samples made": generators * (config.images if config.classifier else SHOWN)}


@dataclass(frozen=True)
class Stage:
    """A generator at one stage, with what was measured of it."""

    name: str
    prior: str
    pag: PagResult
    """Against the prior that it was trained with."""
    normal: PagResult
    """Against N(0, I)."""
    prior_norm: float
    """Root of the mean squared norm of the prior's codes; see `code_norm`."""
    error: float
    scores: dict[str, float]

    @property
    def code_norm(self) -> float:
        """Root of the mean squared norm of the codes found."""
        return (self.normal.singular_values.square().sum() / self.normal.count).sqrt().item()

    def figures(self) -> dict[str, Any]:
        return {
            "prior": self.prior,
            "pag": self.pag.pag,
            "pag_raw": self.pag.pag_raw,
            "pag_normal": self.normal.pag,
            "pag_normal_raw": self.normal.pag_raw,
            "pag_n": self.pag.count,
            "code_norm": self.code_norm,
            "prior_norm": self.prior_norm,
            "reconstruction_error": self.error,
            **self.scores,
        }


def run(config: InducedPriorConfig, context: Context) -> Result:
    """Leave one figure and one table.

    Raises StoreError where a store holds codes of another generator, or of other images than the first.
    """
    prepare_process(context.resources.cpus_per_worker)
    count = len(config.generators)
    named = {_name(i): (f"generators.{i}", f"stores.{i}") for i in range(count)}
    if config.control:
        named["control"] = ("control", "control_store")
    pairs = {name: (context.inputs[one], context.inputs[other]) for name, (one, other) in named.items()}
    stores = {name: Store.open(store) for name, (_, store) in pairs.items()}
    for name, (generator, _) in pairs.items():
        require_codes_of(read_card(generator), stores[name])
    evaluator = _evaluator(config, context, pairs["before"][0]) if config.classifier else None
    stages = [_stage(name, generator, stores[name], evaluator) for name, (generator, _) in pairs.items()]
    panels = [
        Panel(
            title=_title(each),
            samples=_samples(pairs[each.name][0], config.seed),
            singular_values=each.normal.singular_values.numpy() / each.normal.count**0.5,
            name=each.name,
        )
        for each in stages
    ]
    context.run.figures.write("induced.png", induced_png(panels))
    context.run.figures.write("table.md", _table(stages).encode())
    return Result(_metrics(stages, count), ("table.md", "induced.png"))


def _name(place: int) -> str:
    return "before" if place == 0 else f"round {place}"


def _evaluator(config: InducedPriorConfig, context: Context, generator: Folder) -> Evaluator:
    source = ScorerSource(context.inputs["classifier"])
    dataset = context.dataset(images_for(read_card(generator), None))
    worker = Worker(device=this_device())
    require_classes(source.open(worker.device).classes, dataset)
    real = dataset.read(0, min(config.images, dataset.count))
    return Evaluator(worker, Scoring(source, config.images), real, 0, config.seed)


def _stage(name: str, folder: Folder, store: Store, evaluator: Evaluator | None) -> Stage:
    generator, card = load_generator(folder)
    prior = load_prior(folder, card)
    normal = store_pag(store, std=1.0)
    own = normal if isinstance(prior, Normal) else store_pag(store, prior=prior)
    losses = torch.cat([codes.loss[~codes.diverged] for codes in store.batches(["loss"])])
    scores = evaluator.of(generator.to(evaluator.worker.device), prior) if evaluator else {}
    norm = draw_codes(prior, NORMS, 0).square().sum(1).mean().sqrt().item()
    return Stage(name, prior.name, own, normal, norm, losses.double().mean().item(), scores)


def _samples(folder: Folder, seed: int) -> torch.Tensor:
    """(n, C, H, W), of the prior that the generator was trained with."""
    generator, card = load_generator(folder)
    return make_images(generator, draw_codes(load_prior(folder, card), SHOWN, seed))


def _title(stage: Stage) -> str:
    score = next(
        (f", score {value:.2f}" for name, value in stage.scores.items() if name.endswith("_score")), ""
    )
    return f"{stage.name}: {stage.prior} prior\nPAG {stage.pag.pag:.3g}{score}"


def _metrics(stages: Sequence[Stage], count: int) -> dict[str, Any]:
    """`before`, and `after` the last of `count` stages, beside the control; all of them under `stages`."""
    before, after = stages[0], stages[count - 1]
    found: dict[str, Any] = {"rounds": count - 1}
    for when, stage in (("before", before), ("after", after)):
        found |= {f"pag_{when}": stage.pag.pag, f"pag_normal_{when}": stage.normal.pag}
        found |= {f"score_{when}": v for name, v in stage.scores.items() if name.endswith("_score")}
    return found | {"stages": {each.name: each.figures() for each in stages}}


def _table(stages: Sequence[Stage]) -> str:
    """Markdown: a column a stage."""
    lines: dict[str, list[str]] = {
        "codes drawn from": [each.prior for each in stages],
        "PAG": [f"{each.pag.pag:.3f}" for each in stages],
        "PAG against N(0, I)": [f"{each.normal.pag:.3f}" for each in stages],
        "the same, raw": [f"{each.normal.pag_raw:,.0f}" for each in stages],
        "norm of the codes found": [f"{each.code_norm:.2f}" for each in stages],
        "norm of the prior's": [f"{each.prior_norm:.2f}" for each in stages],
        "error per pixel": [f"{each.error:.4f}" for each in stages],
    }
    for name in stages[0].scores:
        lines[name.replace("_", " ")] = [f"{each.scores[name]:.3f}" for each in stages]
    rows = [["", *(each.name for each in stages)], *([name, *cells] for name, cells in lines.items())]
    return "\n\n".join([_EXPLAINED.format(count=stages[0].pag.count), markdown(rows), _PAPER]) + "\n"


_EXPLAINED = (
    "A generator before and after rounds of: find the codes of {count:,} images, learn their distribution, "
    "go on training with codes drawn from it. PAG: the divergence of the codes' Gaussian from that of the "
    "prior that the generator was trained with; lower is better (eq. 2, in coordinates in which that prior "
    "is N(0, I)). Raw: eq. 2 as the paper computes it, from N(0, I), of singular values that grow with the "
    "number of codes, and falls when the codes shrink. The control was trained as long as the first round, "
    "with the prior it had. Norms are roots of mean squares."
)
_PAPER = (
    "In the paper (flexible-priors, figure 5; raw, of unstated numbers of codes), before and after one "
    "round: LSUN kitchen 1861 / 779, bedroom 1810 / 746, CelebA 2492 / 863 (Inception Score 4.64 / 4.62), "
    "CIFAR-10 2485 / 1064 (6.24 / 6.59)."
)
