"""Datasets from folders of images, prepared in this process."""

from pathlib import Path

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.preparing.prepare import prepare
from preimage.storage.folder import Folder


def folder_config(path: Path, **settings) -> DataConfig:
    return DataConfig(source="folder", path=str(path), size=8, **settings)


def local(config: DataConfig, datasets: Folder, **options) -> Dataset:
    return prepare(config, datasets, backend="local", **options)
