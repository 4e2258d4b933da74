"""The kinds of priors that are fitted to codes: how each is fitted, and rebuilt from its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from preimage.config import Config
from preimage.latents.priors import Dense
from preimage.own_settings import NoSettings, kind_check
from preimage.plugins import Registry

if TYPE_CHECKING:
    from torch import Tensor

CodeStream = Callable[[], Iterable["Tensor"]]
"""Starts a pass over the same codes, in batches (n, d)."""
Report = Callable[[int, int, Mapping[str, float]], None]
"""(codes seen so far, those that will be seen at most, metrics there): shows the progress of a fit, and
records the metrics as curves over the codes seen."""


def silent(seen: int, most: int, metrics: Mapping[str, float]) -> None:
    """A Report to nobody."""


class FittedPrior(Dense, Protocol):
    """A prior whose parameters were fitted; its name is that of its kind."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything needed to rebuild it."""
        ...


@dataclass(frozen=True)
class TrainingCodes:
    """The codes that a prior is fitted to, (n, d) float32 on the CPU: called, it starts a pass over them, in
    batches."""

    stream: CodeStream
    sample: Callable[[int], Tensor]
    latent_dim: int

    def __call__(self) -> Iterable[Tensor]:
        return self.stream()

    def some(self, count: int) -> Tensor:
        """At most so many of them (m, d), in an order as good as random, the same for every seed."""
        return self.sample(count)

    @cached_property
    def count(self) -> int:
        """Their number; the first time, this takes a pass."""
        return sum(len(z) for z in self.stream())


@dataclass(frozen=True)
class PriorKind:
    """A kind of fitted priors, as a spec names it."""

    rebuild: Callable[[dict[str, Tensor]], FittedPrior]
    """From its tensors. Raises an error for those of another kind."""
    fit: Callable[[TrainingCodes, Any, int, Report], FittedPrior] | None = None
    """(codes, settings, seed, report) to the prior; None if a job of its own fits it. Raises PreimageError
    for codes that it cannot be fitted to."""
    settings: type[Config] = NoSettings
    """Its own settings, of which `fit` gets an instance; without any, None."""
    passes: Callable[[Any], int] = lambda settings: 1
    """How often a fit with such settings sees all codes, at most: what it costs."""
    fitted_by: str = ""
    """The job that fits it, where `fit` is None."""


def _kind(name: str, found: Any) -> PriorKind:
    kind = kind_check(PriorKind)(name, found)
    if not (kind.fit or kind.fitted_by):
        raise ValueError("it needs `fit`, or `fitted_by`, the job that fits it")
    return kind


PRIOR_KINDS = Registry(
    "prior",
    "priors",
    {
        "diagonal": "preimage.latents.built_in_priors:DIAGONAL",
        "box": "preimage.latents.built_in_priors:BOX",
        "gaussian": "preimage.latents.built_in_priors:GAUSSIAN",
        "mixture": "preimage.latents.built_in_priors:MIXTURE",
        "gaussian-in-ball": "preimage.latents.built_in_priors:GAUSSIAN_IN_BALL",
        "pgan": "preimage.latents.built_in_priors:PGAN",
    },
    _kind,
)
"""By kind, which is the prior's name. A new one is a PriorKind, and a line here or an entry point of a
plugin."""
