"""Generators as programs of torch.export."""

from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.exporting.inputs import Images, examples
from preimage.importing.archive import read_archive
from preimage.importing.export import NotExportable, archive_of
from preimage.inversion.labels import generate
from preimage.storage.folder import Folder


def serialize(generator: nn.Module, folder: Folder) -> bytes:
    """What torch.export.load takes: codes, and class labels if the generator takes any, to images.

    Raises GeneratorError if torch.export does not take the network.
    """
    try:
        return archive_of(generator, tuple(examples(generator, 2).values()))
    except NotExportable as error:
        raise GeneratorError(f"torch.export does not take the generator of {folder.uri}: {error}") from error


def read(data: bytes) -> Images:
    """The program as an import reads it, which unpickles nothing."""
    program = read_archive(data, "the exported program").program

    def images(codes: Tensor, labels: Tensor | None) -> Tensor:
        return generate(program, codes, labels)

    return images
