"""The searches of a `recover` job, some at a time: each chunk is one trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import torch

from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.inversion import Engine, InversionConfig
from preimage.inversion.constraints import ConstraintName
from preimage.inversion.labels import classes_of
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.storage.folder import Folder
from preimage.work.trials import Results

CODES, UNSEEN = "codes", "unseen"
"""Two parts of the job; each variance of the noise is another (`noisy_part`)."""

SHOWN = 6
"""Codes whose reconstructions are shown."""

PartResults = dict[tuple[str, str], Results]
"""By part and technique."""


@dataclass(frozen=True)
class SearchChunk:
    """Some searches of one part with one technique."""

    part: str
    technique: ConstraintName
    rows: range
    """Which of the part's searches. Of unseen images all repeats of the first come first."""
    noise: float = 0.0


class SearchSettings(Protocol):
    """The keys of the job that its searches depend on."""

    @property
    def seed(self) -> int: ...
    @property
    def codes(self) -> int: ...
    @property
    def noisy_codes(self) -> int: ...
    @property
    def drawn(self) -> int: ...
    @property
    def unseen(self) -> int: ...
    @property
    def repeats(self) -> int: ...
    @property
    def chunk(self) -> int: ...
    @property
    def noises(self) -> tuple[float, ...]: ...
    @property
    def techniques(self) -> tuple[ConstraintName, ...]: ...
    @property
    def shown(self) -> tuple[int, ...]: ...
    @property
    def inversion(self) -> InversionConfig: ...


def noisy_part(noise: float) -> str:
    """The part in which images carry noise of this variance."""
    return f"noise{noise:g}"


def search_chunks(job: SearchSettings) -> dict[str, SearchChunk]:
    """Every search of the job once, by the name of its trial."""
    parts = [(CODES, job.codes, 0.0), (UNSEEN, job.unseen * job.repeats, 0.0)]
    parts += [(noisy_part(noise), job.noisy_codes, noise) for noise in job.noises]
    return {
        f"{part}-{technique}-{first:06d}": SearchChunk(
            part, technique, range(first, min(first + job.chunk, count)), noise
        )
        for (part, count, noise), technique in product(parts, job.techniques)
        for first in range(0, count, job.chunk)
    }


def join_chunks(chunks: Mapping[str, SearchChunk], results: Mapping[str, Results]) -> PartResults:
    """Each part's results with each technique, of all its searches in order."""
    parts: dict[tuple[str, str], list[Results]] = {}
    for name, chunk in chunks.items():
        parts.setdefault((chunk.part, chunk.technique), []).append(results[name])
    return {
        key: {name: torch.cat([each[name] for each in some if name in each]) for name in some[0]}
        for key, some in parts.items()
    }


@dataclass(frozen=True)
class CodeSearch:
    """Does the searches of a chunk. It travels to workers, so it holds addresses."""

    generator: Folder
    dataset: Folder
    job: SearchSettings

    def __call__(self, chunk: SearchChunk, device: torch.device) -> Results:
        """Of each search: `z` (n, d); `loss`, `passes` and `diverged` (n,). `setup` (1,): evaluations spent
        on setting up. Of the first searches also `kept_z` (codes shown, steps shown, d)."""
        network, prior = open_generator(self.generator, device)
        ids = torch.arange(chunk.rows.start, chunk.rows.stop)
        if chunk.part == UNSEEN:
            unseen = self._unseen()
            images = to_float(unseen.pixels)[ids // self.job.repeats].to(device)
            labels = unseen.labels.long()[ids // self.job.repeats] if classes_of(network) else None
        else:
            codes = draw_codes(prior, self.job.drawn, self.job.seed)[ids]
            labels = draw_labels(network, self.job.drawn, self.job.seed)
            labels = labels if labels is None else labels[ids]
            images = make_images(network, codes.to(device), labels)
        channels, height, width = images.shape[1:]
        seed = self.job.seed
        seen = make_measurement(MeasurementConfig(noise=chunk.noise), (channels, height, width), seed)
        engine = Engine(network, self._settings(chunk), prior, seen, seed, device)
        first = chunk.part == CODES and chunk.rows.start == 0
        found = engine.invert(images, ids=ids, labels=labels, keep=self.job.shown if first else ())
        results = {"z": found.z, "loss": found.loss, "passes": found.passes, "diverged": found.diverged}
        results["setup"] = torch.tensor([engine.passes])
        return results | ({"kept_z": found.kept_z[:SHOWN]} if first else {})

    def _settings(self, chunk: SearchChunk) -> InversionConfig:
        """Searches for an unseen image start anywhere: from one start they would only repeat each other."""
        start = "prior" if chunk.part == UNSEEN else self.job.inversion.init_codes
        return self.job.inversion.model_copy(update={"constraint": chunk.technique, "init_codes": start})

    def _unseen(self) -> Images:
        """The dataset's last images."""
        dataset = Dataset.open(self.dataset)
        return dataset.read(dataset.count - self.job.unseen, dataset.count)
