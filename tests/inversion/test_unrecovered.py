"""Why codes were not found, on generators made to have each reason."""

import pytest
import torch
from torch import Tensor, nn

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.reasons import Reason
from preimage.inversion.unrecovered import reasons_text, unrecovered
from small_nets import Expanding, seeded

LIMIT = 1e-4
CODES = seeded(4, 3, law=torch.rand) + 0.2


class Images(nn.Module):
    """A generator of 16 pixels from a function of a code's linear image."""

    def __init__(self, shape, singular_values=(4.0, 2.0, 1.0)) -> None:
        super().__init__()
        left, _, right = torch.linalg.svd(seeded(16, 3, seed=3), full_matrices=False)
        self.weight = nn.Parameter(left @ torch.diag(torch.tensor(singular_values)) @ right)
        self.shape = shape

    def forward(self, codes: Tensor) -> Tensor:
        return self.shape(codes, codes @ self.weight.T).view(len(codes), 1, 4, 4)


def reasons(generator: nn.Module, found: Tensor) -> list[Reason]:
    return [each.reason for each in unrecovered(generator, CODES, found, LIMIT)]


def test_codes_that_were_found_need_no_reason():
    found = CODES + 0.9 * LIMIT**0.5
    found[2] += 1
    assert [each.row for each in unrecovered(Expanding(), CODES, found, LIMIT)] == [2]
    assert unrecovered(Expanding(), CODES, CODES, LIMIT) == []
    assert reasons_text([]) == "none"


@pytest.mark.parametrize("smallest", [0.0, 1e-6])
def test_directions_without_a_change_of_the_image_are_missing_of_the_rank(smallest):
    generator = Images(lambda codes, linear: linear, (4.0, 2.0, smallest))
    hidden = torch.linalg.svd(generator.weight).Vh[2].detach()
    found = unrecovered(generator, CODES, CODES + hidden, LIMIT)
    assert [(each.reason, each.rank) for each in found] == [("rank", 2)] * 4
    assert found[0].code_error == pytest.approx(1 / 3)
    assert found[0].image_error < 1e-6
    assert reasons_text(found) == "4 rank"


def test_an_even_generator_has_another_code():
    generator = Images(lambda codes, linear: linear.square())
    assert reasons(generator, -CODES) == ["another code"] * 4
    found = unrecovered(generator, CODES, -CODES, LIMIT)[0]
    assert (found.rank, found.saturated) == (3, 0)
    assert found.code_error == pytest.approx(4 * CODES[0].square().mean().item(), rel=1e-5)


def test_a_search_that_ends_elsewhere_stopped():
    generator = Expanding()
    with torch.no_grad():
        images = generator(CODES)
    config = InversionConfig(steps=2)
    found = invert(generator, images, -CODES, config).z
    assert reasons(generator, found) == ["stopped"] * 4
    assert reasons(generator, torch.full_like(found, torch.nan)) == ["stopped"] * 4


@pytest.mark.parametrize("limit", [torch.tanh, lambda x: x.clamp(-1, 1)])
def test_a_target_at_the_limits_is_saturated(limit):
    generator = Images(lambda codes, linear: limit(linear + 11 * linear.sign()))
    found = unrecovered(generator, CODES, CODES * 0.5, LIMIT)
    assert [(each.reason, each.rank, each.saturated) for each in found] == [("saturation", 0, 1)] * 4


def test_limits_do_not_hide_a_missing_rank():
    generator = Images(lambda codes, linear: torch.tanh(linear + 11 * linear.sign()), (4.0, 2.0, 0.0))
    assert reasons(generator, CODES * 0.5) == ["rank"] * 4


def test_a_search_may_end_at_the_limits():
    generator = Expanding()
    assert reasons(generator, CODES * 1e4) == ["saturation"] * 4
