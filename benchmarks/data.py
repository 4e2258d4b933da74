"""Preparing CIFAR-10: from JPEGs in a .zip to shards."""

import os
import tempfile
from pathlib import Path

from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.storage.folder import Folder

from .measure import Measurement, measured, seconds

ZIP = "PREIMAGE_CIFAR10"
"""The environment variable that names the .zip."""


def cifar10(quick: bool) -> Measurement | str:
    """Images a second in one process, to 64 pixels; or why it was not measured."""
    path = os.environ.get(ZIP)
    if not path or not Path(path).is_file():
        return f"no CIFAR-10: name a .zip of its images, one folder a class, by --cifar10 or {ZIP}"
    images = 2_000 if quick else 10_000
    config = DataConfig(source="cifar10", path=path, size=64, max_images=images)
    rates = [images / _seconds(config) for _ in range(3)]
    return measured("data.prepare", rates, "images/s", note="one process, 32 to 64 pixels")


def _seconds(config: DataConfig) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return seconds(lambda: prepare(config, Folder.at(folder), backend="local"))
