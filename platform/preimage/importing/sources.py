"""Where a network to import comes from: Python code and weights, an exported program, a diffusers folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preimage.errors import GeneratorError
from preimage.importing.archive import read_archive
from preimage.importing.diffusers_folder import MODEL, read_decoder
from preimage.importing.source import Source
from preimage.importing.weights_file import load_into, read_weights
from preimage.models.config import CodeConfig
from preimage.models.from_code import build_from_code
from preimage.named_code import module_of
from preimage.storage.folder import digest


def open_source(
    what: str,
    weights: Path | None = None,
    weights_key: str | None = None,
    settings: Mapping[str, Any] | None = None,
    output: int | None = None,
) -> Source:
    """The network that a user names: MODULE:OBJECT, a .pt2 file, or a folder in diffusers' layout.

    weights: a file of them, for the first. settings: the arguments of OBJECT. output: which of a program's
    outputs are the images. Raises GeneratorError.
    """
    path = Path(what)
    if path.is_dir() or path.suffix == ".pt2":
        if weights or settings:
            raise GeneratorError(f"{what} has its own weights and settings: leave --weights and --set out")
        return _folder(path) if path.is_dir() else _program(path, output or 0)
    if path.is_file():
        raise GeneratorError(
            f"{what} is no .pt2 file: give weights with --weights, beside the class that they belong to. "
            "TorchScript is not read"
        )
    if what.startswith("hf://") or "/" in what:
        raise GeneratorError(
            f"there is no {what} on this machine: download it first (huggingface-cli download), and give its "
            "folder or file"
        )
    return _code(what, weights, weights_key, dict(settings or {}))


def _code(target: str, weights: Path | None, key: str | None, settings: dict[str, Any]) -> Source:
    module_of(target)
    network = build_from_code(target, settings)
    origin: dict[str, Any] = {"settings": settings}
    notes: list[str] = []
    if weights:
        notes = load_into(network, read_weights(weights), key, str(weights))
        origin |= {"weights": weights.name, "weights_file_sha256": digest(weights.read_bytes())}
    elif next(network.parameters(), None) is not None:
        notes = ["no --weights were given: the network has those that it was built with"]
    return Source(network, target, CodeConfig(target=target, settings=settings), origin, notes=tuple(notes))


def _program(path: Path, output: int) -> Source:
    if not path.is_file():
        raise GeneratorError(f"there is no file {path}")
    data = path.read_bytes()
    found = read_archive(data, str(path), output)
    origin = {"file_sha256": digest(data), "exported_by": found.torch_version}
    shape = found.code_shape if all(found.code_shape) else None
    return Source(found.program, path.name, origin=origin, code_shape=shape, batch=found.batch)


def _folder(path: Path) -> Source:
    if not (path / MODEL).is_file():
        raise GeneratorError(f"{path} is no folder of a diffusers model: it has no {MODEL}")
    network, channels = read_decoder(path)
    ask = f"{path} decodes latents of {channels} channels: say their size with --code-shape {channels},H,W"
    return Source(network, path.name, origin={"latent_channels": channels}, ask=ask)
