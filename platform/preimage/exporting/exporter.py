"""Export a generator to a file that other programs read, once what is read back makes the same images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from preimage.errors import GeneratorError
from preimage.exporting import onnx_file, pt2_file, safetensors_file
from preimage.exporting.inputs import Images, examples
from preimage.inversion.labels import generate
from preimage.models.cards import CONFIG, PRIOR
from preimage.models.generator_folder import load_generator
from preimage.named_code import modules_of, naming
from preimage.storage.folder import Folder

BATCHES = (1, 5)
"""Numbers of codes on which a file is compared with its generator."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    serialize: Callable[[nn.Module, Folder], bytes]
    """The file of a generator and its folder. Raises GeneratorError."""
    read: Callable[[bytes], Images]
    """What the file makes, read as its users read it. Raises GeneratorError."""
    tolerance: float
    """The largest difference from the generator's images, of a range of 2."""


FORMATS = {
    "pt2": Format(pt2_file.serialize, pt2_file.read, 0),
    "onnx": Format(onnx_file.serialize, onnx_file.read, 1e-5),
    "safetensors": Format(safetensors_file.serialize, safetensors_file.read, 0),
}


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written."""

    path: Path
    size: int
    """Bytes."""
    difference: float
    """The largest from the generator's images, of a range of 2, on codes in batches of 1 and 5."""


def export(
    folder: Folder,
    file: str | Path,
    kind: str | None = None,
    force: bool = False,
    code: str | Sequence[str] = (),
) -> ExportedFile:
    """Export a generator's folder.

    kind: pt2, a program of torch.export; onnx; or safetensors, the weights with config.json and program.json
    as metadata; by default the file's suffix. force: whether to replace a file. code: as `load_generator` has
    it. Raises GeneratorError if the network cannot be exported, or what is read back makes other images.
    Nothing is written then.
    """
    path = Path(file)
    kind = kind or path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise GeneratorError(
            f"{kind or 'no format'!r} is none that generators are exported to: {', '.join(FORMATS)}"
        )
    if path.suffix.removeprefix(".") in set(FORMATS) - {kind}:
        raise GeneratorError(f"{path} has the suffix of another format than {kind}: give another file")
    if path.exists() and not force:
        raise GeneratorError(f"{path} exists: give another file, or replace it with --force")
    with naming(modules_of(code)):
        generator, _ = load_generator(folder)
        data = FORMATS[kind].serialize(generator.requires_grad_(False), folder)
        difference = compare(generator, FORMATS[kind].read(data), FORMATS[kind].tolerance, path)
    Folder.at(path.parent).write(path.name, data)
    return ExportedFile(path, len(data), difference)


def has_prior(folder: Folder) -> bool:
    """Whether a generator's codes have a fitted prior, which no exported file holds."""
    return (folder / PRIOR).exists(CONFIG)


@torch.no_grad()
def compare(generator: nn.Module, made: Images, tolerance: float, path: Path) -> float:
    """The largest difference between a generator's images and a file's. Raises GeneratorError if it is more
    than allowed."""
    largest = 0.0
    for count in BATCHES:
        given = examples(generator, count)
        codes, labels = given["codes"], given.get("labels")
        ours, theirs = generate(generator, codes, labels), made(codes, labels)
        if ours.shape != theirs.shape:
            raise GeneratorError(
                f"{path} is not written: {count} codes become {tuple(theirs.shape)}, not {tuple(ours.shape)}"
            )
        away = (ours - theirs).abs().max().item()
        if not away <= tolerance:
            raise GeneratorError(
                f"{path} is not written: what is read back makes other images of {count} codes, "
                f"by {away:.2g} (at most {tolerance:g})"
            )
        largest = max(largest, away)
    return largest
