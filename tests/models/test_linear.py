"""The linear generator: closed forms, its folder, and its inversion, which is least squares."""

import pytest
import torch

from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.inversion.measurements import MeasurementConfig
from preimage.latents.priors import Gaussian
from preimage.models.config import LinearConfig
from preimage.models.generator_folder import load_generator, load_prior, write_generator
from preimage.models.linear import LinearGenerator

CONFIG = LinearConfig(latent_dim=3, prior="gaussian", image_size=8, channels=3)
PRIOR = Gaussian(torch.zeros(3), torch.tensor([3.0, 2.0, 1.0]).diag())


@pytest.fixture
def generator():
    """Orthonormal components, as of PCA."""
    random = torch.Generator().manual_seed(0)
    network = LinearGenerator(CONFIG)
    with torch.no_grad():
        network.mean.copy_(torch.randn(192, generator=random) / 10)
        network.components.copy_(torch.linalg.qr(torch.randn(192, 3, generator=random))[0].T)
    return network.eval()


@pytest.fixture
def images():
    """Images that no code gives exactly."""
    return torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_an_image_is_the_mean_and_a_combination_of_components(generator):
    codes = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, -1.0, 0.5]])
    made = generator(codes)
    assert made.shape == (3, 3, 8, 8)
    mean, (first, second, third) = generator.mean.detach(), generator.components.detach()
    for image, expected in zip(
        made, (mean, mean + first, mean + 2 * first - second + third / 2), strict=True
    ):
        assert torch.allclose(image, expected.view(3, 8, 8), atol=1e-6)  # channels, rows, columns


def test_its_folder_gives_it_back_with_its_prior(generator, folder):
    write_generator(generator, folder, {"job": "pca"}, PRIOR)
    loaded, card = load_generator(folder)
    codes = torch.randn(4, 3)
    assert torch.equal(loaded(codes), generator(codes))
    assert card.generator == CONFIG
    prior = load_prior(folder, card)
    noise = torch.randn(4, 3)
    assert torch.equal(prior.of(noise), noise * torch.tensor([3.0, 2.0, 1.0]))


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "lbfgs"},
        {"solver": "levenberg-marquardt"},
        {"solver": "adam", "lr": 0.3, "steps": 800, "init_codes": "prior", "patience": None},
    ],
    ids=lambda settings: settings["solver"],
)
def test_inversion_finds_the_scores(generator, images, settings):
    found = invert(generator, images, config=InversionConfig.model_validate(settings), prior=PRIOR)
    scores = (images.flatten(1) - generator.mean) @ generator.components.T
    assert torch.allclose(found.z, scores, atol=2e-3)
    error = (generator(scores) - images).square().flatten(1).mean(1)
    assert torch.allclose(found.loss, error, rtol=1e-4)


def test_inversion_of_half_an_image_is_least_squares_on_that_half(generator, images):
    seen = {"solver": "levenberg-marquardt", "measurement": MeasurementConfig(mask="top")}
    found = invert(generator, images, config=InversionConfig.model_validate(seen), prior=PRIOR)
    half = torch.arange(192).view(3, 8, 8)[:, :4].flatten()
    rows = (images.flatten(1) - generator.mean)[:, half].detach().double()
    expected = torch.linalg.lstsq(generator.components[:, half].detach().double().T, rows.T).solution.T
    assert torch.allclose(found.z.double(), expected, atol=2e-3)
