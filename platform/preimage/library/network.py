"""A generator as a user has it: a module, a generator folder or a run; and one try of what it makes."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.float32 import float32_products
from preimage.importing.calling import stated_dim
from preimage.inversion.labels import classes_of, generate, spread_labels
from preimage.latents.priors import PRIORS, Prior, make_prior
from preimage.latents.schema import GeneratorInfo
from preimage.library.opened import find_generator
from preimage.models.cards import GeneratorCard
from preimage.models.config import GeneratorConfig
from preimage.models.generator_folder import describe, load_generator, load_prior
from preimage.storage.folder import Folder

FAILED = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError)
"""What a module raises for codes that it does not take."""


@dataclass(frozen=True)
class Network:
    """A generator ready to be inverted."""

    module: nn.Module
    """A copy in eval mode and float32, whose weights take no gradients."""
    latent_dim: int | None
    """Components of its codes, if it says so."""
    prior: Prior | None
    """Its own prior, if it has one."""
    folder: Folder | None = None
    """Where it was found."""
    card: GeneratorCard | None = None

    @property
    def device(self) -> torch.device:
        return next((each.device for each in self.module.parameters()), torch.device("cpu"))

    def info(self) -> GeneratorInfo:
        """What a latent store says of it. Raises GeneratorError if its card does not describe it."""
        if self.card and self.folder:
            return GeneratorInfo(fingerprint=self.card.fingerprint, path=self.folder.uri)
        config = getattr(self.module, "config", None)
        if isinstance(config, GeneratorConfig):  # then the same as in its folder
            return GeneratorInfo(fingerprint=describe(self.module, None, {})[0].fingerprint)
        return GeneratorInfo(fingerprint=_fingerprint(self.module))


def open_network(
    generator: nn.Module | str | Path | Folder, results: str | None = None, code: str | Sequence[str] = ()
) -> Network:
    """A copy of a module, or the generator of a folder or a run, which may be built by the code of the named
    modules. Raises PreimageError if there is none."""
    if isinstance(generator, nn.Module):
        module = deepcopy(generator).eval().requires_grad_(False).float()
        config, dim = getattr(module, "config", None), stated_dim(module)
        prior = None
        if isinstance(config, GeneratorConfig) and config.prior in PRIORS:
            prior = make_prior(config.prior, config.latent_dim)
        return Network(module, dim, prior)
    if not isinstance(generator, str | Path | Folder):
        raise InversionError(
            "a generator is a torch.nn.Module, a generator folder or the name of a run, but this is a "
            f"{type(generator).__name__}: wrap a function in a module whose forward calls it"
        )
    folder = find_generator(generator, results)
    module, card = load_generator(folder, code)
    prior = load_prior(folder, card)
    return Network(module.requires_grad_(False), card.generator.latent_dim, prior, folder, card)


def inferred_dim(network: Network) -> int:
    """The components of a module's codes: what it says, or what its first layer takes if the whole module
    takes it too. Raises InversionError if neither is known."""
    if network.latent_dim:
        return network.latent_dim
    layer = next((each for each in network.module.modules() if list(each.parameters(recurse=False))), None)
    if isinstance(layer, nn.Linear) and _takes(network, torch.zeros(2, layer.in_features)):
        return layer.in_features
    raise InversionError(
        "how many components the generator's codes have is unknown: pass latent_dim, such as latent_dim=100"
    )


def try_out(network: Network, codes: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """The images (n, C, H, W) of codes (n, d), on the CPU.

    wanted: the shape (C, H, W) of the images to invert, for the advice. Raises InversionError if the
    generator does not take the codes, or returns anything but images.
    """
    try:
        images = _call(network, codes)
    except FAILED as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        problem = f"the generator did not take codes (n, {codes.shape[1]}): {first}"
        raise InversionError(problem + _reshaped(network, codes)) from error
    if not isinstance(images, Tensor):
        raise InversionError(_unwrapped(images))
    if images.dim() != 4 or len(images) != len(codes):
        flat = images.numel() == len(codes) * torch.Size(wanted).numel()
        advice = f": pass torch.nn.Sequential(generator, torch.nn.Flatten(), torch.nn.Unflatten(1, {wanted}))"
        raise InversionError(
            f"a generator must map codes (n, {codes.shape[1]}) to images (n, C, H, W), but this one returned "
            f"{tuple(images.shape)} for {len(codes)} codes{advice if flat else ''}"
        )
    return images.float().cpu()


@torch.no_grad()
@float32_products("ieee")
def _call(network: Network, codes: Tensor) -> Any:
    labels = spread_labels(len(codes), classes_of(network.module), network.device)
    return generate(network.module, codes.to(network.device), labels)


def _takes(network: Network, codes: Tensor) -> bool:
    try:
        _call(network, codes)
    except FAILED:
        return False
    return True


def _reshaped(network: Network, codes: Tensor) -> str:
    """What to do about a generator that takes the codes in another shape, if one is found."""
    dim = codes.shape[1]
    if not _takes(network, codes[:2, :, None, None]):
        return f". If its codes do not have {dim} components, pass latent_dim"
    unflatten = f"torch.nn.Unflatten(1, ({dim}, 1, 1))"
    return f". It takes (n, {dim}, 1, 1): pass torch.nn.Sequential({unflatten}, generator)"


def _unwrapped(made: Any) -> str:
    """The message for a generator that returns something else than one tensor."""
    parts: dict[str, Any] = {}
    if isinstance(made, Mapping):
        parts = {f"[{key!r}]": each for key, each in made.items()}
    elif isinstance(made, tuple | list):
        parts = {f"[{i}]": each for i, each in enumerate(made)}
    elif is_dataclass(made):
        parts = {f".{each.name}": getattr(made, each.name) for each in fields(made)}
    images = next((key for key, each in parts.items() if isinstance(each, Tensor) and each.dim() == 4), "[0]")
    return (
        f"the generator returns a {type(made).__name__}, not images (n, C, H, W): wrap it in a "
        f"torch.nn.Module whose forward returns the images alone, such as `return self.net(codes){images}`"
    )


def _fingerprint(module: nn.Module) -> str:
    """Of a module's class and its weights, whatever their device."""
    found = sha256(type(module).__qualname__.encode())
    for name, each in sorted(module.state_dict().items()):
        found.update(f"{name} {each.dtype} {tuple(each.shape)}".encode())
        found.update(each.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
