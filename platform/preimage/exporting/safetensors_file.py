"""Generators as one safetensors file: the weights, and the text files of the generator's folder as metadata
under their names."""

import json
from tempfile import TemporaryDirectory

from safetensors.torch import load
from torch import Tensor, nn

from preimage.exporting.inputs import Images
from preimage.inversion.labels import generate
from preimage.models.cards import CONFIG, WEIGHTS
from preimage.models.generator_folder import load_generator
from preimage.models.program import PROGRAM
from preimage.models.weights import packed
from preimage.storage.folder import Folder


def serialize(generator: nn.Module, folder: Folder) -> bytes:
    """The weights with config.json, and program.json for an imported network, as metadata."""
    texts = {name: data.decode() for name in (CONFIG, PROGRAM) if (data := folder.find(name)) is not None}
    return packed(generator.state_dict(), texts)


def read(data: bytes) -> Images:
    """The generator of a folder that is written from the file alone. Raises GeneratorError if it misfits."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    with TemporaryDirectory() as place:
        folder = Folder.at(place)
        folder.write(WEIGHTS, packed(load(data)), durable=False)
        for name, text in header["__metadata__"].items():
            folder.write(name, text.encode(), durable=False)
        generator, _ = load_generator(folder)

    def images(codes: Tensor, labels: Tensor | None) -> Tensor:
        return generate(generator, codes, labels)

    return images
