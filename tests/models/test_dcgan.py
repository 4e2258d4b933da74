from itertools import pairwise

import pytest
import torch
from torch import nn

from preimage.errors import GeneratorError
from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_autoencoder, build_pair, parameters_of
from tiny import CONDITIONAL, MODEL


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


def test_labels_shape_images_and_what_the_discriminator_says_of_them():
    generator, discriminator = (each.eval() for each in build_pair(CONDITIONAL, 1))
    codes, labels = torch.randn(4, 4), torch.tensor([0, 3, 9, 3])
    images = generator(codes, labels)
    others = generator(codes, (labels + 1) % 10)
    assert images.shape == (4, 1, 16, 16)
    assert ((images - others).flatten(1).norm(dim=1) > 0.1 * images.flatten(1).norm(dim=1)).all()
    assert (discriminator(images, labels) != discriminator(images, (labels + 1) % 10)).all()
    for network, given in ((generator, codes), (discriminator, images)):
        with pytest.raises(GeneratorError, match="needs a class label for every code"):
            network(given)


def test_leaky_relu_follows_every_batchnorm_of_the_generator_and_the_weights_stay():
    leaky = build_pair(MODEL.model_copy(update={"activation": "leaky-relu"}), 1)[0]
    plain = build_pair(MODEL, 1)[0]
    after = [b for a, b in pairwise(leaky.layers) if isinstance(a, nn.BatchNorm2d)]
    assert [type(each) for each in after] == [nn.LeakyReLU] * 2
    assert {each.negative_slope for each in after} == {0.2}
    assert all(torch.equal(a, b) for a, b in zip(leaky.parameters(), plain.parameters(), strict=True))


def test_what_is_as_it_is_by_default_changes_no_fingerprint():
    assert MODEL.model_dump().keys().isdisjoint({"activation", "classes"})
    assert CONDITIONAL.model_dump().items() >= {"activation": "leaky-relu", "classes": 10}.items()
    assert DcganConfig.model_validate(CONDITIONAL.model_dump()) == CONDITIONAL
