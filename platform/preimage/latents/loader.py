"""A loader for training on a latent store: shuffled batches, the same on any number of workers."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError
from torch.utils.data import IterableDataset, get_worker_info

from preimage.batch_parts import part_of
from preimage.config import Config, PositiveInt, mistakes_in
from preimage.errors import StoreError
from preimage.latents.manifest import Manifest
from preimage.latents.parquet import WINDOW
from preimage.latents.schema import Codes, concatenate
from preimage.latents.windows import Group, Window, groups_of, read_windows, windows_of
from preimage.storage.folder import Folder

log = logging.getLogger(__name__)


class LoaderState(Config):
    """The next batch of a loader, and what determines its images."""

    model_config = ConfigDict(strict=True)

    epoch: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)]
    """Batches of this epoch that were taken."""
    store: str
    """The fingerprint of the store."""
    batch_size: PositiveInt
    shuffle: bool
    seed: int
    window: PositiveInt


class StoreLoader(IterableDataset[Codes]):
    """Batches of a store's codes on the CPU, an epoch for each `for` loop over it; `Store.loader` makes one.

    **Order.** Each epoch, row groups (up to 65,536 codes of a part) are shuffled, gathered into windows of at
    most `window` codes, or one row group, and the codes of a window are shuffled. Every code comes once. A
    store of one window has a uniform shuffle, which its division into parts does not change. In a larger
    one, a batch holds codes of its window's row groups alone, or of two windows' where they meet. The order
    follows from the store's fingerprint, seed, window and epoch; not from batch size, workers, threads or
    time.

    **Workers.** Each yields its part of every batch: rows `part_of(n, rank, world_size)` of n. The parts, by
    rank, are the batch of one worker. Each worker decodes the whole store. If the last batch has fewer codes
    than there are workers, some parts are empty; `drop_last` leaves it out.

    **Resuming.** After a loop that was left early, the next one yields the rest of the epoch. So does another
    loader that loads this one's `state_dict`, on any number of workers. It reads no window that lies before.

    **Checks.** Checksums of pages are verified when a loader first reads them.

    Memory: about two windows, window * latent_dim * 8 bytes for the codes, in a store of any size. The
    tensors of a batch are views of its window: clone what you keep.
    """

    def __init__(
        self,
        folder: Folder,
        manifest: Manifest,
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        window: int = WINDOW,
        rank: int = 0,
        world_size: int = 1,
        columns: Sequence[str] = ("image_id", "z"),
        drop_last: bool = False,
    ) -> None:
        """As `Store.loader`; columns: known ones, with image_id."""
        for name, value in {"batch_size": batch_size, "window": window, "world_size": world_size}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1 but got {value}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be between 0 and {world_size - 1} but got {rank}")
        self.rank, self.world_size, self.drop_last = rank, world_size, drop_last
        self.epoch, self.step = 0, 0
        self._folder, self._manifest, self._columns = folder, manifest, columns
        self._settings = {
            "store": manifest.fingerprint,
            "batch_size": batch_size,
            "shuffle": shuffle,
            "seed": seed,
            "window": window,
        }
        groups = groups_of(folder, manifest)
        self._groups = [group for group in groups if group.count]
        self._verified: set[Group] = set()
        self.count = sum(group.count for group in groups)
        """Codes in an epoch."""
        self.diverged = sum(group.diverged for group in groups)
        """Images of the store that are left out, because their search diverged."""
        if not len(self):
            raise StoreError(
                f"{folder.uri} has {self.count} codes to load, which do not fill a batch of {batch_size}"
            )
        if self.diverged:
            log.warning(
                "%s: %d of %d images are left out, because their search diverged",
                folder.uri,
                self.diverged,
                manifest.count,
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        size = self._settings["batch_size"]
        return self.count // size if self.drop_last else -(-self.count // size)

    def __iter__(self) -> Iterator[Codes]:
        """The rest of the epoch. Raises StoreError, naming the part, if one cannot be read."""
        if get_worker_info():
            raise StoreError(
                "a store's loader reads ahead by itself: give DataLoader num_workers=0, or iterate over the "
                "loader without it"
            )
        size, shuffle = self._settings["batch_size"], self._settings["shuffle"]
        seed = self._settings["seed"] if shuffle else None
        windows = windows_of(self._groups, self._settings["window"], seed, self.epoch)
        left = [window for window in windows if window.end > self.step * size]
        read = read_windows(self._folder, self._manifest, left, self._columns, self._verified)
        for batch in _cut(read, self._parts(self.step, size)):
            self.step += 1  # before the batch is used: a state saved after this step does not repeat it
            yield batch
        self.epoch, self.step = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is, and what determines its batches, for a checkpoint; JSON."""
        return LoaderState(epoch=self.epoch, step=self.step, **self._settings).model_dump()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue after the last batch that the loader of this state yielded, on any number of workers.

        Raises StoreError for another store, batch size, shuffle, seed or window.
        """
        try:
            found = LoaderState.model_validate(dict(state) if isinstance(state, Mapping) else state)
        except ValidationError as error:
            raise StoreError(f"this is no state of a store's loader: {mistakes_in(error)}") from error
        others = [
            f"{name} {theirs} and not {ours}"
            for name, ours in self._settings.items()
            if (theirs := getattr(found, name)) != ours
        ]
        if others:
            raise StoreError(f"this state is of another loader, with {', '.join(others)}; load its own")
        if found.step > len(self):
            raise StoreError(f"this state is at step {found.step}, but an epoch has {len(self)}")
        self.epoch, self.step = found.epoch, found.step

    def _parts(self, step: int, size: int) -> Iterator[tuple[int, int, int]]:
        """Of each batch from a step on: where it begins in the epoch, and where this worker's part of it
        begins and ends."""
        for start in range(step * size, len(self) * size, size):
            first, end = part_of(min(size, self.count - start), self.rank, self.world_size)
            yield start, start + first, start + end


def _cut(windows: Iterator[tuple[Window, Codes]], parts: Iterable[tuple[int, int, int]]) -> Iterator[Codes]:
    """The parts of batches, from the windows in which they lie."""
    held: deque[tuple[Window, Codes]] = deque()
    for start, first, end in parts:
        while held and held[0][0].end <= start:
            held.popleft()
        while not held or held[-1][0].end < end:
            held.append(next(windows))
        found = [codes[max(0, first - window.start) : max(0, end - window.start)] for window, codes in held]
        yield concatenate(found) if len(found) > 1 else found[0]
