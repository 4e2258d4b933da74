"""Class-conditional generators: modules with an attribute `classes` that take (codes (n, d), labels (n,))."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from preimage.errors import InversionError


def classes_of(generator: nn.Module) -> int:
    """The number of classes of a conditional generator; 0 for one that takes codes alone.

    Raises InversionError for an attribute `classes` that is no number.
    """
    classes = getattr(generator, "classes", 0)
    if not isinstance(classes, int):
        raise InversionError(
            f"the generator's attribute `classes` must be its number of classes, or 0, but is {classes!r}"
        )
    return classes


def generate(network: nn.Module, codes: Tensor, labels: Tensor | None) -> Tensor:
    """Images (n, C, H, W) of codes (n, d), and of labels (n,) int64 if the network is conditional."""
    return network(codes) if labels is None else network(codes, labels)


def in_batches(codes: Tensor, labels: Tensor | None, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Codes and their labels, `size` at a time; no codes are one empty batch."""
    parts = codes.split(size)
    return zip(parts, [None] * len(parts) if labels is None else labels.split(size), strict=True)


def labels_at(labels: Tensor | None, rows: Tensor | slice, device: torch.device) -> Tensor | None:
    """Those of some rows, on a device; None of a generator that is not conditional."""
    return None if labels is None else labels[rows].to(device)


def spread_labels(count: int, classes: int, device: torch.device) -> Tensor | None:
    """(count,) int64, spread evenly over all classes; None if there are none."""
    return torch.arange(count, device=device) * classes // count if classes else None


def require_labels(labels: Tensor | None, classes: int, images: int) -> Tensor | None:
    """The labels (images,) as int64 on the CPU, None for an unconditional generator.

    Raises InversionError if the generator needs labels and these do not fit, or needs none.
    """
    if not classes:
        if labels is not None:
            raise InversionError(
                "the generator takes no labels: remove labels, or set its attribute `classes`"
            )
        return None
    if labels is None:
        raise InversionError(f"the generator is conditional on {classes} classes: give labels, one per image")
    if labels.shape != (images,) or labels.is_floating_point() or labels.is_complex():
        raise InversionError(
            f"labels must be {images} whole numbers, one per image, but are {tuple(labels.shape)} "
            f"{labels.dtype}"
        )
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise InversionError(
            f"labels must be 0 to {classes - 1}, the generator's classes, but one is {int(wrong[0])}"
        )
    return labels.to("cpu", torch.int64)
