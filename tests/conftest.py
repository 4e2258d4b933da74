"""What many tests share: a few prepared digits, and a tiny generator."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from hypothesis import settings

import budget
from plugged import plug  # noqa: F401
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.preparing.prepare import prepare
from preimage.models.dcgan import Generator, build_pair
from preimage.storage.folder import Folder
from tiny import MODEL

# Ray ends a process without a word where it thinks that its cluster is gone: here one test's cluster goes
# while the next one's comes. What it thought stays in its session's logs, which .ci/run shows.
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "1800")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
settings.register_profile("shared", deadline=None)  # a machine that others use too is slow now and then
settings.load_profile("shared")
torch.set_num_threads(1)  # of tiny networks; more would wait for each other, and for other processes


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """200 digits of 16 pixels."""
    config = DataConfig(source="digits", size=16, channels=1, max_images=200)
    return prepare(config, Folder.at(tmp_path_factory.mktemp("datasets")), backend="local")


@pytest.fixture(scope="session")
def tiny_generator() -> Generator:
    """A generator whose BatchNorms have seen data, so that eval mode is not the identity."""
    generator, _ = build_pair(MODEL, seed=1)
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for _ in range(20):
            generator(torch.randn(64, 4, generator=random))
    return generator.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from s3 import serving

    with serving() as url:
        yield url


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty bucket of a real S3 server, which this process and those it starts find by `s3.uri`."""
    from s3 import CREDENTIALS, make_bucket

    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{uuid4().hex}"
    make_bucket(bucket)
    return Folder.at(f"s3://{bucket}")


@pytest.fixture
def ray() -> None:
    """Ray on this machine, started by the first test that needs it and left to the next ones."""
    from preimage.cluster.connect import connect

    assert "RAY_ADDRESS" not in os.environ, "a cluster of another test is still there"
    connect()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the longest tests out of a small budget."""
    long = [] if budget.WHOLE else [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)
