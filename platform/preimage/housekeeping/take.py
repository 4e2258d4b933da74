"""Take things away: claimed, marked, looked at again, and only then removed."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from preimage.errors import PreimageError
from preimage.housekeeping.needs import Needs
from preimage.storage import removal
from preimage.storage.claim_record import LEASE, RENEW
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.host_info import described


class InUse(PreimageError):
    """Something is being made or used at this moment."""


@dataclass(frozen=True)
class Item:
    """Something that can go."""

    kind: str
    """run, checkpoints, dataset, submission, ray or temporary."""
    folder: Folder
    claim: Folder | None
    """The folder under whose claim it is written; None if it has none."""
    first: tuple[str, ...]
    """The files without which it counts as nothing."""
    why_kept: Callable[[Needs], str]
    """Why it has to stay after all; empty if it need not."""
    why: str = ""
    """Why it can go."""
    files: tuple[str, ...] = ()
    """If only these files of the folder go."""
    bytes: int | None = None

    @property
    def address(self) -> str:
        return (self.folder / self.files[0]).uri if len(self.files) == 1 else self.folder.uri


def take(items: Sequence[Item], needs: Callable[[], Needs]) -> list[tuple[Item, str]]:
    """Remove things, in their order, all or those that nothing needs after all.

    needs: looks at the root again. Returns what stayed, and why. Raises InUse, before anything is removed, if
    one of them is being made.
    """
    with ExitStack() as held:
        claims = {each.claim.uri: each.claim for each in items if each.claim}
        for folder in claims.values():
            held.enter_context(_claimed(folder))
        for each in items:
            if not each.files:
                removal.mark(each.folder)
        now = needs()
        kept = [(each, why) for each in items if (why := each.why_kept(now))]
        stay = {id(each) for each, _ in kept}
        for each in items:
            if id(each) in stay:
                if not each.files:
                    removal.unmark(each.folder)
            else:
                _remove(each)
        return kept


def _remove(item: Item) -> None:
    if item.files:
        for name in item.files:
            item.folder.remove(name)
        return
    removal.clear(item.folder, item.first)
    item.folder.vacate()


@contextmanager
def _claimed(folder: Folder) -> Iterator[None]:
    """Claim a folder. Raises InUse if another process has it; an object store's holder may take a minute to
    show that it lives."""
    if (holder := folder.holder()) is not None:
        raise InUse(_in_use(folder, holder))
    end = time.monotonic() + (0 if folder.is_local else LEASE + RENEW)
    attempts = 0

    def check() -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 1 and time.monotonic() > end:
            raise InUse(_in_use(folder, folder.holder() or {}))

    with claimed(folder, check):
        yield


def _in_use(folder: Folder, holder: dict[str, object]) -> str:
    return f"{folder.name} is being made by {described(holder)}: stop that first, or wait for its end"
