"""Networks on disk: a card that says how to build one, and its weights in safetensors, known by their digest.
Nothing is ever unpickled."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from preimage.config import Config
from preimage.errors import PreimageError, StorageError
from preimage.storage import Folder, digest

Card = TypeVar("Card", bound=Config)

CONFIG, WEIGHTS = "config.json", "weights.safetensors"


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors by name as a file's content; the same for the same values, wherever they were."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def read_tensors(
    folder: Folder, name: str, sha256: str | None, error: type[PreimageError]
) -> dict[str, Tensor]:
    """What `packed` wrote to a folder under that name. Raises `error` where it is missing or altered."""
    data = folder.read(name) if folder.exists(name) else b""
    if digest(data) != sha256:
        raise error(
            f"{folder.uri}/{name} is missing, cut short or altered: its SHA-256 is not the one in "
            f"{CONFIG}. Copy the folder again, or delete {CONFIG} in the run's folder and run its job again."
        )
    try:
        return load(data)
    except SafetensorError as caught:
        raise error(f"{folder.uri}/{name} does not fit {CONFIG}: {caught}") from caught


def read_config(folder: Folder, card: type[Card], what: str, error: type[PreimageError]) -> Card:
    """The card of a network's folder. Raises `error` where there is none that can be read.

    what: what a person calls the network.
    """
    if not folder.exists(CONFIG):
        raise error(
            f"{folder.uri} is not a {what} folder: it has no {CONFIG}. "
            "Give the folder a training left behind, or the training run's name."
        )
    try:
        return card.model_validate(folder.read_json(CONFIG))
    except (ValidationError, StorageError) as caught:
        raise error(f"{folder.uri}/{CONFIG} does not describe a {what}: {caught}") from caught


def load_weights(network: nn.Module, folder: Folder, sha256: str, error: type[PreimageError]) -> nn.Module:
    """The network with the weights of its folder, in eval mode.

    Raises `error` where they are missing or altered, or fit another shape.
    """
    try:
        network.load_state_dict(read_tensors(folder, WEIGHTS, sha256, error))
    except RuntimeError as caught:
        raise error(f"{folder.uri}/{WEIGHTS} does not fit {CONFIG}: {caught}") from caught
    return network.eval()
