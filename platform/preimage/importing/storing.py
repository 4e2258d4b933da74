"""Store a network that was tried: as a program if torch.export takes it; only if it reads back the same."""

from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.importing.export import NotExportable, export_program
from preimage.importing.probe import example_codes, first_line
from preimage.importing.source import Source
from preimage.inversion.labels import spread_labels
from preimage.latents.priors import PRIORS, Prior
from preimage.models.cards import CONFIG, GeneratorCard, read_card
from preimage.models.config import ImportedConfig
from preimage.models.generator_folder import load_generator, write_generator
from preimage.models.imported import CodeNetwork, ImportedGenerator
from preimage.named_code import module_of, naming
from preimage.storage.folder import Folder

SAME = 1e-5
"""The largest difference between the images of a network and of what was stored of it, of a range of 2."""


def as_program(generator: ImportedGenerator, source: Source) -> tuple[ImportedGenerator, tuple[str, ...]]:
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


def _examples(config: ImportedConfig, count: int) -> tuple[Tensor, Tensor | None]:
    """Codes (count, d), and class labels (count,) if the generator takes any."""
    codes = example_codes(count, config.latent_dim)
    return codes, spread_labels(count, config.classes, codes.device)


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


def write(generator: ImportedGenerator, source: Source, prior: Prior, folder: Folder) -> GeneratorCard:
    """Write the folder, once what is read from a copy of it makes the same images.

    Raises GeneratorError if it does not, or if the folder holds another generator.
    """
    history = {"imported": {"from": source.name, "torch": torch.__version__} | dict(source.origin)}
    fitted: Any = None if prior.name in PRIORS else prior
    with TemporaryDirectory() as place:
        card = write_generator(generator, place, history, fitted)
        code = generator.config.code
        try:
            with naming([module_of(code.target)] if code else []):
                again, _ = load_generator(place)
        except GeneratorError as error:
            what = f"{code.target} builds another network than this one" if code else "what is stored fails"
            raise GeneratorError(f"{what}: {error}".replace(f"{place}/", "")) from error
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
