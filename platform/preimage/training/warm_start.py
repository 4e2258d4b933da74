"""Continue training from an earlier, finished run."""

from typing import Any

from preimage.errors import CheckpointError
from preimage.models.cards import read_card
from preimage.runs.checkpoints import committed
from preimage.storage.folder import Folder


def result_of(folder: Folder) -> dict[str, Any]:
    """The algorithm's state in the checkpoint that became a run's generator: the best, or the last.

    folder: the run's checkpoints. Raises CheckpointError if that one is missing or damaged.
    """
    seen = read_card(folder.parent / "generator").training["images_seen"]
    for checkpoint in committed(folder):
        if checkpoint.images == seen:
            return checkpoint.shared()["algorithm"]
    raise CheckpointError(
        f"{folder.uri} no longer holds the checkpoint of {seen:,} images that became the generator: "
        "run that training again (preimage run --fresh)"
    )
