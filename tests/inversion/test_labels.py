"""Class-conditional generators: each image is searched for with its own label."""

import pytest
import torch
from torch import Tensor, nn

from preimage.errors import InversionError
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.latents.priors import Normal
from small_nets import Linear, seeded

SHORT = InversionConfig(steps=12, patience=None)


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
