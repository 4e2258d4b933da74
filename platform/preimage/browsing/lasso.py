"""What a set of images that were chosen on the map has in common."""

from dataclasses import dataclass

import numpy as np
import torch

from preimage.browsing.samples_of_rows import sampled_rows
from preimage.browsing.subject import Subject
from preimage.errors import DataError

MOST = 2000
"""Means are of at most so many images and codes, a sample of the set."""
SHOWN = 12
CHUNK = 256


@dataclass(frozen=True, eq=False)
class Summary:
    """A set of images in short. Images are (H, W, C) uint8, None where they are not here."""

    count: int
    mean_code: np.ndarray
    """(d,) float32."""
    of_mean_code: np.ndarray | None
    """The generator's image of the mean code."""
    mean_image: np.ndarray | None
    """The mean of the originals."""
    mean_reconstruction: np.ndarray | None
    nearest: np.ndarray
    """(m,) int64: the ids whose codes are nearest to the mean code, the nearest first."""
    worst: np.ndarray
    """(m,) int64: the ids with the highest losses, the highest first; empty without losses."""
    loss_mean: float | None
    labels: dict[str, int]
    """How many have each label, the most frequent first; those without one are not counted."""
    notes: tuple[str, ...] = ()
    """Sentences: what is of a sample."""


def summary(subject: Subject, ids: np.ndarray, shown: int = SHOWN) -> Summary:
    """A set of images, by their ids (n,), at least one. shown: how many of the nearest and the worst.

    Raises StoreError for an id that has no code.
    """
    ids = np.unique(np.asarray(ids, np.int64))
    rows = subject.rows.at(ids)
    some = ids[sampled_rows(len(ids), MOST, 0)]
    codes = subject.codes_of(some)
    mean = codes.z.double().mean(0).float()
    order = (codes.z - mean).square().sum(1).argsort(stable=True)[:shown]
    losses = None if subject.rows.losses is None else subject.rows.losses[rows]
    worst = ids[:0] if losses is None else ids[np.argsort(-losses, kind="stable")[:shown]]
    labels = subject.rows.labels[rows]
    made, made_mean = _made(subject, mean, labels, codes.z, codes.label)
    original, note = _mean_original(subject, some)
    sampled = f"Means and nearest are of a sample of {len(some):,} of the {len(ids):,} images."
    return Summary(
        count=len(ids),
        mean_code=mean.numpy(),
        of_mean_code=made,
        mean_image=original,
        mean_reconstruction=made_mean,
        nearest=some[order.numpy()],
        worst=worst,
        loss_mean=None if losses is None else float(losses.astype(np.float64).mean()),
        labels=_counted(subject, labels),
        notes=((sampled,) if len(some) < len(ids) else ()) + note,
    )


def _made(
    subject: Subject, mean: torch.Tensor, labels: np.ndarray, z: torch.Tensor, of: torch.Tensor
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The image of the mean code, of the most frequent class, and the mean of all codes' images."""
    if not subject.generator:
        return None, None
    known = labels[labels >= 0]
    usual = np.array([np.bincount(known).argmax() if len(known) else 0])
    total = sum(
        subject.decode(some, given).sum(0, dtype=np.int64)
        for some, given in zip(z.split(CHUNK), of.split(CHUNK), strict=True)
    )
    return subject.decode(mean[None], usual)[0], _rounded(np.asarray(total) / len(z))


def _mean_original(subject: Subject, ids: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The mean of the originals; or none, and why they cannot be read."""
    if not subject.pixels:
        return None, ()
    parts = np.split(ids, range(CHUNK, len(ids), CHUNK))
    try:
        total = sum(subject.pixels.images(part).sum(0, dtype=np.int64) for part in parts)
    except DataError as error:
        return None, (f"The originals cannot be read: {error}",)
    return _rounded(np.asarray(total) / len(ids)), ()


def _rounded(image: np.ndarray) -> np.ndarray:
    return image.round().astype(np.uint8)


def _counted(subject: Subject, labels: np.ndarray) -> dict[str, int]:
    found, counts = np.unique(labels[labels >= 0], return_counts=True)
    names, order = subject.classes, np.argsort(-counts, kind="stable")
    return {
        names[label] if label < len(names) else str(label): int(count)
        for label, count in zip(found[order].tolist(), counts[order].tolist(), strict=True)
    }
