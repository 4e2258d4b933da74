"""Generators, losses and solvers that nobody here wrote."""

import threading
import warnings

import pytest
import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion import Engine, InversionConfig, invert
from preimage.inversion.jacobian import Jacobian
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import State, Step
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


def test_a_net_without_any_jacobian_is_inverted_without_whitening_and_that_is_said(caplog):
    net, images = Through(Once.apply), images_of(Expanding())
    engine = Engine(net, SHORT, Normal(3))
    assert engine.whitening is None
    assert "Jacobian" in (engine.unwhitened or "")
    assert [each.getMessage() for each in caplog.records] == [
        f"{engine.unwhitened}: it is inverted without whitening, which takes more steps."
    ]
    found = engine.invert(images)
    plain = invert(Expanding(), images, config=SHORT.model_copy(update={"whiten": False}), prior=Normal(3))
    assert torch.allclose(found.loss, plain.loss, rtol=1e-3, atol=1e-7)
    with pytest.raises(InversionError, match="which levenberg-marquardt needs: use solver=lbfgs"):
        invert(net, images, config=InversionConfig(solver="levenberg-marquardt"), prior=Normal(3))


class Squares(nn.Module):
    """A user's loss, with weights and a mode of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.drop = nn.Parameter(torch.ones(1)), nn.Dropout(0.5)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        return self.drop(self.scale * (images - targets)).square().mean((1, 2, 3))


def squares(images: Tensor, targets: Tensor) -> Tensor:
    return (images - targets).square().mean((1, 2, 3))


@pytest.mark.parametrize("loss", [squares, Squares()], ids=["function", "module"])
@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_a_loss_of_ones_own_does_what_the_built_in_does(loss, solver):
    generator, images = Expanding(), images_of(Expanding())
    config = InversionConfig(solver=solver, steps=12, patience=None)
    mine = invert(generator, images, config=config, prior=Normal(3), loss=loss)
    built_in = invert(generator, images, config=config, prior=Normal(3))
    assert torch.allclose(mine.z, built_in.z, atol=1e-4)
    assert torch.allclose(mine.loss, built_in.loss, rtol=1e-3, atol=1e-8)


LOSSES = {
    "one number per image": nn.MSELoss(),
    "no gradient": lambda images, targets: squares(images.detach(), targets),
    "not finite": lambda images, targets: images.log().sum((1, 2, 3)),
}


@pytest.mark.parametrize("reason", LOSSES)
def test_a_loss_that_cannot_be_minimised_is_refused(reason):
    with pytest.raises(InversionError, match=reason):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), loss=LOSSES[reason])


def test_levenberg_marquardt_takes_no_loss_of_ones_own():
    config = InversionConfig(solver="levenberg-marquardt")
    with pytest.raises(InversionError, match="minimises squares only"):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), config, loss=squares)


class Signs:
    """A user's solver: steps of a fixed length against each component's sign."""

    searches = False

    def begin(self, z: Tensor) -> State:
        return {"length": torch.full_like(z, 0.1)}

    def step(self, problem: Problem, rows: Rows, state: State) -> Step:
        loss, gradient = problem.loss_and_gradient(rows)
        z = rows.z - state["length"] * gradient.sign()
        state["length"] *= 0.9
        return Step(loss, z, 2)


def test_a_solver_of_ones_own_is_followed():
    generator, images = Linear(), torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    config = InversionConfig(steps=7, patience=None, batch_size=2)
    found = invert(generator, images, torch.zeros(5, 3), config, solver=Signs(), keep=(6,))
    z, length = torch.zeros(5, 3), 0.1
    for _ in range(6):
        error = z @ generator.weight.T - images.flatten(1)
        z, length = z - length * (error @ generator.weight).sign(), length * 0.9
    assert torch.allclose(found.kept_z[:, 0], z.detach(), atol=1e-6)
    assert found.passes.tolist() == [14] * 5
    with pytest.raises(InversionError, match="constraint=clip is for the built-in solvers"):
        Engine(generator, InversionConfig(constraint="clip"), Normal(3), started=True, solver=Signs())
    with pytest.raises(InversionError, match="a solver needs `searches`, `begin` and `step`"):
        Engine(generator, config, Normal(3), solver=object())  # pyright: ignore[reportArgumentType]


class Classes(nn.Module):
    """Another linear generator for each class."""

    classes = 3

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(seeded(3, 16, 3))

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        return torch.einsum("npd,nd->np", self.weight[labels], codes).view(-1, 1, 4, 4)


@pytest.mark.parametrize("solver", ["lbfgs", "levenberg-marquardt", "momentum"])
def test_codes_are_found_with_the_labels_of_their_images_and_no_others(solver):
    generator, codes, labels = Classes(), seeded(8, 3, seed=2), torch.arange(8) % 3
    images = generator(codes, labels).detach()
    settings = {"whiten": True, "precision": "mixed"} if solver == "momentum" else {"restarts": 1}
    config = InversionConfig(solver=solver, batch_size=3, **settings)
    found = invert(generator, images, config=config, prior=Normal(3), labels=labels.int())
    assert (found.z - codes).abs().max() < (0.1 if solver == "momentum" else 1e-3)
    wrong = invert(generator, images, config=config, prior=Normal(3), labels=(labels + 1) % 3)
    assert wrong.loss.min() > 10 * found.loss.max()


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (None, "conditional on 3 classes: give labels"),
        (torch.tensor([0, 3]), "labels must be 0 to 2, the generator's classes, but one is 3"),
        (torch.tensor([0, -1]), "but one is -1"),
        (torch.zeros(3).long(), r"2 whole numbers, one per image, but are \(3,\)"),
        (torch.zeros(2), "whole numbers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, reason):
    with pytest.raises(InversionError, match=reason):
        invert(Classes(), torch.zeros(2, 1, 4, 4), config=SHORT, prior=Normal(3), labels=labels)


def test_labels_for_a_generator_without_classes_are_refused():
    with pytest.raises(InversionError, match="takes no labels"):
        invert(Linear(), torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), labels=torch.zeros(2).long())


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
