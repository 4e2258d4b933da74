"""Weights on disk: safetensors, known by their digest. Nothing is ever unpickled."""

from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from preimage.errors import PreimageError
from preimage.storage import Folder, digest

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
