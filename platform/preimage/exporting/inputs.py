"""What goes into a generator, and what an exported one is called with."""

from collections.abc import Callable

from torch import Tensor, nn

from preimage.importing.probe import example_codes
from preimage.inversion.labels import classes_of, spread_labels

Images = Callable[[Tensor, Tensor | None], Tensor]
"""Images (n, C, H, W) of codes (n, d), and of class labels (n,) for a conditional generator."""


def examples(generator: nn.Module, count: int) -> dict[str, Tensor]:
    """Codes (count, d), and class labels (count,) int64 if the generator takes any, by their names."""
    codes = example_codes(count, generator.config.latent_dim)  # pyright: ignore
    labels = spread_labels(count, classes_of(generator), codes.device)
    return {"codes": codes} | ({} if labels is None else {"labels": labels})
