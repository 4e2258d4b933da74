"""The rows of a run of benchmarks: as a table, and as JSON that is written after each."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.table import Table

from preimage.hardware import machine

from .measure import Failed, Row, Skipped

PACKAGES = ("torch", "pyarrow", "ray")
NARROWED = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS")
"""Variables that change what a library computes with."""


class Results:
    """A JSON file of rows by name. Each says by itself where and when it was measured, so that a run that is
    interrupted leaves whole ones, and a run of some leaves those of the others."""

    def __init__(self, path: Path, quick: bool = False) -> None:
        self.path, self.quick = path, quick
        self.rows: list[Row] = []
        self._json: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, *rows: Row) -> None:
        """Take rows, and write all there are."""
        self.rows += rows
        quick = {"quick": True} if self.quick else {}
        self._json |= {row.name: _as_json(row) | quick for row in rows}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        unfinished.write_text(json.dumps(self._json, indent=2) + "\n")
        unfinished.replace(self.path)

    def table(self) -> Table:
        table = Table("measurement", "value", "unit", "aim", "quartiles", "clock", "meets aim")
        table.columns[0].no_wrap = True
        for row in self.rows:
            table.add_row(row.name, *_cells(row))
        return table

    @property
    def failed(self) -> bool:
        """Whether a benchmark could not do what it measures."""
        return any(isinstance(row, Failed) for row in self.rows)


def where() -> str:
    """What rows are measured on and with, in words."""
    found = _place()
    return f"{found['machine']}, {found['instructions']}, {found['versions']}"


def _place() -> dict[str, str]:
    narrowed = [f"{name}={value}" for name in NARROWED if (value := os.environ.get(name))]
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    return {
        "machine": ", ".join([f"{os.cpu_count()} cores {machine()['cpu']}", *narrowed]),
        "instructions": machine()["instructions"],
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def _as_json(row: Row) -> dict[str, Any]:
    if isinstance(row, Skipped):
        return {"skipped": row.reason}
    place = {**_place(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    if isinstance(row, Failed):
        return {"failed": row.reason, **place}
    return {
        "value": row.value,
        "unit": row.unit,
        "quartiles": [row.low, row.high],
        "aim": row.aim,
        "at_most": row.at_most,
        "meets": row.meets,
        "clock": row.clock,
        "note": row.note,
        **place,
    }


def _cells(row: Row) -> list[str]:
    if isinstance(row, Skipped):
        return ["skipped"]
    if isinstance(row, Failed):
        return ["[red]failed[/red]"]
    meets = {None: "", True: "yes", False: "[red]no[/red]"}[row.meets]
    aim = "" if row.aim is None else f"{'at most ' if row.at_most else ''}{row.aim:g}"
    return [f"{row.value:.4g}", row.unit, aim, f"{row.low:.4g} - {row.high:.4g}", row.clock or "", meets]
