"""Remove a folder of results so that a kill at any instant leaves nothing that looks whole.

First a mark, durably; then the files that say that the folder is something; then the rest; then the mark.
Who makes the folder anew, under its claim, finishes what was begun (`clear`). Who relies on a folder writes
down that it does, and then looks for the mark (`require_kept`); who removes one marks it, and then looks who
relies on it. So one of the two sees the other.
"""

from collections.abc import Sequence

from preimage.errors import StorageError
from preimage.storage.folder import Folder
from preimage.storage.host_info import host, now, user

MARK = "removing.json"


def mark(folder: Folder) -> None:
    """Say that the folder is being removed."""
    folder.write_json(MARK, {"by": user(), "host": host(), "time": now()})


def unmark(folder: Folder) -> None:
    """Nothing was removed, and nothing will be."""
    folder.remove(MARK)


def is_marked(folder: Folder) -> bool:
    return folder.exists(MARK)


def clear(folder: Folder, first: Sequence[str] = ()) -> None:
    """Remove all that a marked folder holds, and the mark last.

    first: files, by their paths in it, without which it counts as nothing. Its claim stays.
    """
    for name in first:
        folder.remove(name)
    folder.settle()  # before the rest: a power cut must not bring them back alone
    for each in folder.entries():
        if each.name != MARK:
            folder.remove(each.name) if each.is_file else (folder / each.name).delete()
    folder.remove(MARK)


def require_kept(folder: Folder, what: str) -> None:
    """Raise StorageError if a folder, or the one around it, is being removed."""
    for each in (folder, folder.parent):
        if is_marked(each):
            raise StorageError(
                f"{what} is in {each.uri}, which `preimage runs` removes, or began to: finish that with "
                "`preimage runs prune`, then run the same command again"
            )
