"""Small image files for the tests of preimage.data."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Tree = dict[str, bytes]


def png(seed: int, size: tuple[int, int] = (12, 10)) -> bytes:
    """A random colour PNG, (width, height)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def make_png() -> Callable[..., bytes]:
    return png


@pytest.fixture
def two_classes() -> Tree:
    """Six images of two classes, and the litter that a Mac leaves."""
    names = [f"{animal}/{index}.png" for animal in ("dog", "cat") for index in range(3)]
    tree = {name: png(seed) for seed, name in enumerate(names)}
    return tree | {
        "__MACOSX/cat/._0.png": b"junk",
        "cat/._1.png": b"junk",
        ".hidden/3.png": b"junk",
        "notes.txt": b"text",
    }


@pytest.fixture
def as_folder(tmp_path: Path) -> Callable[[Tree], Path]:
    def write(tree: Tree) -> Path:
        root = tmp_path / "images"
        for name, data in tree.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        return root

    return write


@pytest.fixture
def as_zip(tmp_path: Path) -> Callable[[Tree], Path]:
    def write(tree: Tree) -> Path:
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in tree.items():
                archive.writestr(name, data)
        return path

    return write


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing was downloaded yet."""
    monkeypatch.setenv("PREIMAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("preimage.data.sources.idx.DEBIAN_FASHION", tmp_path / "no-debian-package")
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
