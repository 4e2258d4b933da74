"""Networks from code that a user names. A generator folder may say which code builds its network; that code
runs only where the user's own command or spec names it too."""

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from torch import nn

from preimage.errors import GeneratorError

CODE = "PREIMAGE_CODE"
"""The variable that holds the named modules, between commas, for this process and those that it starts."""


def named_code() -> tuple[str, ...]:
    """The modules whose code may run."""
    return tuple(filter(None, os.environ.get(CODE, "").split(",")))


@contextmanager
def naming(modules: Sequence[str]) -> Iterator[None]:
    """Name these modules, besides those named already, in this block."""
    before = os.environ.get(CODE)
    os.environ[CODE] = ",".join(dict.fromkeys((*named_code(), *modules)))
    try:
        yield
    finally:
        os.environ.pop(CODE)
        os.environ.update({} if before is None else {CODE: before})


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


def build_from_code(target: str, settings: Mapping[str, Any]) -> nn.Module:
    """The network that a class or function makes of these settings, or that is there already.

    Raises GeneratorError if there is no such object, or it does not make a network.
    """
    found = _object(target)
    if isinstance(found, nn.Module):
        if settings:
            raise GeneratorError(f"{target} is a network already: it takes no settings")
        return found
    if not callable(found):
        raise GeneratorError(f"{target} is neither a class nor a function nor a network")
    try:
        made = found(**settings)
    except Exception as error:  # the code is the user's and may raise anything
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        raise GeneratorError(
            f"{target}({given}) failed: {type(error).__name__}: {error}. Its arguments are given with --set"
        ) from error
    if not isinstance(made, nn.Module):
        raise GeneratorError(f"{target} made a {type(made).__name__}, not a torch.nn.Module")
    return made


def _object(target: str) -> Any:
    module, name = module_of(target), target.partition(":")[2]
    if os.getcwd() not in sys.path:  # as with `python -m`: a command's own folder is another one
        sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise GeneratorError(
            f"{module} cannot be imported ({type(error).__name__}: {error}): run the command in the folder "
            "that holds it, put that folder on PYTHONPATH, or install it"
        ) from error
    if not hasattr(found, name):
        close = get_close_matches(name, dir(found), 3)
        raise GeneratorError(f"{module} has no {name}" + (f"; it has {', '.join(close)}" if close else ""))
    return getattr(found, name)
