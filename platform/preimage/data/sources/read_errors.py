"""What a filesystem or a file of anybody's raises while it is read, as one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import ArrowException

from preimage.errors import DataError, StorageError


@contextmanager
def reaching(where: str) -> Iterator[None]:
    """Turn what a filesystem raises into a DataError that names an address."""
    try:
        yield
    except StorageError as error:
        raise DataError(str(error)) from error
    except (OSError, ValueError) as error:
        raise unreachable(where, error) from error


def unreachable(where: str, error: Exception) -> DataError:
    return DataError(
        f"cannot read {where}: {error}. Check the address, its region and endpoint, and the credentials (for "
        "s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what filesystems and Arrow raise into a DataError that names a file."""
    try:
        yield
    except (OSError, ValueError, ArrowException, LookupError, OverflowError, MemoryError) as error:
        text = " ".join(str(error).split())[:300]
        raise DataError(f"{where} cannot be read ({text}); copy or download it again") from error
