import pytest
import torch
from torchvision.utils import make_grid

from preimage.figures.grids import tiled


@pytest.mark.parametrize("count", [1, 2, 5, 6])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("padding", [1, 2])
def test_tiles_lie_as_torchvision_lays_them(count, channels, padding):
    images = torch.randint(256, (count, channels, 3, 5), dtype=torch.uint8)
    expected = make_grid(images, nrow=3, padding=padding, pad_value=255).permute(1, 2, 0)
    assert (tiled(images, 3, padding) == expected.numpy()).all()
    assert (tiled(list(images), 3, padding) == expected.numpy()).all()
