"""Fold BatchNorms in eval mode into the convolutions before them: the same images to rounding, faster."""

from itertools import pairwise
from typing import cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(module: nn.Module) -> None:
    """Replace each convolution that a BatchNorm follows by one that does both, and the BatchNorm by nothing.

    module: in eval mode; it applies its children in their order.
    """
    layers = cast("dict[str, nn.Module | None]", module._modules)
    for before, after in pairwise(list(layers)):
        convolution, norm = layers[before], layers[after]
        if not (is_plain(convolution) and is_plain(norm) and isinstance(norm, nn.BatchNorm2d)):
            continue
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        alone = isinstance(convolution, nn.Conv2d) or (transposed and convolution.groups == 1)
        if alone and norm.running_mean is not None:
            layers[before] = fuse_conv_bn_eval(convolution, norm, transposed)  # type: ignore[type-var]
            layers[after] = nn.Identity()


def is_plain(layer: nn.Module | None) -> bool:
    """Whether its weights alone define a layer: a subclass or a hook may do more, as in spectral norm."""
    if layer is None or layer._forward_pre_hooks or layer._forward_hooks:
        return False
    return type(layer) in (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
