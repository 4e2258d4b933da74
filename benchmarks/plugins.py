"""What ten installed plugins cost a command that needs none of them."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .measure import Measurement, measured, processor_seconds

PLUGINS = 10
NOTE = f"with {PLUGINS} plugins, of 5 things each, over without"
COMMANDS = {
    "import.preimage.ten_plugins": ["-c", "import preimage"],
    "cli.help.ten_plugins": ["-m", "preimage", "--help"],
    "cli.plan.ten_plugins": ["-m", "preimage", "plan", "jobs/demo.yaml"],
}


def ten_plugins(quick: bool) -> list[Measurement]:
    """Whole processes, in turn with and without. A plugin's module is slow to import: what imported one would
    show it."""
    with tempfile.TemporaryDirectory() as place:
        for number in range(PLUGINS):
            _install(Path(place), number)
        return [_ratio(name, words, place, 3 if quick else 15) for name, words in COMMANDS.items()]


def _ratio(name: str, words: Sequence[str], place: str, pairs: int) -> Measurement:
    processor_seconds(words)  # reads files that the others find in memory
    found = [processor_seconds(words, PYTHONPATH=place) / processor_seconds(words) for _ in range(pairs)]
    return replace(measured(name, found, "x", 1.05, NOTE), at_most=True, clock="processor")


def _install(place: Path, number: int) -> None:
    """A distribution as pip leaves it, which brings a thing of each kind."""
    name = f"plugin-{number}"
    (place / f"plugin_{number}.py").write_text("sum(range(30_000_000))\n")
    metadata = place / f"plugin_{number}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    kinds = ("jobs", "sources", "solvers", "losses", "priors")
    lines = [f"[preimage.{kind}]\nthing-{number} = plugin_{number}:thing" for kind in kinds]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
