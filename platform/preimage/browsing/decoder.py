"""Codes to pictures, and the directions in which they vary: what sliders, walks and sums of codes show."""

from functools import cached_property
from threading import RLock

import numpy as np
import torch
from torch import Tensor, nn

from preimage.browsing.directions import Directions, principal_directions, principal_of_prior
from preimage.browsing.neighbours import nearest
from preimage.browsing.sensitive import sensitive_directions
from preimage.browsing.subject import Subject
from preimage.browsing.threads import quicker_count, threads
from preimage.data.pixels import to_uint8
from preimage.errors import GeneratorError
from preimage.float32 import float32_products
from preimage.inversion.labels import generate, in_batches
from preimage.inversion.optimize_for_inference import freeze
from preimage.inversion.quickest import quickest
from preimage.latents.statistics import store_moments

BATCH = 16
"""Images that are decoded at a time: larger batches are no faster on a few cores, and need more memory."""
KNOWN = 20_000
"""Codes among which a code's class is looked up, if none is given."""


class Decoder:
    """The generator of what is browsed, ready to decode. Its methods may be called from several threads: one
    decodes while the others wait, and another looks for directions, for which pictures need not wait.

    Raises GeneratorError if there is no generator, InversionError if it makes no images.
    """

    def __init__(self, subject: Subject) -> None:
        if subject.generator is None:
            reason = " ".join(subject.missing)
            raise GeneratorError(f"{subject.name} has no generator, so codes cannot be decoded. {reason}")
        self.subject = subject
        self._busy, self._slow, self._threads = RLock(), RLock(), 1
        dim = _latent_dim(subject)
        self._network, _, _, self.shape, self.classes = quickest(
            subject.generator, dim, torch.device("cpu"), mixed=False
        )
        self.latent_dim = dim
        self._threads = quicker_count(lambda: self.images(np.zeros((1, dim)), np.zeros(1)))

    def images(self, codes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """uint8 (n, H, W, C) of codes (n, d), or (n, *the shape in which the network takes them).

        labels: (n,), the classes, for a conditional generator; None: of each code that of the nearest code
        whose class is known, see `labels_near`. Others take none, and ignore them.
        """
        z = torch.as_tensor(np.asarray(codes, dtype=np.float32)).reshape(len(codes), self.latent_dim)
        if not len(z):
            channels, height, width = self.shape
            return np.zeros((0, height, width, channels), np.uint8)
        with self._busy, threads(self._threads):
            return _pictures(self._network, z, self._labels(z, labels))

    def labels_near(self, codes: np.ndarray) -> np.ndarray:
        """The classes (n,) int64 that a conditional generator is given for codes (n, d): those of the nearest
        of the store's first codes; class 0 where none has one."""
        with self._busy:
            ids, known, z = self._known
        if not len(known):
            return np.zeros(len(codes), dtype=np.int64)
        found = [int(nearest([(ids, z)], each, 1).ids[0]) for each in codes]
        return known[torch.tensor(found, dtype=torch.int64)].numpy()

    def principal(self, count: int) -> Directions:
        """The principal directions of the codes, at most d; without a store of the prior."""
        with self._slow:
            return self._all_principal.first(count)

    def sensitive(self, code: np.ndarray, count: int, label: int | None = None) -> Directions:
        """The directions from a code (d,) in which its image changes most, see `sensitive_directions`.

        Raises NoJacobianError if torch cannot differentiate the generator.
        """
        z = torch.as_tensor(np.asarray(code, dtype=np.float32)).flatten()
        with self._slow, threads(self._threads):
            labels = self._labels(z[None], None if label is None else np.array([label]))
            return sensitive_directions(self._plain, z, labels, count)

    def _labels(self, z: Tensor, labels: np.ndarray | None) -> Tensor | None:
        if not self.classes:
            return None
        given = self.labels_near(z.numpy()) if labels is None else np.asarray(labels)
        return torch.as_tensor(given, dtype=torch.int64).clamp(0, self.classes - 1)

    @cached_property
    def _plain(self) -> nn.Module:
        """The same network with its layers as they are, for derivatives."""
        assert self.subject.generator is not None
        return freeze(self.subject.generator, torch.device("cpu"), optimize=False)

    @cached_property
    def _all_principal(self) -> Directions:
        subject = self.subject
        if subject.store is not None:
            return principal_directions(store_moments(subject.store), self.latent_dim)
        return principal_of_prior(next(iter(subject.priors.values())), self.latent_dim)

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row numbers (m,), the labels there (m,) and their codes (m, d)."""
        labels, codes, count = [], [], 0
        if self.subject.store is not None:
            for some in self.subject.store.without_diverged(("z", "label")):
                there = some.label >= 0
                labels.append(some.label[there])
                codes.append(some.z[there])
                count += len(labels[-1])
                if count >= KNOWN:
                    break
        if not count:
            return torch.zeros(0).long(), torch.zeros(0).long(), torch.zeros(0, self.latent_dim)
        z = torch.cat(codes)[:KNOWN]
        return torch.arange(len(z)), torch.cat(labels)[:KNOWN].long(), z


def _latent_dim(subject: Subject) -> int:
    if subject.card is not None:
        return subject.card.generator.latent_dim
    if subject.store is not None:
        return subject.store.latent_dim
    return next(iter(subject.priors.values())).latent_dim


@torch.no_grad()
@float32_products("ieee")
def _pictures(network: nn.Module, z: Tensor, labels: Tensor | None) -> np.ndarray:
    made = [to_uint8(generate(network, *some)) for some in in_batches(z, labels, BATCH)]
    return torch.cat(made).permute(0, 2, 3, 1).contiguous().numpy()
