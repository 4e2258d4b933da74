import io

import numpy as np
import pytest
import torch
from PIL import Image

from preimage.jobs.analyze_codes.figures import SampleBlock, TsneMap, disagreement_png, spectra_png, tsne_png
from preimage.metrics.clusters import ClassRatios
from preimage.metrics.pag import pag
from small_nets import seeded


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def holds(png, colour):
    return (np.abs(picture(png) - np.array(colour)).sum(2) < 6).any()


FIRST, LAST = (31, 119, 180), (23, 190, 207)
"""Of matplotlib's ten colours."""


SOME = ClassRatios(1.5, 1.0)


def tsne_map(labels, ratios=SOME):
    return TsneMap(seeded(len(labels), 2).double(), torch.tensor(labels), ratios)


@pytest.mark.parametrize("names", [[], [f"class {i}" for i in range(10)]])
def test_each_class_has_a_colour_in_every_map(names):
    one, ten = tsne_map([0] * 9), tsne_map(list(range(10)))
    both = tsne_png({"before": one, "after": ten}, names)
    assert holds(both, FIRST)
    assert holds(both, LAST)
    assert picture(both).shape[1] > picture(tsne_png({"after": ten}, names)).shape[1]
    assert not holds(tsne_png({"before": one}, names), LAST)


def test_points_without_a_class_are_grey_and_many_classes_are_drawn_too():
    bare = tsne_png({"trained": tsne_map([-1] * 20, None)}, [])
    assert holds(bare, (153, 153, 153))
    assert not holds(bare, FIRST)
    assert picture(tsne_png({"trained": tsne_map(list(range(30)))}, [])).std() > 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 10, 13])
def test_every_image_of_every_block_is_shown(count, channels):
    def block(shade):
        images = torch.full((count, channels, 8, 8), shade)
        return SampleBlock(images, torch.arange(count).double(), -torch.arange(count).double())

    png = disagreement_png({"far": block(-0.5), "near": block(0.5)}, "the nearest code")
    for shade in (64, 191):
        assert holds(png, (shade, shade, shade))
    assert picture(disagreement_png({"far": block(0.0)}, "all")).shape[0] < picture(png).shape[0]


def test_a_spectrum_stands_beside_that_of_normal_codes():
    codes = {"trained": seeded(50, 4), "normal": seeded(50, 4, seed=1)}
    found = {name: pag([z], 1.0) for name, z in codes.items()}
    alone = spectra_png(found)
    assert holds(alone, FIRST)
    assert not holds(alone, (255, 127, 14))
    assert holds(spectra_png(found | {"untrained": found["trained"]}), (255, 127, 14))
