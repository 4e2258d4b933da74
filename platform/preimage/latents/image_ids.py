"""Whether any image is in a store twice, in memory that does not grow with the store.

The rows of a dataset are a shuffle of its source that is computed by index, so an id's place in it is known.
Places that rise from row to row and from part to part are all different. Whoever writes a part compares its
rows, so that of a whole store only the ends of the parts are compared. Ids in any other order are sorted, a
share of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from preimage.permutation import Permutation
from preimage.random_streams import place_of

if TYPE_CHECKING:
    from torch import Tensor

HELD = 1 << 24
"""Ids in memory at a time, 8 bytes each."""

Span = tuple[int, int]
"""The places of the first and the last of some rows; those between rise."""


def span_of(image_id: Tensor, available: int | None) -> Span | None:
    """The span of ids (n,) int64 of a source of `available` images; None if their places do not rise."""
    ids = image_id.cpu().numpy()
    if not available or not len(ids) or ids.min() < 0 or ids.max() >= available:
        return None
    places = Permutation(available).position(ids)
    return (int(places[0]), int(places[-1])) if (np.diff(places) > 0).all() else None


def all_rise(spans: Sequence[Span | None]) -> bool:
    """Whether each span begins after the one before it: then no image is in two."""
    known = [span for span in spans if span]
    return None not in spans and all(before[1] < after[0] for before, after in pairwise(known))


def repeated(batches: Callable[[], Iterable[Tensor]], count: int) -> list[int]:
    """The first few ids that occur more than once among `count`, which stream in batches (n,) int64.

    Reads them once for every HELD of them: each pass takes those whose hash is in its share.
    """
    import torch

    passes = max(1, -(-count // HELD))
    found: set[int] = set()
    for number in range(passes):
        kept = [ids[(place_of(ids) * passes).long() == number] for ids in batches()]
        share = torch.cat(kept).numpy() if kept else np.empty(0, np.int64)
        del kept
        share.sort()
        found |= set(share[1:][share[1:] == share[:-1]][:100].tolist())
    return sorted(found)[:5]
