"""A stranger's network as a generator like any other: its codes, class labels and images in our form."""

from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.models.class_labels import encoded
from preimage.models.config import CodeConfig, ImportedConfig
from preimage.models.from_code import build_from_code


class ImportedGenerator(nn.Module):
    """Codes (N, d) to images (N, C, H, W), which are in [-1, 1] as far as the network keeps to its range.

    With `classes`, a class label comes with every code: labels (N,) int64 in [0, classes).
    """

    def __init__(self, config: ImportedConfig, network: nn.Module) -> None:
        super().__init__()
        self.config, self.network, self.classes = config, network, config.classes
        low, high = config.image_range
        self.scale, self.shift = 2 / (high - low), -(high + low) / (high - low)

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        images = self.network(*self.inputs(codes, labels)).reshape(codes.shape[0], *self.config.shape)
        return images if (self.scale, self.shift) == (1, 0) else images * self.scale + self.shift

    def inputs(self, codes: Tensor, labels: Tensor | None = None) -> tuple[Tensor, ...]:
        """What the network is given for codes (N, d) and labels (N,)."""
        shaped = codes.reshape(codes.shape[0], *(self.config.code_shape or (self.config.latent_dim,)))
        if not self.classes:
            return (shaped,)
        return shaped, encoded(labels, self.classes, self.config.class_input, codes.dtype)


class CodeNetwork(nn.Module):
    """A user's network, called as its import says: codes, and class labels if it takes any, to its output."""

    def __init__(self, network: nn.Module, code: CodeConfig) -> None:
        super().__init__()
        self.network, self.code = network, code

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Any:
        call = attribute(self.network, self.code.call) if self.code.call else self.network
        inputs = {name: _input(value, codes) for name, value in self.code.fixed.items()}
        if labels is not None and self.code.labels:
            inputs[self.code.labels] = labels
        return taken(call(codes, **inputs), self.code.output)


def code_network(code: CodeConfig) -> CodeNetwork:
    """The network of a generator whose card names its code. Raises GeneratorError."""
    return CodeNetwork(build_from_code(code.target, code.settings), code)


def attribute(network: nn.Module, path: str) -> Any:
    """A method or a part of a network, by its dotted name. Raises GeneratorError if there is none."""
    found: Any = network
    for name in path.split("."):
        if name.startswith("_") or not hasattr(found, name):
            parts = ", ".join(each for each, _ in network.named_children()) or "no parts"
            raise GeneratorError(f"the network has no {path}; its parts are {parts}")
        found = getattr(found, name)
    return found


def taken(made: Any, output: int | str | None) -> Any:
    """One of a network's outputs: by its place in a tuple, or by its name."""
    if output is None:
        return made
    key: Any = output
    try:
        return made[key] if isinstance(made, tuple | list | dict) else getattr(made, str(key))
    except (LookupError, TypeError, AttributeError) as error:
        raise GeneratorError(f"the network's output, a {type(made).__name__}, has no {output!r}") from error


def _input(value: Any, codes: Tensor) -> Any:
    """A fixed input: an integer is a label for each code, a list a vector for each code."""
    if isinstance(value, bool) or not isinstance(value, int | list):
        return value
    if isinstance(value, int):
        return torch.full((codes.size(0),), value, dtype=torch.int64, device=codes.device)
    return torch.tensor(value, dtype=codes.dtype, device=codes.device).expand(codes.size(0), -1)
