"""Prepare a generator for inversion: frozen, in eval mode, its BatchNorms folded into its convolutions."""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from preimage.errors import InversionError
from preimage.inversion.labels import classes_of, generate
from preimage.inversion.layers import quicker
from preimage.models.folding import fold_batch_norms, is_plain


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
            if optimize:
                fold_batch_norms(module)
            if device.type == "cpu":
                _quicken(module)

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


def _quicken(module: nn.Sequential) -> None:
    """Replace the transposed convolutions that are slow on CPUs."""
    layers = cast("dict[str, nn.Module | None]", module._modules)
    for name, layer in layers.items():
        if is_plain(layer) and isinstance(layer, nn.ConvTranspose2d):
            layers[name] = quicker(layer)
