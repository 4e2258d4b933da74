"""The Inception network behind the literature's scores: torch-fidelity's, with the weights of 2015."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import torch.hub
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from preimage.errors import ClassifierError
from preimage.extras import require
from preimage.models.folding import fold_batch_norms
from preimage.models.inception_weights import (
    FILE,
    HINT,
    PUBLISHED,
    URL,
    is_published,
)
from preimage.models.tensorflow_resize import resized
from preimage.storage.folder import digest

SIDE = 299
"""Of the images that its layers take, in pixels."""


def open_inception(weights: str | None = None) -> tuple[nn.Module, str]:
    """The network on the CPU, in eval mode, and the SHA-256 of its weights file.

    It takes images (n, C, H, W) uint8 of any size, grey or colour, resizes them to 299 pixels as TensorFlow 1
    did, and returns logits without a bias (n, 1008) and features (n, 2048), both float32.

    weights: the published file, or a .safetensors file of the same tensors. By default the published file is
    downloaded once into torch.hub's cache.
    Raises ClassifierError if the file is missing and cannot be downloaded, or is not the right one.
    """
    path = Path(weights).expanduser() if weights else _downloaded()
    require("the Inception network", "torch-fidelity", kind=ClassifierError)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ClassifierError(
            f"cannot read weights={path}: {error.strerror}. Name Inception's weights, {HINT}"
        ) from error
    sha256 = digest(data)
    return _Inception(_tensors(data, sha256, path), path), sha256


class _Inception(nn.Module):
    """The library's layers in its order, its BatchNorms folded into its convolutions, with channels last."""

    def __init__(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d  # slow to import

        super().__init__()
        library = _of_library(tensors, path)
        for block in library.modules():
            if isinstance(block, BasicConv2d):  # a convolution, a BatchNorm, and then a ReLU
                fold_batch_norms(block)
        self.weight = library.fc.weight
        self.layers = nn.Sequential(*(layer for name, layer in library.named_children() if name != "fc"))
        self.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        coloured = pixels.expand(-1, 3, -1, -1) if pixels.shape[1] == 1 else pixels
        scaled = (resized(coloured, SIDE) - 128) / 128
        features = self.layers(scaled.contiguous(memory_format=torch.channels_last)).flatten(1)
        return features.mm(self.weight.T), features


def _of_library(tensors: Mapping[str, Tensor], path: Path) -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # slow to import

    own = io.BytesIO()  # the library trusts the file it reads, so it gets one made here
    torch.save(dict(tensors), own)
    own.seek(0)
    try:
        return FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["logits_unbiased", "2048"],
            feature_extractor_weights_path=own,  # pyright: ignore[reportArgumentType]
        )
    except RuntimeError as error:
        reason = shorten(str(error), 300)
        raise ClassifierError(
            f"weights={path} does not hold Inception's tensors: {reason} Name {HINT}"
        ) from error


def _tensors(data: bytes, sha256: str, path: Path) -> dict[str, Tensor]:
    """Opens only the published file and .safetensors files. Raises ClassifierError for any other."""
    if is_published(sha256):
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if path.suffix != ".safetensors":
        raise ClassifierError(
            f"weights={path} is not the published file: its SHA-256 begins with {sha256[:8]}, not "
            f"{PUBLISHED}; it may be truncated. Name {HINT}"
        )
    try:
        return load(data)
    except SafetensorError as error:
        raise ClassifierError(f"weights={path} is damaged: {error}. Name {HINT}") from error


def _downloaded() -> Path:
    """The published file in torch.hub's cache, downloaded if needed."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if path.exists() and is_published(digest(path.read_bytes())):
        return path
    try:
        os.makedirs(path.parent, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(path), hash_prefix=PUBLISHED, progress=False)
    except (OSError, RuntimeError) as error:
        raise ClassifierError(
            f"Inception's weights are not on this machine and cannot be downloaded: {error}. Download "
            f"{FILE} from {URL} on a machine with internet access, copy it here, and set weights=PATH. "
            "Or score through a classifier of the dataset's own classes: classifier=NAME."
        ) from error
    return path
