"""Import a generator that was trained elsewhere: try it, and write an ordinary generator folder."""

import math
from dataclasses import dataclass

from torch import nn

from preimage.errors import GeneratorError
from preimage.importing.calling import image_shape, require_inputs, stated_dim
from preimage.importing.priors import prior_name, prior_of
from preimage.importing.probe import Probe, probe
from preimage.importing.settings import ImportSettings
from preimage.importing.source import Source
from preimage.importing.storing import as_program, write
from preimage.latents.priors import Prior
from preimage.models.cards import GeneratorCard
from preimage.models.config import CodeConfig, ImportedConfig
from preimage.models.imported import CodeNetwork, ImportedGenerator
from preimage.models.program import Program
from preimage.storage.folder import Folder

ASK = "how many components has a code of this network? Say it with --latent-dim, or --code-shape"


@dataclass(frozen=True)
class Imported:
    """A generator folder that an import wrote."""

    folder: Folder
    card: GeneratorCard
    probe: Probe
    notes: tuple[str, ...]
    """What was chosen, left out, or found on the way."""


def import_generator(source: Source, settings: ImportSettings, folder: Folder) -> Imported:
    """Try a network, and write it as a generator folder, as a program wherever torch.export takes it.

    Raises GeneratorError, one sentence, if it cannot serve as a generator, or the folder holds another one.
    Nothing is written then.
    """
    network, notes = _plain_floats(source.network)
    shape = settings.code_shape or source.code_shape
    dim = math.prod(shape) if shape else settings.latent_dim or stated_dim(network)
    if not dim:
        raise GeneratorError(source.ask or ASK)
    if settings.latent_dim not in (None, dim):
        raise GeneratorError(
            f"codes of shape {shape} have {dim} components, not {settings.latent_dim}: leave --latent-dim out"
        )
    if isinstance(network, Program):
        require_inputs(network, settings)
    prior = prior_of(settings, network, dim)
    called = network if isinstance(network, Program) else CodeNetwork(network, _code(source, settings))
    try:
        config = _config(settings, shape, prior, image_shape(called, settings, shape or (dim,)))
        generator = ImportedGenerator(config, called.eval()).requires_grad_(False)
        seen = probe(generator, prior, config.image_range, config.classes, settings.check_range)
    except GeneratorError as error:
        if source.batch is None:
            raise
        raise GeneratorError(
            f"{error}. It was exported for batches of {source.batch}: if that is why, export it with "
            "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)"
        ) from error
    generator, why = as_program(generator, source)
    card = write(generator, source, prior, folder)
    return Imported(folder, card, seen, (*source.notes, *notes, *seen.notes, *why))


def _plain_floats(network: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """The network in float32 and in eval mode, on the CPU."""
    if isinstance(network, Program):
        return network.cpu(), ()
    kinds = {str(each.dtype) for each in network.parameters() if each.is_floating_point()} - {"torch.float32"}
    note = f"its weights were {', '.join(sorted(kinds)).replace('torch.', '')}: they are float32 now"
    return network.cpu().float().eval(), (note,) if kinds else ()


def _code(source: Source, settings: ImportSettings) -> CodeConfig:
    given = source.code or CodeConfig(target="")
    return given.model_copy(
        update={
            "call": settings.call,
            "fixed": settings.fixed,
            "labels": settings.labels,
            "output": settings.output,
        }
    )


def _config(
    settings: ImportSettings, shape: tuple[int, ...] | None, prior: Prior, image: tuple[int, int, int]
) -> ImportedConfig:
    channels, height, width = image
    return ImportedConfig(
        latent_dim=prior.latent_dim,
        prior=prior_name(prior),
        image_size=(height, width),
        channels=channels,  # pyright: ignore[reportArgumentType]
        space=settings.space,
        code_shape=shape if shape and shape != (prior.latent_dim,) else None,
        image_range=settings.image_range,
        classes=settings.classes,
        class_input=settings.class_input,
    )
