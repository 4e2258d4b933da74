"""The priors' samples have the moments they state."""

import pytest
import torch

from preimage.latents.priors import make_prior


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_samples(name):
    prior = make_prior(name, 8)
    z = prior.sample(20_000, torch.Generator().manual_seed(0))
    assert z.shape == (20_000, 8)
    assert z.dtype == torch.float32
    # 160,000 components: the error of a mean is std / 400, that of a std at most as large
    assert z.mean().item() == pytest.approx(0, abs=4 * prior.std / 400)
    assert z.std().item() == pytest.approx(prior.std, abs=4 * prior.std / 400)
    assert bool((z.abs() <= 1).all()) == (prior.support == "box")
    assert (prior.name, prior.latent_dim) == (name, 8)


@pytest.mark.parametrize("name", ["normal", "uniform"])
def test_a_seed_fixes_the_samples(name):
    draw = [make_prior(name, 3).sample(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])
