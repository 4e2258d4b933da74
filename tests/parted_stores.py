"""Stores whose parts have any sizes, and whose every column is a function of the image."""

from dataclasses import replace

import torch

from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo
from preimage.latents.store import Store, StoreWriter
from preimage.storage.folder import Folder

DIM = 3


def codes_of(ids: list[int]) -> Codes:
    image_id = torch.tensor(ids, dtype=torch.int64)
    return Codes(
        image_id=image_id,
        label=(image_id % 10).int(),
        z=torch.sin(image_id[:, None] * DIM + torch.arange(DIM)),
        loss=image_id / 8,
        steps=(image_id % 5).int(),
        restart=(image_id % 2).int(),
        converged=image_id % 3 > 0,
    )


def parted_store(folder: Folder, sizes: tuple[int, ...], lost: tuple[int, ...]) -> Store:
    """Images 0, 1, ... in parts of these sizes; the searches of images `lost` diverged."""
    about = About(
        generator=GeneratorInfo(fingerprint="gen"),
        dataset=DatasetInfo(fingerprint="data", count=100),
        latent_dim=DIM,
        prior="normal",
    )
    writer, first = StoreWriter(folder, about, len(sizes), sum(sizes)), 0
    for index, size in enumerate(sizes):
        codes = codes_of(list(range(first, first + size)))
        gone = torch.isin(codes.image_id, torch.tensor(lost))
        writer.write(index, replace(codes, loss=torch.where(gone, torch.nan, codes.loss)))
        first += size
    return writer.finish()
