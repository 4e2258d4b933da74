"""Samples of a store's rows."""

import numpy as np

BLOCK = 50
"""Rows that are taken together: so much of a store, and of its images, lies together and is read at once."""


def sampled_rows(count: int, most: int, seed: int) -> np.ndarray:
    """The numbers, ascending, of at most `most` of `count` rows: random blocks of consecutive ones.

    A store's rows are a shuffle of their images, so that blocks are as fair as single rows; where they are in
    another order, such as that of an imported table, there are enough blocks to see all of it.
    """
    if count <= most:
        return np.arange(count)
    size = max(1, min(BLOCK, most // 100))
    blocks = np.random.default_rng(seed).permutation(-(-count // size))
    rows = (np.sort(blocks[: -(-most // size) + 1])[:, None] * size + np.arange(size)).ravel()
    return rows[rows < count][:most]
