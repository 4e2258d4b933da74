"""A fixed shuffle that is computed by index: no array of all positions."""

from dataclasses import dataclass

import numpy as np

_ROUNDS = 8
_KEY = 20_240_917
_ODD = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # splitmix64's multipliers


@dataclass(frozen=True)
class Permutation:
    """A bijection of 0 to n - 1: a Feistel network on the next power of two, walked until it is below n.

    The same for the same n, on any machine. Source: Black and Rogaway, Ciphers with arbitrary finite domains
    (2002), section 4, cycle walking."""

    n: int

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The elements at these positions, (k,) int64."""
        return self._walk(positions, range(_ROUNDS))

    def position(self, elements: np.ndarray) -> np.ndarray:
        """The inverse of `at`, (k,) int64."""
        return self._walk(elements, range(_ROUNDS - 1, -1, -1))

    def _walk(self, values: np.ndarray, rounds: range) -> np.ndarray:
        found = self._network(np.asarray(values).astype(np.uint64), rounds)
        while len(outside := np.flatnonzero(found >= self.n)):
            found[outside] = self._network(found[outside], rounds)
        return found.astype(np.int64)

    def _network(self, values: np.ndarray, rounds: range) -> np.ndarray:
        """Even rounds change the low half by the high one, odd rounds the high half by the low one."""
        bits = max(2, (self.n - 1).bit_length())
        low = np.uint64(bits // 2)
        mask = np.uint64((1 << (bits // 2)) - 1), np.uint64((1 << (bits - bits // 2)) - 1)
        halves = [values & mask[0], values >> low]
        for number in rounds:
            changed = number % 2
            halves[changed] ^= _mixed(halves[1 - changed], number) & mask[changed]
        return halves[0] | halves[1] << low


def _mixed(values: np.ndarray, number: int) -> np.ndarray:
    """splitmix64's finalizer of values and a round's key."""
    mixed = values + np.uint64((_KEY + 0x9E3779B97F4A7C15 * (number + 1)) % 2**64)
    for shift, odd in zip((30, 27), _ODD, strict=True):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(odd)
    return mixed ^ (mixed >> np.uint64(31))
