"""Networks on disk: a card that says how to build one, and its weights in safetensors, checked by digest.
Nothing is ever unpickled."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from preimage.errors import PreimageError
from preimage.models.cards import CONFIG, WEIGHTS
from preimage.storage.folder import Folder, digest

Network = TypeVar("Network", bound=nn.Module)

MISFIT = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError)
"""What torch and Python raise for impossible tensors or network sizes."""


def packed(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Named tensors, and texts by name, as a file's content; equal values give equal bytes, whatever their
    device. Tensors that share memory are written twice."""
    plain, places = {}, set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        plain[name] = own.clone() if own.untyped_storage().data_ptr() in places else own
        places.add(own.untyped_storage().data_ptr())
    return save(plain, metadata)


def read_tensors(
    folder: Folder, name: str, sha256: str | None, error: type[PreimageError]
) -> dict[str, Tensor]:
    """Read what `packed` made from a folder's file.

    Raises `error` if the file is missing or altered, or holds a non-finite value.
    """
    data = folder.find(name) or b""
    if digest(data) != sha256:
        raise error(
            f"{folder / name} is missing, truncated or altered: its SHA-256 does not match "
            f"{CONFIG}. Copy the folder again, or delete {CONFIG} in the run's folder and run its job again."
        )
    try:
        tensors = load(data)
        broken = [key for key, each in tensors.items() if not each.isfinite().all()]
    except (SafetensorError, *MISFIT) as caught:
        raise error(f"{folder / name} does not fit {CONFIG}: {caught}") from caught
    if broken:
        raise error(
            f"{folder / name} holds a value that is not finite, in {broken[0]}: its training run diverged"
        )
    return tensors


def load_weights(
    build: Callable[[], Network], folder: Folder, sha256: str, error: type[PreimageError]
) -> Network:
    """The network that `build` makes, with the folder's weights, in eval mode.

    Allocates memory only once the weights are known to have its shapes: a card may claim any size. Raises
    `error` if they are missing or altered, or have the wrong shape.
    """
    tensors = read_tensors(folder, WEIGHTS, sha256, error)
    try:
        with torch.device("meta"):
            network = build()
        _require_same(network.state_dict(), tensors)
        network.to_empty(device="cpu").load_state_dict(tensors)
    except MISFIT as caught:
        raise error(f"{folder / WEIGHTS} does not fit {CONFIG}: {caught}") from caught
    return network.eval()


def fill_weights(network: Network, folder: Folder, sha256: str, error: type[PreimageError]) -> Network:
    """A built network with the folder's weights, in eval mode, on the CPU. Raises `error` as above."""
    tensors = read_tensors(folder, WEIGHTS, sha256, error)
    try:
        _require_same(network.state_dict(), tensors)
        network.load_state_dict(tensors)
    except MISFIT as caught:
        raise error(f"{folder / WEIGHTS} does not fit {CONFIG}: {caught}") from caught
    return network.cpu().eval()


def _require_same(own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless both have the same names, shapes and dtypes."""
    mine, theirs = (
        {name: (tuple(each.shape), each.dtype) for name, each in of.items()} for of in (own, found)
    )
    wrong = [name for name in sorted(mine.keys() | theirs.keys()) if mine.get(name) != theirs.get(name)]
    if wrong:
        name = wrong[0]
        raise ValueError(f"{name} should be {mine.get(name, 'absent')} but is {theirs.get(name, 'absent')}")
