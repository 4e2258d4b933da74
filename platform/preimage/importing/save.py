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
from preimage.models.config import CodeConfig
from preimage.storage.folder import Folder


def save_generator(
    network: nn.Module,
    folder: Folder | str | Path,
    *,
    code: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Imported:
    """Try a network, and write it as a generator folder that every job takes (`preimage generator import`).

    network: maps codes, (n, d) or (n, *code_shape), to images. code: the class or function that builds it,
    `mypkg.nets:Decoder`, and settings: its arguments; needed where torch.export does not take the network.
    options: the fields of ImportSettings, such as latent_dim=64, image_range=(0, 1), image_shape=(1, 28, 28).
    Raises GeneratorError, one sentence, if it cannot serve as a generator; then nothing is written.
    """
    if unknown := sorted(options.keys() - ImportSettings.model_fields.keys()):
        known = ", ".join(ImportSettings.model_fields)
        raise GeneratorError(f"save_generator has no option {', '.join(unknown)}; it has {known}")
    if not isinstance(network, nn.Module):
        raise GeneratorError(f"save_generator takes a torch.nn.Module, but got a {type(network).__name__}")
    try:
        said = ImportSettings(**options)
    except ValidationError as error:
        raise GeneratorError(mistakes_in(error)) from error
    named = CodeConfig(target=code, settings=dict(settings or {})) if code else None
    try:
        own = deepcopy(network)  # it is put into float32 and eval mode
    except (RuntimeError, TypeError, ValueError) as error:
        raise GeneratorError(
            f"this network cannot be copied ({error}): build it once more for this"
        ) from error
    source = Source(own, code or type(network).__name__, named)
    return import_generator(source, said, Folder.at(folder))
