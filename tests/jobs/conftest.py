"""Generators and a classifier for evaluate jobs."""

import pytest
import torch

from evaluate_jobs import DATA, classifier
from preimage.data.pixels import to_float
from preimage.models.generator_folder import write_generator
from stores import linear_generator


@pytest.fixture
def place(folder, digits, tiny_generator):
    """A classifier, a DCGAN, and two linear generators, of which `flat` makes one image nearly."""
    classifier(folder / "classifier", images=to_float(digits.read(0, 200).pixels))
    one, flat = linear_generator(6, seed=0), linear_generator(6, seed=1)
    with torch.no_grad():
        flat.components.mul_(1e-3)
    for name, generator in (("gan", tiny_generator), ("linear", one), ("flat", flat)):
        write_generator(generator, folder / name, {"data": DATA})
    return folder
