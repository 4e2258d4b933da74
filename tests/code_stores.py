"""Stores of given codes, of no dataset and no generator in particular."""

import torch
from torch import Tensor

from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.storage.folder import Folder


def store_of(
    folder: Folder, z: Tensor, parts: int = 3, lost: tuple[int, ...] = (), ids: Tensor | None = None
) -> Store:
    """Codes z (n, d) of images 0, 1, ..., or of these ids; the searches of rows `lost` diverged."""
    about = About(
        generator=GeneratorInfo(fingerprint="gen"),
        dataset=DatasetInfo(fingerprint="data", count=len(z)),
        latent_dim=z.shape[1],
        prior="normal",
    )
    none, loss = torch.zeros(len(z), dtype=torch.int32), torch.zeros(len(z))
    loss[list(lost)] = torch.nan
    codes = Codes(torch.arange(len(z)) if ids is None else ids, none, z, loss, none, none, none.bool())
    writer = StoreWriter(folder, about, parts=parts, count=len(z))
    for part, rows in enumerate(torch.arange(len(z)).tensor_split(parts)):
        writer.write(part, codes[rows])
    return writer.finish()
