"""Where searches begin, and which of several is kept."""

import pytest
import torch
from torch import nn

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.generated_pairs import generate_pairs
from preimage.inversion.init_codes import fit_regression, init_codes_of, whitening_of
from preimage.inversion.setup_size import SetupSize
from preimage.latents.priors import Normal, Uniform
from small_nets import Expanding, Linear, seeded

CPU = torch.device("cpu")


def test_a_linear_regression_finds_the_codes_of_a_linear_generator():
    generator, codes = Linear(), seeded(5, 3, seed=8, law=torch.rand) * 2 - 1
    regression = fit_regression(generate_pairs(generator, Uniform(3), 0, CPU, None, SetupSize(256, 0)))
    found = regression(generator(codes).detach())
    assert (found - codes).abs().max() < 0.1  # the ridge shrinks it a little
    found = invert(generator, generator(codes).detach(), prior=Uniform(3), keep=(0,))
    assert (found.kept_z[:, 0] - codes).abs().max() < 0.1


def test_whitened_coordinates_make_the_loss_as_steep_in_all_directions():
    generator = Linear()
    with torch.no_grad():
        generator.weight *= torch.tensor([10.0, 1.0, 0.3])
    pairs = generate_pairs(generator, Normal(3), 0, CPU, None, SetupSize(1024, 512))
    assert (len(pairs.codes), len(pairs.gradients), pairs.passes) == (1024, 512, 1536)
    whitening = whitening_of(pairs.gradients)
    before = torch.linalg.cond(generator.weight.detach())
    after = torch.linalg.cond(generator.weight.detach() @ whitening)
    assert before > 20
    assert after < before / 3
    assert whitening.square().sum().item() == pytest.approx(3, rel=1e-4)
    assert torch.allclose(whitening, whitening.T, atol=1e-6)


def test_of_several_starts_the_best_is_kept():
    generator, codes = Expanding(), seeded(4, 3, seed=9, law=torch.rand) - 0.5
    with torch.no_grad():
        images = generator(codes)
    start = torch.stack([codes + 3, codes + 1e-3, codes - 3], dim=1)
    config = InversionConfig(solver="gradient-descent", lr=0.01, steps=3, tolerance=1e-12)
    found = invert(generator, images, start, config)
    assert found.restart.tolist() == [1] * 4
    assert found.steps.tolist() == [9] * 4
    assert (found.z - codes).abs().max() < 1e-2


def test_the_negative_of_what_was_found_is_tried():
    """An image that is nearly even in z: descent finds -z as easily as z, and only z is exact."""

    class NearlyEven(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.stack([self.scale * z[:, 0] ** 2, 0.3 * z[:, 0]], 1).view(-1, 1, 1, 2)

    config = InversionConfig(solver="gradient-descent", lr=0.1, steps=300, tolerance=1e-10)
    images = NearlyEven()(torch.tensor([[1.0]])).detach()
    alone = invert(NearlyEven(), images, torch.tensor([[-0.8]]), config)
    found = invert(
        NearlyEven(), images, torch.tensor([[-0.8]]), config.model_copy(update={"restart_negative": True})
    )
    assert alone.z.item() < 0
    assert found.z.item() == pytest.approx(1, abs=1e-3)
    assert found.restart.item() == 1


def test_a_generator_that_breaks_for_some_codes_still_gives_starts():
    """Of the images that the regression and the whitening look at, some are not finite."""

    class Holed(Linear):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return torch.where(codes[:, :1, None, None] > 1.5, torch.nan, super().forward(codes))

    generator, codes = Holed(), seeded(5, 3, seed=15, law=torch.rand)
    found = invert(generator, generator(codes).detach(), prior=Normal(3))
    assert (found.z - codes).abs().max() < 1e-2
    assert not found.diverged.any()

    class Broken(Linear):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return super().forward(codes) * torch.nan

    with pytest.raises(InversionError, match="only 0 of"):
        invert(Broken(), torch.zeros(2, 1, 4, 4), prior=Normal(3))


def test_every_image_has_a_start_of_its_own_in_every_restart():
    config, prior, ids = InversionConfig(init_codes="prior"), Normal(3), torch.tensor([4, 9, 2])
    starts = [init_codes_of(config, prior, ids, seed=1, restart=restart) for restart in range(3)]
    assert len(torch.cat(starts).unique(dim=0)) == 9
    alone = init_codes_of(config, prior, ids[1:2], seed=1, restart=2)
    assert torch.equal(alone, starts[2][1:2]), "whatever is in the batch"
