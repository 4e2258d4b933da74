"""Draw codes from a generator's prior, and make their images."""

import torch
from torch import Tensor, nn

from preimage.float32 import float32_products
from preimage.inversion.labels import classes_of, generate, in_batches, labels_at
from preimage.latents.priors import Prior
from preimage.models.generator_folder import load_generator, load_prior
from preimage.models.prior_folder import load_fitted
from preimage.random_streams import Stream
from preimage.storage.folder import Folder


def open_generator(
    folder: Folder, device: torch.device, prior: Folder | None = None
) -> tuple[nn.Module, Prior]:
    """A generator in eval mode, and the given fitted prior or else the one it was trained with.

    Raises GeneratorError, PriorError.
    """
    generator, card = load_generator(folder)
    return generator.to(device), load_fitted(prior) if prior else load_prior(folder, card)


def draw_codes(prior: Prior, count: int, seed: int) -> Tensor:
    """(count, d), the same on every machine."""
    return prior.sample(count, Stream.PRIOR_CODES.generator(seed))


def draw_labels(network: nn.Module, count: int, seed: int) -> Tensor | None:
    """(count,) int64 on the CPU, uniform over the network's classes; None if it is not conditional."""
    if not (classes := classes_of(network)):
        return None
    return torch.randint(classes, (count,), generator=Stream.PRIOR_LABELS.generator(seed))


@torch.no_grad()
@float32_products("ieee")
def make_images(network: nn.Module, codes: Tensor, labels: Tensor | None = None) -> Tensor:
    """Images (n, C, H, W) of codes (n, d), and labels (n,) if the network is conditional, 256 at a time."""
    labels = labels_at(labels, slice(None), codes.device)
    return torch.cat([generate(network, *some) for some in in_batches(codes, labels, 256)])
