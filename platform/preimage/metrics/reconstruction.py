"""How well a generator and a store of codes reconstruct the images (glo, table 1)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from preimage.data.dataset import Dataset, Images
from preimage.data.pixels import to_float
from preimage.errors import StoreError
from preimage.float32 import float32_products
from preimage.latents.schema import Codes
from preimage.latents.store import Store
from preimage.objectives.lap1 import lap1

READ = 2048
"""Rows read at a time."""
BATCH = 256
"""Images generated at a time."""


@dataclass(frozen=True)
class Reconstruction:
    """Errors of g(z) against x, both (C, H, W) in [-1, 1], over the images that did not diverge."""

    count: int
    mse: float
    """Mean over images, channels and pixels of (g(z) - x)^2."""
    lap1: float
    """Mean over images of Lap1 with weights `equal`."""
    lap1_paper: float
    """With weights `paper`."""
    variance: float
    """The mse of the mean image in place of every g(z)."""
    skipped: int
    """Images that diverged."""

    @property
    def explained(self) -> float:
        """Fraction of the images' variance: 1 for a perfect reconstruction, 0 for the mean image."""
        return 1 - self.mse / self.variance


def reconstruction(
    generator: nn.Module,
    store: Store,
    dataset: Dataset,
    device: torch.device,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Reconstruction:
    """Stream codes and images once, in float32; sums are float64.

    generator: in eval mode, codes (n, d) to images (n, C, H, W), on that device.
    Raises StoreError if codes and images are out of step, or if every image diverged.
    """
    sums, done = _Sums(dataset, device), 0
    for codes, images in in_step(store, dataset):
        found = ~codes.diverged
        for z, pixels in zip(codes.z[found].split(BATCH), images.pixels[found].split(BATCH), strict=True):
            sums.add(generator, z.to(device), to_float(pixels.to(device)))
        done += len(codes)
        on_progress(done, store.count)
    if not sums.count:
        raise StoreError(f"every image of {store.folder.uri} diverged: invert again with other settings")
    return sums.result(skipped=store.count - sums.count)


def in_step(store: Store, dataset: Dataset, rows: int = READ) -> Iterator[tuple[Codes, Images]]:
    """Pair a store's rows with the dataset's, in the same order; a store may be shorter than its dataset.

    Raises StoreError at the first row where their images differ.
    """
    if store.count > dataset.count:
        raise StoreError(
            f"{store.folder.uri} holds {store.count:,} codes, but the dataset has {dataset.count:,} images: "
            "name a store of these images"
        )
    start = 0
    for codes in store.batches(("z", "loss") if store.about.searched else ("z",), rows):
        images = dataset.read(start, start + len(codes))
        _require_same_images(store, start, codes.image_id, images.image_id)
        yield codes, images
        start += len(codes)


def first_in_step(store: Store, dataset: Dataset, count: int) -> tuple[Codes, Images]:
    """The first rows of both. Raises StoreError like `in_step`."""
    codes, images = store.head(count), dataset.read(0, count)
    _require_same_images(store, 0, codes.image_id, images.image_id)
    return codes, images


def _require_same_images(store: Store, start: int, found: Tensor, expected: Tensor) -> None:
    """found, expected: (n,) image ids, from row `start` on."""
    wrong = found != expected
    if wrong.any():
        at = int(wrong.nonzero()[0])
        raise StoreError(
            f"codes and images are out of step: row {start + at:,} of {store.folder.uri} belongs to "
            f"image {int(found[at])}, but that row of the dataset is image {int(expected[at])}. "
            "Make the store again, in the order of the dataset."
        )


class _Sums:
    """The sums behind the means."""

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        exact = {"dtype": torch.float64, "device": device}
        self.count, self.pixels = 0, prod(dataset.shape)
        self.errors = torch.zeros(4, **exact)  # squared error, Lap1, the same with paper's weights, x^2
        self.images = torch.zeros(dataset.shape, **exact)

    @torch.inference_mode()
    @float32_products("ieee")
    def add(self, generator: nn.Module, z: Tensor, x: Tensor) -> None:
        made, exact = generator(z), x.double()
        parts = ((made - x).double().square(), lap1(made, x), lap1(made, x, "paper"), exact.square())
        self.errors += torch.stack([part.double().sum() for part in parts])
        self.images += exact.sum(0)
        self.count += len(x)

    def result(self, skipped: int) -> Reconstruction:
        squared, equal, paper, energy = self.errors.tolist()
        of_mean = self.images.square().sum().item() / self.count
        return Reconstruction(
            count=self.count,
            mse=squared / (self.count * self.pixels),
            lap1=equal / self.count,
            lap1_paper=paper / self.count,
            variance=(energy - of_mean) / (self.count * self.pixels),
            skipped=skipped,
        )
