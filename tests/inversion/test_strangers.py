"""Generators that nobody here wrote."""

import threading
import warnings

import pytest
import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.jacobian import Jacobian
from preimage.latents.priors import Normal
from small_nets import Expanding, Linear, seeded
from strangers import Placed

SHORT = InversionConfig(steps=12, patience=None)


def images_of(generator: nn.Module, count: int = 4) -> Tensor:
    with torch.no_grad():
        return generator(seeded(count, 3, seed=5) / 2)


class Twice(torch.autograd.Function):
    """2 x, without rules for forward mode or vmap."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * grad


class Once(torch.autograd.Function):
    """2 x, which can be differentiated once and in reverse mode only."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        return 2 * grad


class Through(Expanding):
    """The images of Expanding, of codes halved and then changed back by `change`."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, codes: Tensor) -> Tensor:
        return super().forward(self.change(codes / 2))


def looking(codes: Tensor) -> Tensor:
    return codes + codes if codes.abs().sum() >= 0 else codes


def checkpointed(codes: Tensor) -> Tensor:
    return torch.utils.checkpoint.checkpoint(lambda each: each * 2, codes, use_reentrant=False)


def in_place(codes: Tensor) -> Tensor:
    filled = torch.empty(codes.shape)
    filled[:] = codes
    return filled.mul_(2)


def attending(codes: Tensor) -> Tensor:
    one = codes[:, None, None]
    return 2 * nn.functional.scaled_dot_product_attention(one, one, one)[:, 0, 0]


CHANGES = {
    "Function": Twice.apply,
    "control flow": looking,
    "checkpoint": checkpointed,
    "in place": in_place,
    "attention": attending,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("solver", ["lbfgs", "levenberg-marquardt"])
def test_without_rules_for_forward_mode_the_jacobian_is_found_in_reverse(name, solver, caplog):
    plain, other = Expanding(), Through(CHANGES[name])
    codes, origin = seeded(5, 3), torch.zeros(1, 3)
    (images, slopes), (expected_images, expected) = (
        Jacobian.of(net, origin)(codes) for net in (other, plain)
    )
    assert torch.allclose(images, expected_images, atol=1e-6)
    assert torch.allclose(slopes, expected, atol=1e-5)
    assert not slopes.requires_grad
    config = InversionConfig(solver=solver, steps=12, patience=None)
    mine, theirs = (invert(net, images_of(plain), config=config, prior=Normal(3)) for net in (other, plain))
    assert torch.allclose(mine.z, theirs.z, atol=1e-3)
    assert not caplog.records


def test_a_net_without_any_jacobian_is_inverted_as_any_other():
    net, images = Through(Once.apply), images_of(Expanding())
    found, plain = (invert(each, images, config=SHORT, prior=Normal(3)) for each in (net, Expanding()))
    assert torch.allclose(found.loss, plain.loss, rtol=1e-3, atol=1e-7)
    with pytest.raises(InversionError, match="which levenberg-marquardt needs: use solver=lbfgs"):
        invert(net, images, config=InversionConfig(solver="levenberg-marquardt"), prior=Normal(3))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_grad_mode_changes_nothing(mode):
    expected = invert(Expanding(), images_of(Expanding()), config=SHORT, prior=Normal(3))
    with mode():
        generator = Expanding()
        found = invert(generator, images_of(generator), config=SHORT, prior=Normal(3))
    assert torch.equal(found.z, expected.z)
    assert not found.z.is_inference()


def test_images_and_weights_in_double_precision_are_inverted_in_single():
    class Mixed(Expanding):
        def forward(self, codes: Tensor) -> Tensor:
            return super().forward(codes) * torch.ones((), dtype=torch.float64)[None]

    images = images_of(Expanding())
    expected = invert(Expanding(), images, config=SHORT, prior=Normal(3))
    for generator in (Expanding().double(), Mixed()):
        generator.second.data = generator.second.data.double()
        found = invert(generator, images.double(), config=SHORT, prior=Normal(3))
        assert found.loss.dtype == torch.float32
        assert torch.allclose(found.z, expected.z, atol=1e-3)
        assert generator.second.dtype == torch.float64


class Broken(Linear):
    def __init__(self, wrap) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, codes: Tensor) -> Tensor:
        return self.wrap(super().forward(codes))


REFUSED = {
    "returned a tuple: wrap it in a module": lambda: Broken(lambda images: (images, None)),
    "returned a dict: wrap it in a module": lambda: Broken(lambda images: {"sample": images}),
    r"returned \(2, 16\): wrap it in a module whose forward reshapes": lambda: Broken(lambda x: x.flatten(1)),
    r"does not take codes \(2, 3\): .*mat1 and mat2": lambda: nn.Linear(5, 16),
    "must be a torch.nn.Module, but this is a function": lambda: lambda codes: codes,
    "lazy layers without weights": lambda: nn.Sequential(nn.LazyLinear(16), nn.Unflatten(1, (1, 4, 4))),
    "cannot be copied": lambda: Broken(threading.Lock()),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_generator_is_refused_in_a_sentence(reason):
    with pytest.raises(InversionError, match=reason):
        Engine(REFUSED[reason](), SHORT, Normal(3))


def weight_norm() -> nn.Module:
    """The older one, which leaves a tensor that deepcopy refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(nn.ConvTranspose2d(3, 1, 4))


