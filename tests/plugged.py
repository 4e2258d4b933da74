"""Plugins for tests: small distributions on the path, as pip would install them."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from preimage import plugins

Entries = Mapping[str, Mapping[str, str]]
"""By kind, such as `solvers`: where things are, as `module:object`, by name."""


class Plug(Protocol):
    """Install a distribution for one test."""

    def __call__(
        self, entries: Entries, code: str = "", name: str = "preimage-extra", version: str = "1.2"
    ) -> Path:
        """code: its one module, called as the distribution with `_` for `-`. Returns the folder where it
        is."""
        ...


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    before = set(sys.modules)
    modules: set[str] = set()

    def install(entries: Entries, code: str = "", name: str = "preimage-extra", version: str = "1.2") -> Path:
        place = tmp_path / "plugins" / name
        about = place / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [
            line
            for kind, things in entries.items()
            for line in (f"[preimage.{kind}]", *(f"{key} = {value}" for key, value in things.items()))
        ]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        modules.add(name.replace("-", "_"))
        (place / f"{name.replace('-', '_')}.py").write_text(code)
        monkeypatch.syspath_prepend(str(place))
        plugins.forget()
        return place

    yield install
    monkeypatch.undo()
    for each in modules - before:
        sys.modules.pop(each, None)
    plugins.forget()
