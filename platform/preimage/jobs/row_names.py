"""The names that a user gives to the rows of a table."""

import re
from collections.abc import Iterable

from preimage.runs.metrics import plain_name

NAME = re.compile(r"[\w()+ -]+")


def require_plain(names: Iterable[str], what: str) -> None:
    """Raise ValueError for names that cannot be keys of a spec, or that MLflow could not tell apart.

    what: what the names are of, with an article, such as "a method".
    """
    names = list(names)
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{what}'s name is letters, digits, spaces and ( ) + - _, but one is {name!r}: "
                "write it without a dot or another sign"
            )
    plain = [plain_name(name) for name in names]
    if len(set(plain)) < len(plain):
        raise ValueError(f"names must differ by more than ( ) and +, but are {', '.join(names)}")
