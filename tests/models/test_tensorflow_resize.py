import pytest
import torch
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from preimage.models.tensorflow_resize import resized


@pytest.mark.parametrize(
    "shape", [(2, 3, 32, 32), (1, 1, 1, 1), (2, 3, 28, 41), (1, 3, 299, 299), (1, 3, 310, 7)]
)
def test_every_bit_is_that_of_the_reference_library(shape):
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = interpolate_bilinear_2d_like_tensorflow1x(pixels.float(), (299, 299), align_corners=False)
    found = resized(pixels, 299)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_an_output_lies_between_two_pixels_at_their_share():
    pixels = torch.tensor([[[[0, 90], [30, 120]]]], dtype=torch.uint8)
    expected = torch.tensor([[0, 60, 90.0], [20, 80, 110], [30, 90, 120]])
    assert torch.allclose(resized(pixels, 3)[0, 0], expected, atol=1e-5)
