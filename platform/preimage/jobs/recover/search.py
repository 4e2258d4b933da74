"""The searches of a `recover` job, some at a time: each chunk is one trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import torch
from torch import Tensor, nn

from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import ConstraintName
from preimage.inversion.engine import Engine
from preimage.inversion.jacobian import NoJacobianError
from preimage.inversion.labels import classes_of, labels_at
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.inversion.setup_cache import SetupCache
from preimage.inversion.unrecovered import unrecovered
from preimage.jobs.recover.metrics import REASONS, Way
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.models.cards import read_card
from preimage.storage.folder import Folder
from preimage.work.trials import Results

CODES, UNSEEN = "codes", "unseen"
"""Two parts of the job; each variance of the noise is another (`noisy_part`)."""

SHOWN = 6
"""Codes whose reconstructions are shown."""

PartResults = dict[tuple[str, Way], Results]
"""By part and way."""


@dataclass(frozen=True)
class SearchChunk:
    """Some searches of one part in one way."""

    part: str
    inversion: str
    technique: ConstraintName
    rows: range
    """Which of the part's searches. Of unseen images all repeats of the first come first."""
    noise: float = 0.0

    @property
    def way(self) -> Way:
        return Way(self.inversion, self.technique)


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
    def thresholds(self) -> tuple[float, ...]: ...
    @property
    def inversions(self) -> Mapping[str, InversionConfig]: ...


def noisy_part(noise: float) -> str:
    """The part in which images carry noise of this variance."""
    return f"noise{noise:g}"


def search_chunks(job: SearchSettings) -> dict[str, SearchChunk]:
    """Every search of the job once, by the name of its trial."""
    parts = [(CODES, job.codes, 0.0), (UNSEEN, job.unseen * job.repeats, 0.0)]
    parts += [(noisy_part(noise), job.noisy_codes, noise) for noise in job.noises]
    return {
        f"{part}_{inversion}_{technique}_{first:06d}": SearchChunk(
            part, inversion, technique, range(first, min(first + job.chunk, count)), noise
        )
        for (part, count, noise), inversion, technique in product(parts, job.inversions, job.techniques)
        for first in range(0, count, job.chunk)
    }


def join_chunks(chunks: Mapping[str, SearchChunk], results: Mapping[str, Results]) -> PartResults:
    """Each part's results in each way, of all its searches in order."""
    parts: dict[tuple[str, Way], list[Results]] = {}
    for name, chunk in chunks.items():
        parts.setdefault((chunk.part, chunk.way), []).append(results[name])
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
        """Of each search: `z` (n, d); `loss`, `passes` and `diverged` (n,). `setup` (1,): evaluations of the
        setup, which a part's chunks share: the first counts them. Of known codes also `reason` (n,): why one
        was not recovered, by its place in `REASONS`; of the first of them `kept_z` (codes shown, steps shown,
        d), where a step that a search did not come to shows how it ended."""
        network, prior = open_generator(self.generator, device)
        ids = torch.arange(chunk.rows.start, chunk.rows.stop)
        codes = None
        if chunk.part == UNSEEN:
            unseen = self._unseen()
            images = to_float(unseen.pixels)[ids // self.job.repeats].to(device)
            labels = unseen.labels.long()[ids // self.job.repeats] if classes_of(network) else None
        else:
            codes = draw_codes(prior, self.job.drawn, self.job.seed)[ids].to(device)
            labels = labels_at(draw_labels(network, self.job.drawn, self.job.seed), ids, device)
            images = make_images(network, codes, labels)
        channels, height, width = images.shape[1:]
        seed = self.job.seed
        seen = make_measurement(MeasurementConfig(noise=chunk.noise), (channels, height, width), seed)
        settings = self._settings(chunk)
        kept = SetupCache.beside(self.generator, read_card(self.generator))
        count = self._searches(chunk)
        engine = Engine(network, settings, prior, seen, seed, device, images=count, setups=kept)
        first = chunk.part == CODES and chunk.rows.start == 0
        keep = [each for each in self.job.shown if each < settings.steps] if first else []
        found = engine.invert(images, ids=ids, labels=labels, keep=keep)
        results = {"z": found.z, "loss": found.loss, "passes": found.passes, "diverged": found.diverged}
        results["setup"] = torch.tensor([0 if chunk.rows.start else engine.setup.passes])
        if chunk.part == CODES and codes is not None:
            ends = found.z.masked_fill(found.diverged[:, None], torch.nan).to(device)
            results["reason"] = self._reasons(network, codes, ends, labels)
        if first:
            later = found.z[:SHOWN, None].expand(-1, len(self.job.shown) - len(keep), -1)
            results["kept_z"] = torch.cat([found.kept_z[:SHOWN], later], 1)
        return results

    def _reasons(self, network: nn.Module, codes: Tensor, found: Tensor, labels: Tensor | None) -> Tensor:
        """(n,) int64: the place in `REASONS` of why a code was not recovered; 0 where it was."""
        reasons = torch.zeros(len(codes), dtype=torch.int64)
        try:
            for each in unrecovered(network, codes, found, self.job.thresholds[0], labels):
                reasons[each.row] = REASONS.index(each.reason)
        except NoJacobianError:
            reasons[:] = REASONS.index("unknown")
        return reasons

    def _searches(self, chunk: SearchChunk) -> int:
        """All of the chunk's part."""
        known = {CODES: self.job.codes, UNSEEN: self.job.unseen * self.job.repeats}
        return known.get(chunk.part, self.job.noisy_codes)

    def _settings(self, chunk: SearchChunk) -> InversionConfig:
        """Searches for an unseen image start anywhere: from one start they would only repeat each other."""
        inversion = self.job.inversions[chunk.inversion]
        start = "prior" if chunk.part == UNSEEN else inversion.init_codes
        return inversion.model_copy(update={"constraint": chunk.technique, "init_codes": start})

    def _unseen(self) -> Images:
        """The dataset's last images."""
        dataset = Dataset.open(self.dataset)
        return dataset.read(dataset.count - self.job.unseen, dataset.count)
