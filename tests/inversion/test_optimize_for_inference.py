import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import jacfwd

from preimage.inversion.layers import FromPoints, SubPixel, quicker
from preimage.inversion.optimize_for_inference import freeze
from preimage.models.config import DcganConfig
from preimage.models.dcgan import Generator, build_pair

SMALL = {"latent_dim": 5, "prior": "normal", "image_size": 16, "channels": 1, "base_channels": 6}


def generator(**changes: object) -> Generator:
    """A small one whose BatchNorms have seen data, and whose images are not all grey."""
    made, _ = build_pair(DcganConfig.model_validate(SMALL | changes), seed=1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
        for _ in range(20):
            made(codes(32))
    return made


def codes(count: int, dim: int = 5) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(count))


def gradient(network: nn.Module, z: Tensor) -> Tensor:
    """Of a weighted sum of the pixels."""
    z = z.clone().requires_grad_()
    images = network(z)
    weights = torch.randn(images.shape, generator=torch.Generator().manual_seed(1)).to(z)
    return torch.autograd.grad((images * weights).sum(), z)[0]


SIZES = [{"image_size": size} for size in (16, 32, 48, 64, 128, 28, (16, 40))]
FILTERS = [{"kernel_size": size, "channels": channels} for size in (3, 4, 5, 8, 9) for channels in (1, 3)]


@pytest.mark.parametrize("changes", SIZES + FILTERS, ids=str)
def test_images_and_gradients_are_the_generators(changes):
    original = generator(**changes).eval()
    frozen, z = freeze(original), codes(6)
    assert [type(m) for m in frozen.modules()].count(SubPixel) == 1
    assert [type(m) for m in frozen.modules()].count(FromPoints) == 1
    exact = original.double()
    with torch.no_grad():
        images = exact(z.double())
        assert torch.allclose(frozen(z).double(), images, atol=1e-5)
    expected, slope = gradient(exact, z.double()), gradient(frozen, z).double()
    assert (slope - expected).norm() < 1e-4 * expected.norm()


def test_bfloat16_takes_and_gives_float32():
    original, z = generator(image_size=32).eval(), codes(8)
    frozen = freeze(original, dtype=torch.bfloat16)
    assert {p.dtype for p in frozen.parameters()} == {torch.bfloat16}
    images, slope = frozen(z).detach(), gradient(frozen, z)
    assert images.dtype == slope.dtype == torch.float32
    expected = gradient(original, z)
    assert (images - original(z)).abs().max() < 0.1
    assert (slope - expected).norm() < 0.2 * expected.norm()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_layer_is_replaced_by_the_same_map(data):
    stride, side = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    padding = data.draw(st.integers(0, 4))
    extra = data.draw(st.integers(0, stride - 1))
    layer = nn.ConvTranspose2d(2, 1, side, stride, padding, extra, bias=data.draw(st.booleans())).double()
    maps = torch.randn(3, 2, *data.draw(st.sampled_from([(1, 1), (4, 4), (3, 6)])), dtype=torch.float64)
    assume(all((size - 1) * stride - 2 * padding + side + extra > 0 for size in maps.shape[2:]))
    other = quicker(layer)
    for one in (maps, maps[0]):  # a batch, and a single map
        assert torch.allclose(other(one), layer(one), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself
def test_forward_mode_agrees_with_reverse_mode(dtype):
    frozen, z = freeze(generator(channels=3), dtype=dtype), codes(1)
    reverse = torch.autograd.functional.jacobian(lambda code: frozen(code[None])[0], z[0])
    forward = jacfwd(lambda code: frozen(code[None])[0])(z[0])
    assert isinstance(reverse, Tensor)
    assert (forward - reverse).norm() < (1e-5 if dtype == torch.float32 else 0.05) * reverse.norm()


def test_the_original_is_left_as_it_was():
    original = generator()
    before = {name: value.clone() for name, value in original.state_dict().items()}
    layers, frozen = list(original.modules()), freeze(original)
    assert list(original.modules()) == layers
    assert original.training
    assert all(p.requires_grad for p in original.parameters())
    assert all(torch.equal(value, before[name]) for name, value in original.state_dict().items())
    assert not frozen.training
    assert not any(p.requires_grad for p in frozen.parameters())


class Residual(nn.Sequential):
    """Not what its layers one after the other say."""

    def forward(self, input: Tensor) -> Tensor:
        return input + super().forward(input)


class Doubled(nn.ConvTranspose2d):
    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return 2 * super().forward(input, output_size)


class Loose(nn.Module):
    """Layers outside of an nn.Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm = nn.ConvTranspose2d(3, 3, 4, 2, 1), nn.BatchNorm2d(3)

    def forward(self, input: Tensor) -> Tensor:
        return self.norm(self.up(input)).sin()


def hooked() -> nn.Module:
    layer = nn.ConvTranspose2d(3, 3, 4, 2, 1)
    layer.register_forward_hook(lambda module, inputs, output: output.square())
    return layer


def parametrised() -> nn.Module:
    return nn.utils.parametrizations.spectral_norm(nn.ConvTranspose2d(3, 3, 4, 2, 1))


UNKNOWN = {
    "residual": lambda: Residual(nn.ConvTranspose2d(3, 3, 3, 1, 1), nn.BatchNorm2d(3)),
    "subclass": lambda: Doubled(3, 3, 4, 2, 1),
    "loose": Loose,
    "hooked": hooked,
    "parametrised": parametrised,
    "grouped": lambda: nn.ConvTranspose2d(3, 3, 4, 2, 1, groups=3),
    "dilated": lambda: nn.ConvTranspose2d(3, 3, 3, 2, 1, dilation=2),
    "oblong": lambda: nn.ConvTranspose2d(3, 3, (4, 2), 2),
    "wide": lambda: nn.ConvTranspose2d(3, 40, 4, 2, 1),
    "unnormed": lambda: nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_left_alone(name):
    torch.manual_seed(0)
    users = nn.Sequential(nn.Unflatten(1, (3, 4, 4)), UNKNOWN[name](), nn.Tanh())
    users(torch.randn(20, 48))
    users.eval()
    frozen, z = freeze(users), torch.randn(4, 48)
    assert [type(m) for m in frozen.modules()] == [type(m) for m in users.modules()]
    assert torch.allclose(frozen(z), users(z), atol=1e-6)


def test_a_norm_after_a_grouped_convolution_counts():
    users = nn.Sequential(
        nn.Unflatten(1, (4, 3, 3)), nn.ConvTranspose2d(4, 4, 4, 2, groups=2), nn.BatchNorm2d(4)
    )
    for _ in range(5):
        users(3 + torch.randn(20, 36))
    z = torch.randn(3, 36)
    assert torch.allclose(freeze(users)(z), users.eval()(z), atol=1e-5)
