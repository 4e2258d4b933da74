"""Import a generator that was trained elsewhere: try it, and write an ordinary generator folder."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError, ProgramError
from preimage.importing.export import NotExportable, export_program
from preimage.importing.probe import Probe, example_codes, first_line, probe
from preimage.importing.settings import ImportSettings
from preimage.latents.priors import PRIORS, Gaussian, Prior, PriorName, make_prior
from preimage.latents.statistics import Moments
from preimage.models.config import CodeConfig, ImportedConfig
from preimage.models.dry_run import dry_run
from preimage.models.generator_folder import GeneratorCard, load_generator, read_card, write_generator
from preimage.models.imported import CodeNetwork, ImportedGenerator, attribute
from preimage.models.prior_folder import load_fitted
from preimage.models.program import Program
from preimage.models.weights import CONFIG
from preimage.named_code import module_of, naming
from preimage.random_streams import Stream
from preimage.storage.folder import Folder

MAPPED = 65_536
"""Codes taken through a mapping network to fit a prior in its space."""
ASK = "how many components has a code of this network? Say it with --latent-dim, or --code-shape"
SAME = 1e-5
"""The largest difference between the images of a network and of what was stored of it, of a range of 2."""


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
    notes: tuple[str, ...] = ()
    """What was chosen or left out when it was read."""


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
    dim = math.prod(shape) if shape else settings.latent_dim or _own_dim(network)
    if not dim:
        raise GeneratorError(source.ask or ASK)
    if settings.latent_dim not in (None, dim):
        raise GeneratorError(
            f"codes of shape {shape} have {dim} components, not {settings.latent_dim}: leave --latent-dim out"
        )
    prior = _prior(settings, network, dim)
    called = network if isinstance(network, Program) else CodeNetwork(network, _code(source, settings))
    config = _config(settings, shape, prior, _image_shape(called, settings, shape or (dim,)))
    generator = ImportedGenerator(config, called.eval()).requires_grad_(False)
    seen = probe(generator, prior, config.image_range, config.classes)
    generator, why = _as_program(generator, source)
    card = _write(generator, source, prior, folder)
    return Imported(folder, card, seen, (*source.notes, *notes, *seen.notes, *why))


def _plain_floats(network: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """The network in float32 and in eval mode."""
    if isinstance(network, Program):
        return network, ()
    kinds = {str(each.dtype) for each in network.parameters() if each.is_floating_point()} - {"torch.float32"}
    note = f"its weights were {', '.join(sorted(kinds)).replace('torch.', '')}: they are float32 now"
    return network.float().eval(), (note,) if kinds else ()


def _own_dim(network: nn.Module) -> int | None:
    """The number of components that a network states itself, under a usual name."""
    places = (network, getattr(network, "config", None))
    found = (getattr(each, name, None) for each in places for name in ("latent_dim", "z_dim", "nz"))
    return next((each for each in found if isinstance(each, int)), None)


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


def _prior(settings: ImportSettings, network: nn.Module, dim: int) -> Prior:
    """The prior of the codes. Raises GeneratorError if it has another dimension."""
    if settings.prior_through:
        return _mapped(settings, network, dim)
    prior = (
        make_prior(settings.prior, dim)
        if settings.prior in PRIORS
        else load_fitted(Folder.at(settings.prior))
    )
    if prior.latent_dim != dim:
        raise GeneratorError(
            f"the prior in {settings.prior} is for codes of {prior.latent_dim} components, the network takes "
            f"{dim}: give another prior, or the network's own --code-shape"
        )
    return prior


@torch.no_grad()
def _mapped(settings: ImportSettings, network: nn.Module, dim: int) -> Gaussian:
    """A Gaussian fitted to codes of the fixed prior after a mapping network."""
    mapping = attribute(network, settings.prior_through or "")
    width = _own_dim(network) or dim
    moments = Moments.empty(dim)
    random = Stream.MAPPED_PRIOR.generator(0)
    for _ in range(MAPPED // 1024):
        try:
            mapped = mapping(make_prior(settings.prior, width).sample(1024, random))
            moments = moments.update(mapped.reshape(1024, dim))
        except Exception as error:
            raise GeneratorError(
                f"{settings.prior_through} did not take codes (1024, {width}) to (1024, {dim}): "
                f"{first_line(error)}"
            ) from error
    return Gaussian.fit(moments)


def _image_shape(
    network: nn.Module, settings: ImportSettings, shape: tuple[int, ...]
) -> tuple[int, int, int]:
    """(C, H, W) of the network's images. Raises GeneratorError if it does not take the codes, or it makes
    something else."""
    made = _called(network, settings, shape)
    if not isinstance(made, Tensor):
        parts = (
            list(made)
            if isinstance(made, dict)
            else [*range(len(made))]
            if isinstance(made, tuple | list)
            else []
        )
        named = f" ({', '.join(map(str, parts))})" if parts else ""
        raise GeneratorError(
            f"the network returns a {type(made).__name__}{named}, not images: say which part they are "
            "with --take"
        )
    own = tuple(made.shape[1:])
    wanted = settings.image_shape or own
    if (
        len(made) != 2
        or made[0].numel() != math.prod(wanted)
        or len(wanted) != 3
        or wanted[0] not in (1, 3, 4)
    ):
        raise GeneratorError(
            f"of 2 codes the network made {tuple(made.shape)}, not images (2, C, H, W): "
            + _advice(made, settings)
        )
    return wanted[0], wanted[1], wanted[2]


@torch.no_grad()
def _called(network: nn.Module, settings: ImportSettings, shape: tuple[int, ...]) -> Any:
    """What the network makes of two codes. Raises GeneratorError, with a shape that it would take if one of
    the usual does."""
    labels = torch.arange(2) % settings.classes if settings.classes else None
    if labels is not None and settings.class_input == "one-hot":
        labels = torch.nn.functional.one_hot(labels, settings.classes).float()
    given = () if labels is None else (labels,)

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
            advice = "give the shape of one code with --code-shape, and further inputs with --fixed"
        raise GeneratorError(
            f"the generator did not take codes {(2, *shape)}: {first_line(error)}; {advice}"
        ) from error


def _advice(made: Tensor, settings: ImportSettings) -> str:
    values = made[0].numel() if len(made) == 2 else 0
    if settings.image_shape:
        return f"they have {values:,} values each, --image-shape {settings.image_shape} has others"
    for channels in (1, 3):
        side = math.isqrt(values // channels)
        if values and channels * side * side == values:
            return f"try --image-shape {channels},{side},{side}"
    return "give the shape of an image with --image-shape"


def _config(
    settings: ImportSettings, shape: tuple[int, ...] | None, prior: Prior, image: tuple[int, int, int]
) -> ImportedConfig:
    channels, height, width = image
    return ImportedConfig(
        latent_dim=prior.latent_dim,
        prior=_prior_name(prior),
        image_size=(height, width),
        channels=channels,  # pyright: ignore[reportArgumentType]
        space=settings.space,
        code_shape=shape if shape and shape != (prior.latent_dim,) else None,
        image_range=settings.image_range,
        classes=settings.classes,
        class_input=settings.class_input,
    )


def _prior_name(prior: Prior) -> PriorName:
    known: dict[str, PriorName] = {
        each: each for each in ("normal", "uniform", "gaussian", "gaussian-in-ball")
    }
    return known.get(prior.name, "fitted")


def _as_program(generator: ImportedGenerator, source: Source) -> tuple[ImportedGenerator, tuple[str, ...]]:
    """The generator with its network as a program; or, if torch.export does not take it, with its code in the
    config, and the reason. Raises GeneratorError if no code was named that could be stored."""
    config, network = generator.config, generator.network
    if not isinstance(network, CodeNetwork):
        return generator, ()
    try:
        program = export_program(network, generator.inputs(*_examples(config, 2)))
        exported = ImportedGenerator(config, program).eval()
        _require_same_images(exported, generator)
        return exported, ()
    except NotExportable as error:
        if not source.code:
            raise GeneratorError(
                f"torch.export does not take this network ({error}): name the class that builds it with "
                "code='package.module:Class', so that the weights can be stored and loaded into it"
            ) from error
        kept = ImportedGenerator(config.model_copy(update={"code": network.code}), network).eval()
        note = f"torch.export does not take it ({error}): the folder needs the code of {source.code.target}"
        return kept, (note,)


def _examples(config: ImportedConfig, count: int) -> tuple[Tensor, ...]:
    """Codes (count, d), and class labels (count,) if the generator takes any."""
    codes = example_codes(count, config.latent_dim)
    return (codes, torch.arange(count) % config.classes) if config.classes else (codes,)


@torch.no_grad()
def _require_same_images(one: ImportedGenerator, other: ImportedGenerator) -> None:
    """Raises NotExportable if a program makes other images than its network."""
    for count in (1, 2, 3):
        given = _examples(one.config, count)
        try:
            away = (one(*given) - other(*given)).abs().max().item()
        except Exception as error:  # torch raises many kinds
            raise NotExportable(f"its program fails for {count} codes: {first_line(error)}") from error
        if not away <= SAME:
            raise NotExportable(f"its program makes other images, by {away:.2g}")


def _write(generator: ImportedGenerator, source: Source, prior: Prior, folder: Folder) -> GeneratorCard:
    """Write the folder, once what is read from a copy of it makes the same images.

    Raises GeneratorError if it does not, or if the folder holds another generator.
    """
    history = {"imported": {"from": source.name, "torch": torch.__version__} | dict(source.origin)}
    fitted: Any = None if prior.name in PRIORS else prior
    with TemporaryDirectory() as place:
        card = write_generator(generator, place, history, fitted)
        code = generator.config.code
        with naming([module_of(code.target)] if code else []):
            again, _ = load_generator(place)
    given = _examples(generator.config, 3)
    with torch.no_grad():
        if not torch.allclose(again(*given), generator(*given), rtol=0, atol=SAME):
            raise GeneratorError(
                f"what is stored of {source.name} makes other images{_lost(generator.network)}: register "
                "them as persistent buffers, or let the class that builds the network set them"
            )
    if not folder.exists(CONFIG):
        return write_generator(generator, folder, history, fitted)
    there = read_card(folder)
    if (there.fingerprint, there.prior_fingerprint) != (card.fingerprint, card.prior_fingerprint):
        raise GeneratorError(f"{folder.uri} holds another generator: give another folder, or delete it")
    return there


def _lost(network: nn.Module) -> str:
    """The buffers that a state dict leaves out, in words."""
    kept = network.state_dict()
    lost = [name.removeprefix("network.") for name, _ in network.named_buffers() if name not in kept]
    return f", for its weights lack the buffers {', '.join(lost[:5])}" if lost else ""
