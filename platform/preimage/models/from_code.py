"""Networks from a user's own code."""

import importlib
import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from torch import nn

from preimage.errors import GeneratorError
from preimage.named_code import look_here, module_of


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
    look_here()
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
    made = getattr(found, name)
    home = getattr(made, "__module__", None) or module
    if (inspect.isclass(made) or inspect.isroutine(made)) and home.split(".")[0] != module.split(".")[0]:
        raise GeneratorError(  # whoever names their own module does not name what it imports
            f"{module} only imports {name} from {home}: if you trust that, write {home}:{name}"
        )
    return made
