"""A small store and the parts to make it from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter

DIM = 3


@pytest.fixture
def about() -> About:
    return About(
        generator=GeneratorInfo(fingerprint="gen", path="runs/é/generator"),
        dataset=DatasetInfo(fingerprint="data", path="digits", count=100),
        solver={"name": "adam", "lr": 0.1, "steps": 500},
        latent_dim=DIM,
        prior="normal",
    )


def codes_of(ids: list[int], dim: int = DIM) -> Codes:
    """The codes of these images: a function of the id, so that they are the same whoever makes them."""
    image_id = torch.tensor(ids, dtype=torch.int64)
    grid = image_id[:, None] * dim + torch.arange(dim)
    return Codes(
        image_id=image_id,
        label=(image_id % 10).int(),
        z=torch.sin(grid.float()),
        loss=(image_id % 7).float() / 8,
        steps=(image_id % 5).int(),
        restart=(image_id % 2).int(),
        converged=image_id % 3 > 0,
    )


@pytest.fixture
def make_codes() -> Callable[..., Codes]:
    return codes_of


@pytest.fixture
def split() -> list[list[int]]:
    """Ten images in three parts."""
    return [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.fixture
def writer(tmp_path: Path, about: About) -> StoreWriter:
    return StoreWriter(tmp_path / "store", about, parts=3, count=10)


@pytest.fixture
def store(writer: StoreWriter, split: list[list[int]]) -> Store:
    for index, ids in enumerate(split):
        writer.write(index, codes_of(ids))
    return writer.finish()


@pytest.fixture
def diverged(tmp_path: Path, about: About, split: list[list[int]]) -> Store:
    """As `store`, but the search for images 3 and 8 diverged."""
    writer = StoreWriter(tmp_path / "diverged", about, parts=3, count=10)
    for index, ids in enumerate(split):
        codes = codes_of(ids)
        lost = (codes.image_id == 3) | (codes.image_id == 8)
        writer.write(index, replace(codes, loss=torch.where(lost, -torch.nan, codes.loss)))
    return writer.finish()
