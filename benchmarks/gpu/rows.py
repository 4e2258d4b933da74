"""The rows of the table, each measured in its own try, within its share of the time, and written at once."""

import gc
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

LEAST = 2.0
"""Seconds that must be left for another row to begin."""


class Unmeasured(Exception):
    """Why this machine cannot measure a row."""


@dataclass(frozen=True)
class Measured:
    """What a row found."""

    value: float
    unit: str
    low: float | None = None
    """The first quartile of the repetitions."""
    high: float | None = None
    repetitions: int = 1
    note: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further figures by name, for the JSON only."""


@dataclass(frozen=True)
class Row:
    """Something to measure."""

    name: str
    work: Callable[[float], Measured]
    """Called with the seconds that it may take, about."""
    seconds: float = 8.0


class Report:
    """The JSON file, and what has been found so far."""

    def __init__(self, path: Path, about: Mapping[str, Any], device: torch.device, budget: float) -> None:
        self.path, self.about, self.device = path, dict(about), device
        self.begin, self.budget = time.monotonic(), budget
        self.rows: dict[str, dict[str, Any]] = {}

    @property
    def left(self) -> float:
        return self.budget - (time.monotonic() - self.begin)

    @property
    def title(self) -> str:
        """What was measured on, and when."""
        about, card = self.about, self.about.get("card", {})
        where = card.get("name", f"{self.device.type}: {about['processor']['cpu']}")
        return f"{where}, torch {about['torch']}, Python {about['python']}, {about['date']}"

    def measure(self, row: Row) -> dict[str, Any]:
        """Measure a row, or say why not; the file has it when this returns."""
        if self.left < LEAST:
            found = {"skipped": f"no time left: {self.budget:.0f} s were given (--budget)"}
        else:
            begin = time.monotonic()
            found = self._tried(row) | {"seconds": round(time.monotonic() - begin, 1)}
        self.rows[row.name] = found
        self.write()
        return found

    def _tried(self, row: Row) -> dict[str, Any]:
        try:
            self._fresh()
            found = asdict(row.work(min(row.seconds, self.left)))
            more = found.pop("more") | self._peak()
        except (Unmeasured, ModuleNotFoundError) as error:
            return {"skipped": str(error)}
        except Exception as error:  # whatever fails here, the next row may work
            return {"failed": f"{type(error).__name__}: {error}", "where": traceback.format_exc()[-3000:]}
        return {name: value for name, value in found.items() if value not in (None, "")} | more

    def _fresh(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def _peak(self) -> dict[str, int]:
        if self.device.type != "cuda":
            return {}
        return {"peak_memory_mb": round(torch.cuda.max_memory_allocated(self.device) / 2**20)}

    def table(self) -> str:
        """All rows, in columns."""
        lines = [("measurement", "value", "unit", "quartiles", "")]
        for name, row in self.rows.items():
            if "value" not in row:
                why = next(f"{kind}: {row[kind]}" for kind in ("skipped", "failed") if kind in row)
                lines.append((name, "-", "", "", why.splitlines()[0][:100]))
                continue
            spread = f"{row['low']:.4g} - {row['high']:.4g}" if "low" in row else ""
            lines.append((name, f"{row['value']:.4g}", row["unit"], spread, row.get("note", "")))
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        return "\n".join("  ".join([*map(str.ljust, line, widths), line[4]]).rstrip() for line in lines)

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"about": self.about, "rows": self.rows}, indent=2) + "\n"
        new = self.path.with_name(self.path.name + ".new")
        new.write_text(text)
        new.replace(self.path)  # whenever this is killed, the file is whole
