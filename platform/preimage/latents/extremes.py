"""The images of a store with the highest or the lowest losses."""

import numpy as np
import torch

from preimage.latents.schema import Codes, concatenate
from preimage.latents.store import Store


def worst(store: Store, count: int) -> Codes:
    """At most `count` rows: those whose search diverged, which have no loss, then those with the highest
    losses, in that order; equal ones by image_id. Reads image_id, label and loss alone, batch by batch.

    Raises StoreError for codes that no search found, which have no losses."""
    return _first(store, count, -1)


def best(store: Store, count: int) -> Codes:
    """At most `count` rows with the lowest losses, the lowest first; diverged ones come last."""
    return _first(store, count, 1)


def _first(store: Store, count: int, sign: int) -> Codes:
    store.require_search()
    kept: Codes | None = None
    for codes in store.batches(("label", "loss")):
        kept = concatenate([kept, codes]) if kept else codes
        losses = sign * kept.loss.nan_to_num(torch.inf).numpy()
        order = np.lexsort((kept.image_id.numpy(), losses))[:count]
        kept = kept[torch.from_numpy(order)]
    assert kept, "every store has a part"
    return kept
