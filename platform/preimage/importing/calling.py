"""What a network takes and makes, found by calling it."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError, ProgramError
from preimage.importing.probe import first_line
from preimage.importing.settings import ImportSettings
from preimage.models.class_labels import encoded
from preimage.models.dry_run import dry_run
from preimage.models.program import Program

DIMENSIONS = ("latent_dim", "z_dim", "nz")
"""What networks call the number of components of their codes."""


def stated_dim(network: nn.Module) -> int | None:
    """The number of components that a network, or its config, states itself."""
    for owner in (network, getattr(network, "config", None)):
        for name in DIMENSIONS:
            found = owner.get(name) if isinstance(owner, dict) else getattr(owner, name, None)
            if isinstance(found, int):
                return found
    return None


def require_inputs(program: Program, settings: ImportSettings) -> None:
    """Raise GeneratorError for settings that only code can follow, and for a program of other inputs."""
    wrong = [name for name in ("call", "fixed", "prior_through") if getattr(settings, name)]
    if wrong:
        raise GeneratorError(
            f"--{wrong[0].replace('_', '-')} needs the network's code: a program takes what it was exported "
            "with"
        )
    names = program.graph.inputs
    wanted = [names[0], settings.labels] if settings.labels else names[:1]
    if names != wanted:
        raise GeneratorError(
            f"the program takes {', '.join(names)}: name the input of class labels with --labels and "
            "--classes, or export it again with codes alone"
        )


def image_shape(network: nn.Module, settings: ImportSettings, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) of the network's images. Raises GeneratorError if it does not take the codes, or it makes
    something else."""
    made = _called(network, settings, shape)
    if not isinstance(made, Tensor):
        parts = made if isinstance(made, dict) else range(len(made)) if isinstance(made, tuple | list) else ()
        named = f" ({', '.join(map(str, parts))})" if parts else ""
        raise GeneratorError(
            f"the network returns a {type(made).__name__}{named}, not images: say which part they are "
            "with --take"
        )
    own = tuple(made.shape[1:])
    wanted = settings.image_shape or own
    fits = len(made) == 2 and made[0].numel() == math.prod(wanted)
    if not fits or len(wanted) != 3 or wanted[0] not in (1, 3, 4):
        raise GeneratorError(
            f"of 2 codes the network made {tuple(made.shape)}, not images (2, C, H, W): "
            + _advice(made, settings)
        )
    return wanted[0], wanted[1], wanted[2]


@torch.no_grad()
def _called(network: nn.Module, settings: ImportSettings, shape: tuple[int, ...]) -> Any:
    """What the network makes of two codes. Raises GeneratorError, with a shape that it would take if one of
    the usual does."""
    labels = torch.zeros(2, dtype=torch.int64)
    given = (encoded(labels, settings.classes, settings.class_input),) if settings.classes else ()

    def attempt(shape: tuple[int, ...]) -> Any:
        if isinstance(network, Program):
            dry_run(network.graph, (torch.zeros(2, *shape, device="meta"), *given))
        return network(torch.zeros(2, *shape), *given)

    try:
        return attempt(shape)
    except Exception as error:  # the network is a stranger's
        if isinstance(error, GeneratorError) and not isinstance(error, ProgramError):
            raise
        d = math.prod(shape)
        for other in ((d,), (d, 1, 1), (d, 1), (1, d)):
            try:
                attempt(other)
            except Exception:
                continue
            advice = f"try --code-shape {','.join(map(str, other))}"
            break
        else:
            advice = (
                "give the shape of one code with --code-shape, and further inputs with --fixed or --labels"
            )
        raise GeneratorError(
            f"the generator did not take codes {(2, *shape)}: {first_line(error)}; {advice}"
        ) from error


def _advice(made: Tensor, settings: ImportSettings) -> str:
    if made.dim() == 4 and made.shape[1] not in (1, 3, 4):
        return f"images have 1, 3 or 4 channels, not {made.shape[1]}"
    values = made[0].numel() if len(made) == 2 else 0
    if settings.image_shape:
        return f"they have {values:,} values each, --image-shape {settings.image_shape} has others"
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if values and channels * side * side == values:
            return f"try --image-shape {channels},{side},{side}"
    return "give the shape of an image with --image-shape"
