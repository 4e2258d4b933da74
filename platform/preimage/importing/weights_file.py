"""Read the weights that others saved, and fit them to a network. Nothing is unpickled."""

import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from preimage.errors import GeneratorError

DEPTH = 4
"""How deep a state dict may be nested in what a training script saved."""
NAMED = 5
"""Keys shown of each kind."""
UNUSED = "num_batches_tracked"
"""A BatchNorm's count of training batches, which old files lack and eval mode does not read."""
StateDicts = dict[str, dict[str, Tensor]]


def read_weights(path: Path) -> StateDicts:
    """Every state dict in a file, by the key it is nested under; "" for the file itself.

    Raises GeneratorError for a file that is missing, that would have to be unpickled, or that holds none.
    """
    if not path.is_file():
        raise GeneratorError(f"there is no file of weights {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch warns of, the message below says
            whole: Any = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
    except Exception as error:  # torch passes on what pickle, zipfile and others raise
        raise GeneratorError(_unreadable(path, error)) from error
    found = dict(_state_dicts(whole, ""))
    if not found:
        raise GeneratorError(f"{path} holds no named tensors, but {_described(whole)}")
    return found


def load_into(network: nn.Module, found: StateDicts, key: str | None, file: str) -> list[str]:
    """Load the state dict that fits a network, and say what was chosen or left out.

    key: the state dict to load; by default the one that fits. Raises GeneratorError, naming missing and
    unexpected tensors and the nearest names, if none fits or several do.
    """
    if key is not None and key not in found:
        raise GeneratorError(f"{file} has no state dict under {key!r}, but under {_listed(found)}")
    chosen = {key: found[key]} if key is not None else found
    fits = {name: each for name, each in chosen.items() if _fitting(network, each) is not None}
    if len(fits) > 1:
        raise GeneratorError(
            f"{file} holds several state dicts that fit, under {_listed(fits)}: choose with --weights-key"
        )
    if not fits:
        name, nearest = max(chosen.items(), key=lambda item: _overlap(network, item[1]))
        raise GeneratorError(f"{file}{_under(name)} does not fit the network: {_misfit(network, nearest)}")
    ((name, tensors),) = fits.items()
    prefix = _fitting(network, tensors) or ""
    plain = _below(tensors, prefix)
    own = network.state_dict()
    if odd := [key for key, each in plain.items() if _odd(each) and not _odd(own[key])]:
        raise GeneratorError(
            f"{file}{_under(name)} holds {odd[0]} as a tensor that is not plain: save its values densely"
        )
    network.load_state_dict(plain, strict=False)
    notes = [f"the state dict under {name!r} was loaded"] if name else []
    notes += [f"the prefix {prefix!r} of its names was removed"] if prefix else []
    if skipped := len(tensors) - len(plain):
        notes.append(f"{skipped} tensors outside {prefix!r} were left out")
    return notes


def _unreadable(path: Path, error: Exception) -> str:
    """What is wrong with a file of weights, and what to do."""
    if "TorchScript" in str(error):
        return (
            f"{path} is a TorchScript file, which runs code: import the network's class with its state dict, "
            "or a program that torch.export.save wrote"
        )
    if type(error).__name__ == "UnpicklingError" and "weights_only" in str(error):
        return (
            f"{path} holds Python objects that would have to be unpickled ({_reason(error)}), which could "
            "run any code. Where it was written, save its tensors alone: "
            "safetensors.torch.save_file(network.state_dict(), 'weights.safetensors')"
        )
    return f"{path} is not a readable file of weights: {_reason(error)}"


def _state_dicts(value: Any, place: str, depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    if not isinstance(value, Mapping) or depth > DEPTH:
        return
    tensors = {str(name): each for name, each in value.items() if isinstance(each, Tensor)}
    if tensors:
        yield place, tensors
        return
    for name, each in value.items():
        yield from _state_dicts(each, f"{place}.{name}" if place else str(name), depth + 1)


def _fitting(network: nn.Module, tensors: Mapping[str, Tensor]) -> str | None:
    """The prefix below which tensors fit a network exactly; None if there is none."""
    own = network.state_dict()
    needed = [name for name in own if not name.endswith(UNUSED)]
    first = needed[0] if needed else ""
    prefixes = {"", *(name.removesuffix(first) for name in tensors if name.endswith(f".{first}"))}
    for prefix in sorted(prefixes, key=len):
        plain = _below(tensors, prefix)
        same = all(name in plain and plain[name].shape == own[name].shape for name in needed)
        if same and plain.keys() <= own.keys():
            return prefix
    return None


def _odd(tensor: Tensor) -> bool:
    """Whether a tensor is no dense array of real values."""
    return tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_complex()


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


def _overlap(network: nn.Module, tensors: Mapping[str, Tensor]) -> int:
    return len(network.state_dict().keys() & tensors.keys())


def _misfit(network: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    own = {name: each for name, each in network.state_dict().items() if not name.endswith(UNUSED)}
    given = {name: each for name, each in tensors.items() if not name.endswith(UNUSED)}
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    other = [name for name in own if name in given and own[name].shape != given[name].shape]
    parts = []
    if missing:
        near = [_near(name, unexpected) for name in missing[:NAMED]]
        parts.append(f"it lacks {', '.join(near)}{_more(missing)}")
    if unexpected:
        parts.append(f"it has {', '.join(unexpected[:NAMED])}{_more(unexpected)}, which the network lacks")
    if other:
        shapes = [
            f"{name} {tuple(given[name].shape)}, not {tuple(own[name].shape)}" for name in other[:NAMED]
        ]
        parts.append(f"it has {', '.join(shapes)}{_more(other)}")
    return "; ".join(parts) + ". Other settings of the network are given with --set"


def _near(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, 1, 0.4)
    return f"{name} (the nearest is {close[0]})" if close else name


def _more(names: list[str]) -> str:
    return f" and {len(names) - NAMED} more" if len(names) > NAMED else ""


def _under(name: str) -> str:
    return f", under {name!r}," if name else ""


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names)


def _described(value: Any) -> str:
    keys = f" with the keys {', '.join(map(str, list(value)[:NAMED]))}" if isinstance(value, Mapping) else ""
    return f"a {type(value).__name__}{keys}"


def _reason(error: Exception) -> str:
    """What torch says of a file, without its advice to unpickle it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "Unsupported" in line or "GLOBAL" in line]
    said = (named or lines or [type(error).__name__])[0]
    return said.partition(" Please use")[0].partition(" was not an allowed")[0][:200]
