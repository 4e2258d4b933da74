"""A folder of images, where its datasets go, and shards so small that it makes several."""

from pathlib import Path

import pytest

from preimage.data.preparing import shard_plan
from preimage.storage.folder import Folder


@pytest.fixture
def datasets(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path / "datasets")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Four images a shard at most, so that a few images make several."""
    monkeypatch.setattr(shard_plan, "_FEWEST", 4)
    monkeypatch.setattr(shard_plan, "_SPREAD", 1000)


@pytest.fixture
def images(as_folder, make_png) -> Path:
    return as_folder({f"{'ab'[i % 2]}/{i:02}.png": make_png(i) for i in range(18)})