def exported() -> nn.Module:
    layers = nn.Sequential(nn.Unflatten(1, (3, 1, 1)), nn.ConvTranspose2d(3, 1, 4), nn.BatchNorm2d(1)).eval()
    batch = {"dynamic_shapes": ({0: torch.export.Dim("n", min=1)},)}
    return torch.export.export(layers, (torch.zeros(2, 3),), **batch).module()


class Volume(Linear):
    """Weights of five dimensions and complex ones, as StyleGANs and Fourier nets have."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.phase = nn.Parameter(seeded(1, 2, 3, 2, 2)), nn.Parameter(torch.tensor(2 + 1j))

    def forward(self, codes: Tensor) -> Tensor:
        return super().forward(codes) * self.deep.sum() * self.phase.imag


class Between(nn.Module):
    """Layers in an nn.Sequential, which it calls one by one, with something between them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.ConvTranspose2d(3, 1, 4), nn.BatchNorm2d(1))
        self.layers.get_buffer("1.running_var").fill_(0.3)

    def forward(self, codes: Tensor) -> Tensor:
        made = self.layers[0](codes.view(-1, 3, 1, 1))
        return self.layers[1](nn.functional.leaky_relu(made, 0.1) + 0.5)


LAYERS = {
    "weight_norm": weight_norm,
    "parametrizations.weight_norm": lambda: nn.utils.parametrizations.weight_norm(
        nn.ConvTranspose2d(3, 1, 4)
    ),
    "parametrizations.spectral_norm": lambda: nn.utils.parametrizations.spectral_norm(
        nn.ConvTranspose2d(3, 1, 4)
    ),
}


@pytest.mark.parametrize("name", [*LAYERS, "exported", "volume", "between"])
def test_unusual_modules_make_the_same_images_frozen(name):
    torch.manual_seed(0)
    if name in LAYERS:
        users: nn.Module = nn.Sequential(nn.Unflatten(1, (3, 1, 1)), LAYERS[name]()).eval()
    else:
        users = exported() if name == "exported" else Volume() if name == "volume" else Between().eval()
    with torch.no_grad():
        expected = users(seeded(4, 3))
        frozen = Engine(users, SHORT, Normal(3)).problem.network
        assert torch.allclose(frozen(seeded(4, 3)), expected, atol=1e-6)
    found = invert(users, expected, config=InversionConfig(), prior=Normal(3))
    assert found.loss.max() < 1e-8


def views(images: Tensor, targets: Tensor) -> Tensor:
    """A loss that insists on the usual layout of images."""
    return (images - targets).view(len(images), -1).square().mean(1)


def test_what_views_its_activations_in_another_shape_is_inverted():
    """With channels last, as convolutions are quicker, torch refuses to."""
    torch.manual_seed(0)
    network = Placed().eval()
    with torch.no_grad():
        images = network(seeded(4, 4) / 2)
    found = invert(network, images, config=InversionConfig(), prior=Normal(4), loss=views)
    assert found.loss.max() < 1e-6
    quick = nn.Sequential(nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, 3, 4), nn.Tanh())
    with torch.no_grad():
        images = quick(seeded(4, 4) / 2)
    assert invert(quick, images, config=InversionConfig(), prior=Normal(4), loss=views).loss.max() < 1e-6


def test_a_network_that_makes_float32_itself_is_not_inverted_in_low_precision():
    with pytest.raises(InversionError, match="does not compute in bfloat16; use precision=float32"):
        Engine(Placed(), SHORT.model_copy(update={"precision": "mixed"}), Normal(4))
