"""A training small enough to repeat many times."""

from collections.abc import Callable
from functools import partial

import pytest

from preimage.data.dataset import Dataset
from preimage.runs import RunFolder
from preimage.storage import Folder
from preimage.training.config import OptimizerConfig
from preimage.training.gan import GanLearner
from preimage.training.learner import Setting
from preimage.training.loop import Training
from tiny import LOOP, MODEL


def build(optimizer: OptimizerConfig, setting: Setting) -> GanLearner:
    return GanLearner(setting, MODEL, optimizer)


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
        )

    return make
