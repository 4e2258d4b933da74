import torch

from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_autoencoder, build_pair, parameters_of
from tiny import MODEL


def test_the_published_layers_at_64_pixels():
    """flexible-priors, section E: 4 x 4 x 512, then 256, 128 and 64 filters of 4 x 4, then the image."""
    config = DcganConfig(latent_dim=20, prior="normal", image_size=64, channels=3)
    generator, discriminator = build_pair(config, seed=0)
    shapes = [tuple(p.shape) for p in generator.parameters() if p.ndim == 4]
    assert shapes == [(20, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 3, 4, 4)]
    assert parameters_of(discriminator) == 64 * 3 * 16 + 64 + sum(
        2 * w * w * 16 + 4 * w for w in (64, 128, 256)
    ) + (512 * 16 + 1)


def test_a_seed_gives_the_same_weights_whatever_ran_before():
    config = DcganConfig(latent_dim=5, prior="normal", image_size=16, channels=1, base_channels=2)
    first, _ = build_pair(config, seed=3)
    torch.randn(100)
    second, _ = build_pair(config, seed=3)
    other, _ = build_pair(config, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_the_encoder_is_the_discriminator_up_to_its_end():
    discriminator, encoder = build_pair(MODEL, 3)[1], build_autoencoder(MODEL, 3)[0]
    shapes = [tuple(each.shape) for each in discriminator.features.state_dict().values()]
    assert [tuple(each.shape) for each in encoder.features.state_dict().values()] == shapes
    assert encoder(torch.zeros(3, 1, 16, 16)).shape == (3, 4)
    again = build_autoencoder(MODEL, 3)[0]
    assert torch.equal(encoder.codes.weight, again.codes.weight)
