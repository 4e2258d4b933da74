"""What a file of anybody's raises while it is read, as one message."""

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
