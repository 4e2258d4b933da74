"""score: how good and how varied a generator's samples are (denoising-feature-matching, section 5)."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field, field_validator, model_validator

from preimage.config import PositiveInt
from preimage.data.config import DataConfig
from preimage.jobs.compatibility import require_classes
from preimage.jobs.config import JobConfig, Product
from preimage.jobs.context import Context, Result
from preimage.jobs.evaluate.evaluate import Evaluator, draw
from preimage.jobs.evaluate.real_images import ceiling, require_shape, training_images
from preimage.jobs.evaluate.report import TRAINING, Report
from preimage.jobs.evaluate.score_shards import Task, rows_of, samples_of, score_missing
from preimage.jobs.row_names import require_plain
from preimage.jobs.sampling import this_device
from preimage.models.inception import require_weights
from preimage.models.scorer import ScorerSource
from preimage.storage.folder import Folder
from preimage.work.reproducible import prepare_process

HEADLINE = ("ordering", "splits", "images_per_split")


def _several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


Runs = Annotated[
    tuple[str, ...],
    BeforeValidator(_several, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]


class ScoreConfig(JobConfig):
    """Score generators' samples through one network, beside real images."""

    job: Literal["evaluate"] = "evaluate"
    generators: Annotated[dict[str, Runs], Field(min_length=1)]
    """Names as they are to stand in the table, each with the step, run or folder of a generator, or with
    several of them, such as those of different seeds. `DCGAN` and `DFM-GAN` are the paper's."""
    classifier: str | None = None
    """The network: an earlier step, a run's name or a classifier's folder. Without it, Inception."""
    weights: str | None = None
    """Inception's weights, on every machine: the published .pth file, or .safetensors; without it they are
    downloaded."""
    images: PositiveInt = 50_000
    """Samples of each generator, and training images at most."""
    splits: PositiveInt = 10
    """Parts that are scored each by itself; the score grows with the images of a part."""
    data: DataConfig | None = None
    """The training images, which samples are compared with; without it the first generator's own."""
    test: DataConfig | None = None
    """Held-out images, whose own score is the ceiling; without it the test split of `data`, or of digits,
    which have none, those beyond data.max_images."""
    chunk: PositiveInt = 500
    """Images of a piece of work, which is what a job that was killed loses."""

    @field_validator("generators")
    @classmethod
    def _names_are_plain(cls, generators: dict[str, Runs]) -> dict[str, Runs]:
        require_plain(generators, "a generator")
        return generators

    @model_validator(mode="after")
    def _one_network(self) -> "ScoreConfig":
        if self.classifier and self.weights:
            raise ValueError("weights are Inception's: give either classifier or weights")
        return self

    @model_validator(mode="after")
    def _two_images_a_split(self) -> "ScoreConfig":
        if self.images < 2 * self.splits:
            raise ValueError(
                f"images must be at least 2 for each of {self.splits} splits, but is {self.images}: "
                "a split of one image scores 1"
            )
        return self

    def needs(self) -> dict[str, tuple[str, Product]]:
        asked: dict[str, tuple[str, Product]] = {
            f"generators.{name}.{i}": (each, "generator")
            for name, runs in self.generators.items()
            for i, each in enumerate(runs)
        }
        if self.classifier:
            asked["classifier"] = (self.classifier, "classifier")
        return asked


def cost(config: ScoreConfig, images: int | None) -> dict[str, int]:
    return {"samples made and scored": config.images * sum(map(len, config.generators.values()))}


def check(config: ScoreConfig, images: int | None) -> None:
    """What can be known to be wrong before anything starts."""
    require_weights(config.weights)


def run(config: ScoreConfig, context: Context) -> Result:
    """Score what is missing, and draw and write what all of it says.

    Raises ClassifierError, GeneratorError or DataError where networks and images do not belong together.
    """
    prepare_process(context.resources.cpus_per_worker)
    generators = {
        name: [context.inputs[f"generators.{name}.{i}"] for i in range(len(runs))]
        for name, runs in config.generators.items()
    }
    data = training_images(generators, config.data)
    source = _source(config, context)
    require_shape(source, data)
    device = torch.device("cpu") if context.resources.gpu is False else this_device()
    scorer, dataset = source.open(device), context.dataset(data)
    require_classes(scorer.classes, dataset)
    training = rows_of(TRAINING, dataset, config.images)
    test, remarks = ceiling(dataset, config.test, config.images, scorer, context)
    samples = {
        name: [samples_of(label, folder, config.images) for label, folder in _labelled(name, folders)]
        for name, folders in generators.items()
    }
    drawn = [each for runs in samples.values() for each in runs]
    task = Task(
        sets=tuple({each.key: each for each in (training, test, *drawn) if each}.values()),
        source=source,
        folder=context.run.folder / "pieces" / scorer.fingerprint[:16],
        chunk=config.chunk,
        seed=config.seed,
        cpus=context.resources.cpus_per_worker,
        gpu=context.resources.gpu is not False,
    )
    score_missing(task, context.resources, context.show("scoring images"))
    evaluator = Evaluator(task, training, config.splits, config.images // config.splits)
    real = {each.name: evaluator.found(each) for each in (test, training) if each}
    runs = {name: [evaluator.found(each) for each in sets] for name, sets in samples.items()}
    report = Report(runs, real, scorer, dataset, remarks)
    pictures = draw(report, task, {each.name: each for each in (test, training) if each}, samples)
    for name, picture in pictures.items():
        context.run.figures.write(name, picture)
    context.run.figures.write("table.md", report.table().encode())
    return Result(report.metrics(), ("table.md", *pictures))


def _source(config: ScoreConfig, context: Context) -> ScorerSource:
    """Addresses that mean the same wherever a worker is started."""
    weights = str(Path(config.weights).expanduser().absolute()) if config.weights else None
    return ScorerSource(context.inputs.get("classifier"), weights)


def _labelled(name: str, folders: list[Folder]) -> list[tuple[str, Folder]]:
    """What a message calls each generator."""
    many = len(folders)
    return [(f"{name}, {i} of {many}" if many > 1 else name, folder) for i, folder in enumerate(folders, 1)]
