"""What files of anybody's raise where they are read, as one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import ArrowException

from preimage.errors import DataError


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what filesystems and Arrow raise into a DataError that names a file."""
    try:
        yield
    except (OSError, ValueError, ArrowException, LookupError, OverflowError, MemoryError) as error:
        text = " ".join(str(error).split())[:300]
        raise DataError(f"{where} cannot be read ({text}); copy or download it again") from error


@contextmanager
def reaching(where: str) -> Iterator[None]:
    """The same where a filesystem is asked for the first time."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot reach {where}: {error}. Check the address, its region and endpoint, and the credentials "
            "(for s3:// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        ) from error
