"""The two ways to apply L-BFGS's inverse Hessian, against the updates of a dense matrix."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.inverse_hessian import Pairs, compact, two_loops
from preimage.inversion.lbfgs import HISTORY, LBFGS
from preimage.latents.priors import Normal
from small_nets import Expanding, seeded

WAYS = (two_loops, compact)
MEMORY = 6


def some_pairs(counts: list[int], dim: int, seed: int, spread: float) -> tuple[Pairs, Tensor]:
    """Pairs of quadratics in float64, `counts` of them in the rows, and gradients; moves shrink as searches
    converge, by `spread` in all."""
    n = len(counts)
    root = seeded(n, dim, dim, seed=seed).double()
    hessian = root @ root.mT / dim + 0.1 * torch.eye(dim)
    moves = seeded(n, MEMORY, dim, seed=seed + 1).double()
    moves *= torch.logspace(0, -spread, MEMORY).double()[:, None]
    there = torch.arange(MEMORY) >= MEMORY - torch.tensor(counts)[:, None]
    moves *= there[:, :, None]
    changes = moves @ hessian
    return Pairs(moves, changes, (moves * changes).sum(2)), seeded(n, dim, seed=seed + 2).double()


def metric(dim: int, seed: int) -> Tensor:
    """A symmetric root of a first guess."""
    root = seeded(dim, dim, seed=seed).double()
    return root @ root.T / dim + torch.eye(dim)


def dense(gradient: Tensor, pairs: Pairs, root: Tensor | None) -> Tensor:
    """The BFGS updates of an inverse Hessian that is held whole (Nocedal and Wright 2006, eq. 6.17)."""
    dim, found = gradient.shape[1], []
    for g, moves, changes, curvature in zip(gradient, *pairs, strict=True):
        first = torch.eye(dim).double() if root is None else root @ root
        inverse = curvature[-1] / (changes[-1] @ first @ changes[-1]) * first
        for s, y, product in zip(moves, changes, curvature, strict=True):
            if product > 0:
                side = torch.eye(dim) - torch.outer(s, y) / product
                inverse = side @ inverse @ side.T + torch.outer(s, s) / product
        found.append(inverse @ g)
    return torch.stack(found)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(1, MEMORY), min_size=1, max_size=4),
    dim=st.integers(1, 9),
    seed=st.integers(0, 1000),
    spread=st.sampled_from([0.0, 5.0]),
    whitened=st.booleans(),
)
def test_both_ways_are_the_dense_updates(counts, dim, seed, spread, whitened):
    pairs, gradient = some_pairs(counts, dim, seed, spread)
    root = metric(dim, seed) if whitened else None
    expected = dense(gradient, pairs, root)
    for way in WAYS:
        found = way(gradient, pairs, root)
        assert ((found - expected).norm(dim=1) <= 1e-10 * expected.norm(dim=1)).all()


@pytest.mark.parametrize("root", [None, metric(40, 3)])
def test_both_ways_are_equal_up_to_rounding_in_float32(root):
    pairs, gradient = some_pairs([1, 3, MEMORY], 40, 7, 5.0)
    exact = two_loops(gradient, pairs, root)
    narrow = Pairs(*(each.float() for each in pairs))
    for way in WAYS:
        found = way(gradient.float(), narrow, None if root is None else root.float())
        assert ((found - exact).norm(dim=1) <= 1e-6 * exact.norm(dim=1)).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_row_without_pairs_harms_no_other(way):
    pairs, gradient = some_pairs([0, 4], 5, 11, 2.0)
    both = way(gradient, pairs, None)
    alone = way(gradient[1:], Pairs(*(each[1:] for each in pairs)), None)
    assert torch.equal(both[1:], alone)
    assert both.isfinite().all()


def test_either_way_finds_the_codes_of_generated_images():
    generator, codes = Expanding(), seeded(32, 3, seed=5)
    with torch.no_grad():
        images = generator(codes)
    engine, found = Engine(generator, InversionConfig(), Normal(3)), []
    for way in WAYS:
        engine.solver = dataclasses.replace(engine.solver, estimate=way)  # type: ignore[type-var]
        found.append(engine.invert(images))
    assert all((each.z - codes).abs().median() < 1e-5 for each in found)
    assert found[1].passes.sum() < 1.1 * found[0].passes.sum()


class _Operations(TorchDispatchMode):
    """Counts the operations that compute something."""

    VIEWS = frozenset(
        {"alias", "as_strided", "diagonal", "expand", "permute", "select", "slice", "t", "transpose"}
    )
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.count += name not in self.VIEWS and not name.endswith(("view", "squeeze"))
        return func(*args, **(kwargs or {}))


def test_the_compact_form_is_a_few_operations():
    solver = LBFGS(lambda z, ids, counter: (z, None), metric(4, 1), estimate=compact)
    state = solver.begin(seeded(3, 4).double())
    pairs = Pairs(state["moves"], state["changes"], state["curvature"])
    assert pairs.moves.shape[1] == HISTORY
    with _Operations() as counted:
        compact(state["gradient"], pairs, solver.whitening)
    assert counted.count <= 26
