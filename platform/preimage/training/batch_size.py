"""Batches that a training run can have."""

from preimage.config import Resources
from preimage.errors import DataError, PreimageError
from preimage.training.config import LoopConfig


def require_batch(count: int | None, batch: int) -> None:
    """Raise DataError if `count` images (None: unknown) do not fill one batch."""
    if count is not None and count < batch:
        raise DataError(
            f"{count} images do not fill a batch of {batch}: set training.batch_size to at most {count}"
        )


def check_batch(loop: LoopConfig, resources: Resources) -> None:
    """Raise PreimageError if a worker would have no image of a batch."""
    if loop.batch_size < resources.workers:
        raise PreimageError(
            f"{resources.workers} workers cannot share a batch of {loop.batch_size} images: each needs at "
            "least one. Lower resources.workers, or raise training.batch_size."
        )
