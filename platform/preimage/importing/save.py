"""Write any network as a generator folder, from Python."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from preimage.config import mistakes_in
from preimage.errors import GeneratorError
from preimage.importing.importer import Imported, import_generator
from preimage.importing.settings import ImportSettings
from preimage.importing.source import Source
from preimage.importing.sources import open_source
from preimage.models.config import CodeConfig
from preimage.storage.folder import Folder


def save_generator(
    network: nn.Module | str | Path,
    folder: Folder | str | Path,
    *,
    code: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Imported:
    """Try a network, and write it as a generator folder that every job takes (`preimage generator import`).

    network: maps codes, (n, d) or (n, *code_shape), to images; or a .pt2 file that torch.export.save wrote,
    or the folder of a diffusers autoencoder. code: the class or function that builds a module,
    `mypkg.nets:Decoder`, and settings: its arguments; needed where torch.export does not take the network.
    options: the fields of ImportSettings, such as latent_dim=64, image_range=(0, 1), image_shape=(1, 28, 28).
    Raises GeneratorError, one sentence, if it cannot serve as a generator; then nothing is written.
    """
    if unknown := sorted(options.keys() - ImportSettings.model_fields.keys()):
        known = ", ".join(ImportSettings.model_fields)
        raise GeneratorError(f"save_generator has no option {', '.join(unknown)}; it has {known}")
    if not isinstance(network, nn.Module | str | Path):
        raise GeneratorError(
            "save_generator takes a torch.nn.Module, a .pt2 file or a diffusers folder, but got a "
            f"{type(network).__name__}"
        )
    try:
        said = ImportSettings(**options)
    except ValidationError as error:
        raise GeneratorError(mistakes_in(error)) from error
    source = (
        _module(network, code, settings) if isinstance(network, nn.Module) else _file(network, code, said)
    )
    return import_generator(source, said, Folder.at(folder))


def _module(network: nn.Module, code: str | None, settings: Mapping[str, Any] | None) -> Source:
    named = CodeConfig(target=code, settings=dict(settings or {})) if code else None
    try:
        own = deepcopy(network)  # it is put into float32 and eval mode
    except (RuntimeError, TypeError, ValueError) as error:
        raise GeneratorError(
            f"this network cannot be copied ({error}): build it once more for this"
        ) from error
    return Source(own, code or type(network).__name__, named)


def _file(path: str | Path, code: str | None, said: ImportSettings) -> Source:
    """The network of a .pt2 file or a folder, which brings its own settings."""
    if code:
        raise GeneratorError(f"{path} has its own code and settings: leave code and settings out")
    if Path(path).suffix != ".pt2" and not Path(path).is_dir():
        raise GeneratorError(f"{path} is neither a .pt2 file nor a diffusers folder: give the network itself")
    return open_source(str(path), output=said.output if isinstance(said.output, int) else None)
