"""The codes of chosen images, from a store's batches."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from preimage.errors import StoreError
from preimage.latents.schema import Codes

NAMED = 10
"""The most ids or labels that a message lists."""


def chosen_codes(batches: Iterable[Codes], ids: Sequence[int], count: int, latent_dim: int) -> Tensor:
    """The codes (n, d) of these images, in that order; ids may repeat. count: of the rows in the store.

    Raises StoreError for images that are not among the batches.
    """
    wanted, found = torch.tensor(ids, dtype=torch.int64), {}
    for codes in batches:
        here = torch.isin(codes.image_id, wanted)
        found |= zip(codes.image_id[here].tolist(), codes.z[here], strict=True)
    if missing := sorted(set(ids) - found.keys()):
        raise StoreError(
            f"the store has no code of image {listed(missing)}, or the search for it diverged: "
            f"choose among its {count:,} image_ids"
        )
    return torch.stack([found[each] for each in ids]) if ids else torch.zeros(0, latent_dim)


def listed(numbers: Sequence[int]) -> str:
    """The first of some numbers, as a message names them."""
    return ", ".join(map(str, numbers[:NAMED])) + (", ..." if len(numbers) > NAMED else "")
