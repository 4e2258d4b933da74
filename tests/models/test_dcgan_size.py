"""Which sizes a DCGAN can make."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.data.image_shape import sides
from preimage.models.cards import ClassifierConfig
from preimage.models.classifier import Classifier
from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_autoencoder, build_pair
from preimage.models.dcgan_size import doublings
from preimage.models.feature_count import feature_count
from preimage.models.feature_discriminator import build_feature_discriminator

SIDE = st.integers(1, 1024)


def halved(height, width):
    """The first map and the number of doublings, by halving: another way to say the rule."""
    count = 0
    while min(height, width) > 7 and height % 2 == width % 2 == 0:
        height, width, count = height // 2, width // 2, count + 1
    return (height, width), count


def works(size):
    first, count = halved(*sides(size))
    return count >= 2 and 4 <= min(first) <= 7


def named(message):
    """The sizes in a message, of which the first is the one refused."""
    found = re.findall(r"\[(\d+),(\d+)\]|(?<![\d,])(\d+)(?= and|$)", message.partition("that do are")[2])
    return [(int(h or side), int(w or side)) for h, w, side in found]


@pytest.mark.parametrize(
    ("size", "first"),
    [
        (16, (4, 4)),
        (32, (4, 4)),
        (48, (6, 6)),
        (64, (4, 4)),
        (128, (4, 4)),
        (28, (7, 7)),
        (40, (5, 5)),
        (96, (6, 6)),
        (256, (4, 4)),
        ((64, 96), (4, 6)),
        ((28, 40), (7, 10)),
    ],
)
def test_the_first_map_of_a_size(size, first):
    count = doublings(size)
    assert tuple(side / 2**count for side in sides(size)) == first


@given(size=st.tuples(SIDE, SIDE) | SIDE)
def test_a_size_works_as_far_as_its_halves_go_or_is_refused_with_sizes_that_do(size):
    if works(size):
        assert doublings(size) == halved(*sides(size))[1]
        return
    with pytest.raises(ValueError, match="does not suit a DCGAN") as refused:
        doublings(size, "data.size")
    near = named(str(refused.value))
    assert near
    assert all(works(each) for each in near)


@given(side=st.integers(1, 800))
def test_the_sizes_named_for_a_square_are_the_nearest(side):
    if works(side):
        return
    with pytest.raises(ValueError, match="does not suit") as refused:
        doublings(side)
    below = [each for each in range(1, side) if works(each)]
    above = (each for each in range(side, 1200) if works(each))
    near = [*below[-1:], next(above), next(above)][:2]
    assert named(str(refused.value)) == [(each, each) for each in near]


@settings(max_examples=25)
@given(
    first=st.tuples(st.integers(4, 7), st.integers(4, 12)),
    count=st.integers(2, 3),
    turned=st.booleans(),
    channels=st.sampled_from([1, 3, 4]),
    kernel_size=st.sampled_from([3, 4, 5]),
)
def test_networks_make_and_take_images_of_the_shape(first, count, turned, channels, kernel_size):
    height, width = (side * 2**count for side in (first[::-1] if turned else first))
    shape = {"image_size": [height, width], "channels": channels}
    layers = {"kernel_size": kernel_size, "base_channels": 2}
    config = DcganConfig.model_validate({"latent_dim": 3, "prior": "normal", **shape, **layers})
    generator, discriminator = build_pair(config, seed=0)
    images = generator(torch.ones(2, 3))
    assert images.shape[1:] == config.shape == (channels, height, width)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (2,)
    logits, features = build_feature_discriminator(config, 1, seed=0)(images)
    assert (logits.shape, features.shape) == ((2,), (2, feature_count(config, 1)))
    assert build_autoencoder(config, seed=0)[0](images).shape == (2, 3)
    classifier = Classifier(ClassifierConfig.model_validate({"classes": 5, **shape, **layers}))
    assert classifier(images).shape == (2, 5)


def test_a_card_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"image_size=30 .* are 28 and 32"):
        DcganConfig(latent_dim=3, prior="normal", image_size=30, channels=1)
    with pytest.raises(ValueError, match=r"image_size=\[30,40\] .* are \[28,40\] and \[32,40\]"):
        ClassifierConfig(image_size=(30, 40), channels=1, classes=2)
