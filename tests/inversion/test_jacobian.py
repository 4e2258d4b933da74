import pytest
import torch
from torch import Tensor, nn

from preimage.inversion.jacobian import Jacobian
from preimage.inversion.optimize_for_inference import freeze


class Waves(nn.Module):
    """A user's generator, of known derivatives: pixel p of an image is sin(w_p . z)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2 * 3 * 5, 4, generator=torch.Generator().manual_seed(0)))

    def forward(self, codes: Tensor) -> Tensor:
        return (codes @ self.weight.T).sin().unflatten(1, (2, 3, 5))


def normal(count: int) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("chunk", [1, 2, 3, 8])
def test_it_is_the_closed_form_whatever_the_chunk(chunk):
    network, z = Waves(), normal(3)
    images, slopes = Jacobian(network)(z, chunk=chunk)
    expected = (z @ network.weight.T).cos()[:, None] * network.weight.T
    assert torch.allclose(images, network(z), atol=1e-6)
    assert torch.allclose(slopes, expected.unflatten(2, (2, 3, 5)), atol=1e-5)
    assert not images.requires_grad
    assert not slopes.requires_grad


def test_a_frozen_generators_are_finite_differences_in_float64(tiny_generator):
    z, step = normal(5), 1e-6
    images, slopes = Jacobian(freeze(tiny_generator))(z)
    exact = freeze(tiny_generator).double()
    assert images.dtype == slopes.dtype == torch.float32
    assert slopes.shape == (5, 4, 1, 16, 16)
    assert torch.allclose(images.double(), exact(z.double()), atol=1e-5)
    for i, along in enumerate(step * torch.eye(4, dtype=torch.float64)):
        difference = (exact(z + along) - exact(z - along)) / (2 * step)
        assert torch.allclose(slopes[:, i].double(), difference, atol=1e-5)


def test_bfloat16_is_near_and_float32_outside(tiny_generator):
    z = normal(5)
    images, slopes = Jacobian(freeze(tiny_generator, dtype=torch.bfloat16))(z)
    near_images, near_slopes = Jacobian(freeze(tiny_generator))(z)
    assert images.dtype == slopes.dtype == torch.float32
    assert (images - near_images).abs().max() < 0.05
    assert (slopes - near_slopes).norm() < 0.05 * near_slopes.norm()


def test_no_codes_have_no_derivatives(tiny_generator):
    images, slopes = Jacobian(freeze(tiny_generator))(torch.zeros(0, 4))
    assert images.shape == (0, 1, 16, 16)
    assert slopes.shape == (0, 4, 1, 16, 16)
