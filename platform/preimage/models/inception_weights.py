"""Inception's weights: which file they are in, and what it takes."""

from pathlib import Path

from preimage.errors import ClassifierError

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
FILE = URL.rsplit("/", 1)[1]
PUBLISHED = FILE.removesuffix(".pth").rsplit("-", 1)[1]
"""The start of the published weights' SHA-256, which ends the file's name."""
HINT = f"the file {FILE} (from {URL}) or a .safetensors file of the same tensors."


def require_weights(weights: str | None) -> None:
    """Raise ClassifierError if a named file does not exist."""
    if weights and not Path(weights).expanduser().is_file():
        raise ClassifierError(f"weights={weights} does not exist: name Inception's weights, {HINT}")


def require_colours(channels: int) -> None:
    """Raise ClassifierError for images with an opacity, which Inception does not take."""
    if channels not in (1, 3):
        raise ClassifierError(
            f"Inception scores images of 1 or 3 channels, but these have {channels}: name a classifier "
            "trained on such images (preimage run classifier)"
        )


def is_published(sha256: str) -> bool:
    """Whether weights of that SHA-256 are those behind the literature's scores."""
    return sha256.startswith(PUBLISHED)
