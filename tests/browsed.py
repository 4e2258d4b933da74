"""What is browsed in tests: codes of a few digits, with a linear generator."""

import torch

from code_stores import store_of
from preimage.browsing.subject import Pixels, Subject
from preimage.data.dataset import Dataset
from preimage.data.known_images import KnownImages
from preimage.inversion.dataset import dataset_info
from preimage.latents.priors import Normal
from preimage.latents.schema import About, Codes, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.models.generator_folder import write_generator
from preimage.storage.folder import Folder
from stores import linear_generator

DIM, COUNT, LOST = 4, 60, 2
"""LOST: the row of the image whose search diverged."""


def draw(count: int = COUNT, dim: int = DIM, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def digits_store(place: Folder, digits: Dataset, generator: Folder) -> Store:
    """The codes of COUNT digits, whose first component says the class; of one the search diverged."""
    card = write_generator(linear_generator(DIM, seed=0), generator, {})
    rows = digits.read(0, COUNT)
    about = About(
        generator=GeneratorInfo(fingerprint=card.fingerprint, path=generator.uri),
        dataset=dataset_info(digits),
        latent_dim=DIM,
        prior="normal",
    )
    z, loss, steps = draw(), torch.linspace(0.1, 1, COUNT), torch.ones(COUNT, dtype=torch.int32)
    z[:, 0] += 3 * rows.labels
    loss[LOST] = torch.nan
    writer = StoreWriter(place, about, parts=2, count=COUNT)
    codes = Codes(rows.image_id, rows.labels, z, loss, steps, steps, steps.bool())
    for part, some in enumerate(torch.arange(COUNT).tensor_split(2)):
        writer.write(part, codes[some])
    return writer.finish()


def whole(folder: Folder, digits: Dataset) -> Subject:
    """Codes, generator, images and a prior."""
    store = digits_store(folder / "store", digits, folder / "generator")
    pixels = Pixels(KnownImages(digits))
    return Subject("digits", store, linear_generator(DIM, seed=0), None, pixels, {"normal": Normal(DIM)}, ())


def of_codes(folder: Folder, z: torch.Tensor, **settings) -> Subject:
    """Codes z (n, d) alone, of no images that are here."""
    return Subject("codes", store_of(folder, z, **settings), None, None, None, {}, ())
