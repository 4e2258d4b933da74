"""A network to import, and what its source says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from preimage.models.config import CodeConfig


@dataclass(frozen=True)
class Source:
    """A network to import."""

    network: nn.Module
    """A Program, or a user's own network."""
    name: str
    """In messages, and in the folder's name."""
    code: CodeConfig | None = None
    """The code that builds the network again, if a user named it."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from, for the card."""
    code_shape: tuple[int, ...] | None = None
    """The shape of a code, if the source says it."""
    ask: str = ""
    """What to say if the shape of a code is neither in the source nor in the settings."""
    batch: int | None = None
    """The number of codes that a program was exported for; None: any."""
    notes: tuple[str, ...] = ()
    """What was chosen or left out when it was read."""
