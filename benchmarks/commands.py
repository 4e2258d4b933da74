"""What a command costs before it computes anything: a plan, a finished run again, a tiny local job."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from .measure import Measurement, measured, processor_seconds

TORCH = ["-c", "import torch"]
PIPELINE = """
steps:
  train:
    job: init-generator
    data: {source: digits, size: 16, channels: 1, max_images: 64}
    model: {latent_dim: 4, base_channels: 4}
    resources: {backend: local}
  invert:
    job: invert
    generator: train
    inversion: {solver: adam, lr: 0.05, steps: 5, whiten: false, init_codes: prior}
    rank_sample: 0
    resources: {backend: local}
  pag: {job: pag, store: invert, resources: {backend: local}}
"""


def plan(quick: bool) -> Measurement:
    return _over_torch("cli.plan", ["plan", "jobs/demo.yaml"], quick, 0.6)


def rerun_finished(quick: bool) -> Measurement:
    """Recorded in MLflow, in SQLite, as by default."""
    with tempfile.TemporaryDirectory() as place:
        again = _prepared(Path(place), "local")
        return _over_torch("cli.rerun_finished", again, quick, 0.8)


def tiny_job(quick: bool) -> list[Measurement]:
    """The last step alone, again and again: 64 codes of 4 components."""
    found = []
    for uri in ("none", "local"):
        with tempfile.TemporaryDirectory() as place:
            pag = [*_prepared(Path(place), uri), "--fresh"]
            run = Path(place) / "pag.yaml"
            store = next((Path(place) / "results" / "runs").glob("invert-*/store"))
            run.write_text(f"job: pag\nstore: {store}\nresources: {{backend: local}}\n")
            pag[1] = str(run)
            name = "cli.tiny_job" if uri == "none" else "cli.tiny_job.recorded"
            found.append(_over_torch(name, pag, quick, 1.5))
    return found


def _prepared(place: Path, uri: str) -> list[str]:
    """A finished pipeline, and the words that ran it."""
    spec = place / "spec.yaml"
    spec.write_text(PIPELINE)
    words = ["run", str(spec), "--results", str(place / "results"), f"tracking.uri={uri}"]
    subprocess.run([sys.executable, "-m", "preimage", *words], check=True, stdout=subprocess.DEVNULL)
    return words


def _over_torch(name: str, words: list[str], quick: bool, aim: float) -> Measurement:
    """Processor seconds of a whole command over those of a process that only imports torch, in turn."""
    command, pairs = ["-m", "preimage", *words], []
    processor_seconds(command)  # reads files that the others find in memory
    processor_seconds(TORCH)
    for _ in range(3 if quick else 9):
        pairs.append((processor_seconds(command), processor_seconds(TORCH)))
    ours, torch = (measured(name, each, "s").value for each in zip(*pairs, strict=True))
    found = measured(name, [one / other for one, other in pairs], "x", aim, f"{ours:.2f} s over {torch:.2f}")
    return replace(found, at_most=True, clock="processor")
