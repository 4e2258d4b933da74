from typing import Any

import torch
from torch import nn

from preimage.models.folding import fold_batch_norms


def test_each_convolution_takes_the_batch_norm_that_follows_it_and_no_other():
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 4, 3, groups=2),
        nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 3, 3),
        nn.BatchNorm2d(3),
    )
    images = torch.randn(5, 2, 6, 6)
    for _ in range(10):
        layers(3 * images + 1)
    expected = layers.eval().double()(images.double())
    layers.float()
    fold_batch_norms(layers)
    kinds = [type(layer) for layer in layers]
    assert [kinds.index(nn.Identity), kinds.count(nn.Identity), kinds.count(nn.BatchNorm2d)] == [1, 2, 2]
    assert torch.allclose(layers(images).double(), expected, atol=1e-5)


def _doubled(layer: nn.Module, taken: Any, made: torch.Tensor) -> torch.Tensor:
    return 2 * made


def test_a_layer_with_a_hook_does_more_than_its_weights_say():
    layers = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).eval()
    layers[0].register_forward_hook(_doubled)
    fold_batch_norms(layers)
    assert isinstance(layers[1], nn.BatchNorm2d)
