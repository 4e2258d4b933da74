"""A training small enough to repeat many times."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from preimage.data.dataset import Dataset
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import CodesConfig, OptimizerConfig
from preimage.training.export import export_generator
from preimage.training.gan import GanAlgorithm
from preimage.training.glo import GloAlgorithm
from preimage.training.training import Training
from tiny import GLO_MODEL, LOOP, MODEL


def build(optimizer: OptimizerConfig, context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, MODEL, optimizer)


def build_glo(context: AlgorithmContext) -> GloAlgorithm:
    return GloAlgorithm(context, GLO_MODEL, "l2", CodesConfig(), OptimizerConfig(name="sgd", lr=1.0))


@pytest.fixture
def make_glo(digits: Dataset, folder: Folder) -> Callable[..., Training]:
    def make(name: str = "glo", identity: dict[str, Any] | None = None, **loop: object) -> Training:
        return Training(
            run=RunFolder(folder / name),
            dataset=digits.folder,
            loop=LOOP.model_copy(update=loop),
            build=build_glo,
            identity=identity or {},
            seed=0,
            export=export_generator,
            history={"job": "train-glo"},
        )

    return make


@pytest.fixture
def make_training(digits: Dataset, folder: Folder) -> Callable[..., Training]:
    def make(
        name: str = "run", optimizer: OptimizerConfig | None = None, seed: int = 0, **loop: object
    ) -> Training:
        return Training(
            run=RunFolder(folder / name),
            dataset=digits.folder,
            loop=LOOP.model_copy(update=loop),
            build=partial(build, optimizer or OptimizerConfig()),
            identity={"optimizer": {"lr": 2e-4}},
            seed=seed,
            export=export_generator,
        )

    return make
