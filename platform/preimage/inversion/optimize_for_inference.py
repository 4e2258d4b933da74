"""Prepare a generator for inversion: frozen, in eval mode, its BatchNorms folded into its convolutions."""

from copy import deepcopy
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.fusion import fuse_conv_bn_eval

from preimage.errors import InversionError
from preimage.inversion.labels import classes_of, generate
from preimage.inversion.layers import quicker


def freeze(
    generator: nn.Module,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    optimize: bool = True,
) -> nn.Module:
    """A copy that computes the same images; leaves the original unchanged.

    Eval mode is required: batch statistics would couple the images of a batch, and the scale of a code could
    not be recovered. Weights get no gradients. `dtype` applies to weights and activations; codes (n, d) and
    images (n, C, H, W) are always float32. optimize: make layers that follow each other in an nn.Sequential
    one, and compute with channels last; wrong for a generator that calls such layers by themselves, or that
    views its activations in another shape.
    Raises InversionError for what is no module, cannot be copied, or has weights still to be drawn.
    """
    frozen = _evaluated(_copied(generator))
    for parameter in frozen.parameters():  # a traced module refuses to do it itself
        parameter.requires_grad_(False)
    device = device or next((p.device for p in frozen.parameters()), torch.device("cpu"))
    for module in list(frozen.modules()):
        if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
            layers = cast("dict[str, nn.Module | None]", module._modules)
            if optimize:
                _fold(layers)
            if device.type == "cpu":
                _quicken(layers)

    def placed(tensor: Tensor) -> Tensor:
        """Not by `to`, which drops imaginary parts and refuses tensors of five dimensions."""
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        layout = torch.channels_last if optimize and tensor.dim() == 4 else torch.preserve_format
        return tensor.to(device, kind, memory_format=layout)

    frozen._apply(placed)
    return frozen if dtype == torch.float32 else InPrecision(frozen, dtype)


class InPrecision(nn.Module):
    """A network that computes in another precision, from float32 to float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype, self.classes = network, dtype, classes_of(network)

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        return generate(self.network, codes.to(self.dtype), labels).float()


def _copied(generator: nn.Module) -> nn.Module:
    if not isinstance(generator, nn.Module):
        raise InversionError(
            f"a generator must be a torch.nn.Module, but this is a {type(generator).__name__}: call it in "
            "the forward of a module"
        )
    if any(map(is_lazy, [*generator.parameters(), *generator.buffers()])):
        raise InversionError(
            "the generator has lazy layers without weights: load them, or run it on codes first"
        )
    computed = {  # tensors that layers keep, as the older weight_norm does, which deepcopy refuses
        id(each): each.detach().clone()
        for module in generator.modules()
        for each in vars(module).values()
        if isinstance(each, Tensor) and not each.is_leaf
    }
    try:
        with torch.no_grad():
            return deepcopy(generator, computed)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise InversionError(
            f"the generator cannot be copied, and the search must not change yours ({error}): keep what "
            "cannot be copied out of the module"
        ) from error


def _evaluated(network: nn.Module) -> nn.Module:
    """In eval mode. An exported program refuses to change its mode, which was fixed when it was exported."""
    try:
        return network.eval()
    except NotImplementedError:
        for module in network.modules():
            module.training = False
        return network


def _fold(layers: dict[str, nn.Module | None]) -> None:
    """Replace each convolution followed by a BatchNorm with one that does both."""
    for before, after in pairwise(list(layers)):
        convolution, norm = layers[before], layers[after]
        if not (_plain(convolution) and _plain(norm) and isinstance(norm, nn.BatchNorm2d)):
            continue
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        alone = isinstance(convolution, nn.Conv2d) or (transposed and convolution.groups == 1)
        if alone and norm.running_mean is not None:
            layers[before] = fuse_conv_bn_eval(convolution, norm, transposed)  # type: ignore[type-var]
            layers[after] = nn.Identity()


def _quicken(layers: dict[str, nn.Module | None]) -> None:
    """Replace the transposed convolutions that are slow on CPUs."""
    for name, layer in layers.items():
        if _plain(layer) and isinstance(layer, nn.ConvTranspose2d):
            layers[name] = quicker(layer)


def _plain(layer: nn.Module | None) -> bool:
    """Whether the weights alone define the layer: a subclass or a hook may do more, as in spectral norm."""
    if layer is None or layer._forward_pre_hooks or layer._forward_hooks:
        return False
    return type(layer) in (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
