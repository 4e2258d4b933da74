"""Where codes may be, and how what left is brought back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import make_constraint, redrawn
from preimage.inversion.engine import invert
from preimage.latents.priors import Normal
from small_nets import Linear, least_squares, seeded


@pytest.mark.parametrize("solver", ["lbfgs", "levenberg-marquardt", "adam"])
def test_codes_stay_in_the_ball(solver):
    generator, images = Linear(), 5 * seeded(4, 1, 4, 4, seed=3)
    found = invert(generator, images, torch.zeros(4, 3), InversionConfig(solver=solver, constraint="ball"))
    assert (found.z.norm(dim=1) <= 1 + 1e-6).all()
    assert (least_squares(generator, images).norm(dim=1) > 1).any()


@settings(deadline=None)
@given(
    scale=st.floats(0.1, 5),
    seed=st.integers(0, 2**31 - 1),
    count=st.integers(0, 20),
    counter=st.integers(0, 2**40),
)
def test_stochastic_clipping_redraws_what_left_the_box_and_nothing_else(scale, seed, count, counter):
    z, ids = scale * seeded(count, 50, seed=seed), torch.arange(count)
    at = torch.full((count,), counter)
    found, drawn = make_constraint("stochastic-clip", seed)(z, ids, at)
    outside = z.abs() > 1
    assert torch.equal(drawn, outside)
    assert torch.equal(found[~outside], z[~outside])
    assert (found.abs() <= 1).all()
    values = found[outside]
    assert len(values.unique()) > 0.99 * len(values) - 1  # each by itself, no draw shared
    again, _ = make_constraint("stochastic-clip", seed)(z.flip(0), ids.flip(0), at)
    assert torch.equal(again.flip(0), found)


def test_redrawn_components_are_uniform():
    z = redrawn(
        torch.zeros(500, 40),
        torch.ones(500, 40, dtype=torch.bool),
        3,
        torch.arange(500),
        torch.zeros(500, dtype=torch.int64),
    )
    assert z.mean().abs() < 0.02
    assert z.std().item() == pytest.approx(3**-0.5, rel=0.02)
    assert torch.corrcoef(z.T).fill_diagonal_(0).abs().max() < 0.25


def test_moments_of_a_redrawn_component_are_forgotten():
    """Steps of rmsprop from one point are all equal in size at first; so is the step after a redraw."""
    generator, images = Linear(), 100 * torch.ones(1, 1, 4, 4)
    config = InversionConfig(solver="rmsprop", lr=0.05, steps=60, patience=None, constraint="stochastic-clip")
    path = invert(generator, images, torch.zeros(1, 3), config, keep=range(60)).kept_z[0]
    moves = path.diff(dim=0).abs()
    first = moves[0].max()
    jumped = moves > 3 * first
    assert jumped.any()
    after = moves[1:][jumped[:-1] & ~jumped[1:]]
    assert torch.allclose(after, first.expand_as(after), rtol=0.05)


@pytest.mark.parametrize("constraint", ["clip", "stochastic-clip", "ball"])
def test_a_constraint_that_contradicts_the_prior_is_refused(constraint):
    config = InversionConfig(solver="adam", constraint=constraint, init_codes="prior")
    with pytest.raises(InversionError, match=f"constraint={constraint} .* normal prior"):
        invert(Linear(), torch.zeros(1, 1, 4, 4), None, config, prior=Normal(3))
    with pytest.raises(InversionError, match=f"constraint={constraint} .* normal prior"):
        invert(Linear(), torch.zeros(1, 1, 4, 4), torch.zeros(1, 3), config, prior=Normal(3))
