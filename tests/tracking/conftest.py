"""MLflow over a real SQLite store, which the tests of this folder share: making its tables takes seconds."""

from uuid import uuid4

import pytest

from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig
from preimage.tracking.open import open_tracker


@pytest.fixture(scope="session")
def tracker(tmp_path_factory):
    root = Folder.at(tmp_path_factory.mktemp("results"))
    return open_tracker(TrackingConfig(uri="local"), root)


@pytest.fixture
def run_id(tracker):
    return tracker.begin(uuid4().hex, "train", {"preimage.job": "train-gan"}, None)
