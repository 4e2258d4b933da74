"""Export a generator from Python."""

from collections.abc import Sequence
from pathlib import Path

from preimage.exporting.exporter import ExportedFile, export
from preimage.library.opened import find_generator
from preimage.storage.folder import Folder


def export_generator(
    generator: str | Path | Folder,
    file: str | Path,
    kind: str | None = None,
    *,
    force: bool = False,
    results: str | None = None,
    code: str | Sequence[str] = (),
) -> ExportedFile:
    """Write a generator as one file that other programs read, once what is read back makes the same images.

    generator: its folder, a run, or a model in MLflow. kind: pt2, a program of torch.export; onnx; or
    safetensors, the weights with the generator's config.json as metadata; by default the file's suffix.
    force: whether to replace a file. results: the root of the runs. code: modules whose code may build it.
    Raises PreimageError, and writes nothing, if there is no such generator, it cannot be exported, or what is
    read back makes other images.
    """
    return export(find_generator(generator, results), file, kind, force, code)
