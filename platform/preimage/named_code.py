"""Which code may build networks. A generator folder may say which code builds its network; that code runs
only where the user's own command or spec names it too."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from preimage.errors import GeneratorError

CODE = "PREIMAGE_CODE"
"""The variable that holds the named modules, between commas, for this process and those that it starts."""


def named_code() -> tuple[str, ...]:
    """The modules whose code may run."""
    return tuple(filter(None, os.environ.get(CODE, "").split(",")))


def modules_of(code: Any) -> Any:
    """Modules as they were named: one as a text, or several."""
    return (code,) if isinstance(code, str) else code


@contextmanager
def naming(code: str | Sequence[str]) -> Iterator[None]:
    """Name these modules, besides those named already, in this block."""
    before = os.environ.get(CODE)
    os.environ[CODE] = ",".join(dict.fromkeys((*named_code(), *modules_of(code))))
    try:
        yield
    finally:
        os.environ.pop(CODE)
        os.environ.update({} if before is None else {CODE: before})


def look_here() -> None:
    """Let Python import modules of the working folder, as `python -m` does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def require_named(target: str, where: str) -> None:
    """Raise GeneratorError unless a target such as `mypkg.nets:Decoder` is in a named module or package."""
    module = module_of(target)
    if not any(module == each or module.startswith(f"{each}.") for each in named_code()):
        raise GeneratorError(
            f"the network in {where} is built by the code of {module}, which this command does not name: if "
            f"you trust it, add --code {module}, or `code: [{module}]` to the spec"
        )


def module_of(target: str) -> str:
    """The module of a target. Raises GeneratorError for one that is not MODULE:OBJECT."""
    module, colon, name = target.partition(":")
    if not (colon and module and name and all(each.isidentifier() for each in [*module.split("."), name])):
        raise GeneratorError(f"{target!r} names no Python object: write it as mypkg.nets:Decoder")
    return module
