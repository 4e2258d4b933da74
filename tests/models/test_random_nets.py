from math import inf, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.models.random_nets import RandomNet, expansivity

ACTIVATIONS = ("relu", "leaky-relu", "sigmoid", "tanh")


def test_the_papers_net_makes_one_channel_of_17_pixels():
    assert RandomNet()(torch.randn(3, 2)).shape == (3, 1, 17, 17)


def test_a_net_is_its_seeds_alone():
    codes = torch.randn(5, 2)
    first = RandomNet(seed=4)(codes)
    torch.manual_seed(99)
    assert torch.equal(RandomNet(seed=4)(codes), first)
    assert not torch.equal(RandomNet(seed=5)(codes), first)


def test_the_layers_are_transposed_convolutions_with_the_activation_after_each():
    net = RandomNet((2, 3, 1), kernel=2, stride=2, activation="tanh", gain=0.5, seed=1).double()
    first, second = (layer.weight for layer in net.convolutions)
    code = torch.randn(2, dtype=torch.float64)
    hidden = torch.tanh(torch.einsum("i,iopq->opq", code, first))  # from one pixel: the kernels themselves
    image = torch.zeros(4, 4, dtype=torch.float64)
    for y in range(2):
        for x in range(2):
            image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = torch.einsum(
                "o,opq->pq", hidden[:, y, x], second[:, 0]
            )
    torch.testing.assert_close(net(code[None])[0, 0], torch.tanh(image))


SCALE = (64 * 9) ** -0.5
"""The standard deviation of theorem 1 in the layer below."""


@pytest.mark.parametrize(
    ("law", "mean", "std", "most"),
    [
        ("normal", 0, 1, None),
        ("theorem", 0, SCALE, None),
        ("uniform", 0.5, 12**-0.5, 1),
        ("uniform-zero-mean", 0, SCALE, 3**0.5 * SCALE),
        ("rademacher", 0, SCALE, SCALE),
    ],
)
def test_weights_follow_their_law(law, mean, std, most):
    weight = RandomNet((32, 64), kernel=3, weights=law).convolutions[0].weight
    assert weight.mean() == pytest.approx(mean, abs=4 * std / weight.numel() ** 0.5)
    assert weight.std() == pytest.approx(std, rel=0.02)
    assert most is None or weight.abs().max() == pytest.approx(most, rel=0.01)
    assert law != "uniform" or weight.min() >= 0
    assert law != "rademacher" or len(weight.abs().unique()) == 1


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_unit_gain_gives_every_activation_something_of_order_one(activation):
    net = RandomNet((20, 16, 8, 3), activation=activation, weights="theorem", gain="unit", seed=2)
    values = torch.randn(500, 20, 1, 1, generator=torch.Generator().manual_seed(1))
    for layer in net.layers:
        values = layer(values)
        if isinstance(layer, torch.nn.ConvTranspose2d):
            assert values.square().mean() == pytest.approx(1, rel=0.15)


def test_the_theorems_weights_keep_the_norm_of_a_code():
    """Each input number feeds C_i l weights of variance 1/(C_i l) where stride and kernel are equal."""
    net = RandomNet((16, 256), kernel=4, stride=4, weights="theorem")
    codes = torch.randn(200, 16)
    ratio = net.layers[0](codes[:, :, None, None]).flatten(1).norm(dim=1) / codes.norm(dim=1)
    assert ratio.mean() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_and_reverse_mode_agree_through_it(activation):
    net = RandomNet((3, 4, 1), kernel=3, stride=2, activation=activation, gain="unit").double()
    codes = torch.randn(2, 3, dtype=torch.float64)

    def one(code):
        return net(code[None])[0]

    forward = torch.func.vmap(torch.func.jacfwd(one))(codes)
    torch.testing.assert_close(forward, torch.func.vmap(torch.func.jacrev(one))(codes))


@given(st.floats(0.01, 100), st.sampled_from(["relu", "leaky-relu"]), st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_a_net_of_rectifiers_scales_with_its_code(scale, activation, seed):
    net = RandomNet((3, 4, 2), kernel=3, stride=2, activation=activation, seed=seed).double()
    code = torch.randn(1, 3, dtype=torch.float64)
    torch.testing.assert_close(net(scale * code), scale * net(code))


def test_expansivity_is_the_theorems():
    assert expansivity((20, 16, 1), 5) == pytest.approx((16 * 25 / (20 * log(20)), 25 / (16 * log(16))))
    assert expansivity((1, 2), 3) == (inf,)
    assert expansivity((4, 8, 2), 2, rate=0.25)[0] == expansivity((4, 8, 2), 2)[0]
    assert expansivity((4, 8, 2), 2, rate=0.25)[1] == expansivity((4, 8, 2), 2)[1] / 4, "theorem 4"
