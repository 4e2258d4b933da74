"""Stores of codes of a dataset's images, and generators whose images can be worked out by hand."""

import torch
from torch import Tensor

from preimage.data.dataset import Dataset
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.models.cards import GeneratorCard
from preimage.models.config import LinearConfig
from preimage.models.linear import LinearGenerator
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder


def linear_generator(dim: int, seed: int, size: int = 16, channels: int = 1) -> LinearGenerator:
    """Random components of 0.1, and a random mean."""
    about = LinearConfig(latent_dim=dim, prior="normal", image_size=size, channels=channels)
    generator, random = LinearGenerator(about), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (generator.mean, generator.components):
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=random))
    return generator.eval()


def write_store(
    folder: Folder, card: GeneratorCard, dataset: Dataset, z: Tensor, ids: Tensor, lost: tuple[int, ...] = ()
) -> Store:
    """Codes z (n, d) of the images with these ids, in three parts; the searches of rows `lost` diverged."""
    images = DatasetInfo(fingerprint=dataset.fingerprint, count=dataset.count)
    generator = GeneratorInfo(fingerprint=card.fingerprint)
    about = About(generator=generator, dataset=images, latent_dim=z.shape[1], prior=card.generator.prior)
    none, loss = torch.zeros(len(z), dtype=torch.int32), torch.zeros(len(z))
    loss[list(lost)] = torch.nan
    codes = Codes(ids, none, z, loss, none, none, none.bool())
    writer = StoreWriter(folder, about, parts=3, count=len(z))
    for part, rows in enumerate(torch.arange(len(z)).tensor_split(3)):
        writer.write(part, codes[rows])
    return writer.finish()


def store_of(run: RunFolder) -> Store:
    """The latent store that a run left."""
    return Store.open(run.product("store"))
