"""The codes of a latent store as training examples: standardised, without held-out ones."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from preimage.errors import StoreError
from preimage.latents.held_out import is_held_out
from preimage.latents.schema import Codes
from preimage.latents.statistics import Moments
from preimage.latents.store import Store
from preimage.storage.folder import Folder
from preimage.to_device import rows_to_device


class CodeRows(NamedTuple):
    """A worker's codes."""

    image_id: Tensor
    """(n,) int64."""
    z: Tensor
    """(n, d) float32, standardised: (code - mean) / scale."""
    mean: Tensor
    """(d,) float64."""
    scale: Tensor
    """(d,) float64: the standard deviation of each component."""

    def on(self, device: torch.device) -> "CodeRows":
        return self._replace(z=self.z.to(device))

    def batch(self, rows: Tensor, device: torch.device) -> Tensor:
        """Codes (n, d); rows: (n,)."""
        return rows_to_device(self.z, rows, device)


@dataclass(frozen=True, eq=False)
class CodeSet:
    """The codes that a prior is fitted to, in store order. They are streamed; a worker keeps its own."""

    store: Store
    held_out: float
    count: int
    mean: Tensor
    scale: Tensor

    @classmethod
    def open(cls, folder: Folder, held_out: float) -> "CodeSet":
        """The codes of images that are not held out and did not diverge. Raises StoreError if too few."""
        store = Store.open(folder)
        moments = Moments.empty(store.latent_dim)
        for codes in store.without_diverged(("z",)):
            moments = moments.update(codes.z[_kept(codes, held_out)])
        if moments.count < 2:
            raise StoreError(
                f"{folder.uri} must hold at least 2 codes to learn from but has {moments.count}: invert more "
                "images"
            )
        scale = moments.covariance.diagonal().sqrt()
        if not (scale > 0).all():
            raise StoreError(
                f"{folder.uri}: some components of the codes are constant, so no prior can be learned"
            )
        return cls(store, held_out, moments.count, moments.mean, scale)

    def read(self, start: int, stop: int) -> CodeRows:
        """The codes from `start` up to `stop`: a worker's shard."""
        ids, found, place = [], [], 0
        for codes in self.store.without_diverged(("z",)):
            kept = _kept(codes, self.held_out).nonzero().squeeze(1)
            mine = kept[max(start - place, 0) : max(stop - place, 0)]
            place += len(kept)
            ids.append(codes.image_id[mine])
            found.append(((codes.z[mine].double() - self.mean) / self.scale).float())
        return CodeRows(torch.cat(ids), torch.cat(found), self.mean, self.scale)


def _kept(codes: Codes, held_out: float) -> Tensor:
    """Which rows to learn from, (n,) bool."""
    return ~is_held_out(codes.image_id, held_out)
