import io

import numpy as np
import pytest
import torch
from PIL import Image

from preimage.jobs.evaluate.figures import blocks_png, classes_png, distances_png, pairs_png


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def holds(png, colour):
    return (np.abs(picture(png) - np.array(colour)).sum(2) < 6).any()


def flat(colour, count):
    return torch.tensor(colour, dtype=torch.uint8)[None, :, None, None].expand(count, 3, 8, 8)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_block_is_in_the_picture(count):
    colours = [(200, 30, 40), (20, 180, 60), (40, 60, 220), (210, 200, 30)][:count]
    png = blocks_png({str(colour): flat(colour, 7) for colour in colours})
    assert all(holds(png, colour) for colour in colours)


def test_grey_images_and_pairs_of_several_sets_are_shown():
    grey = torch.full((4, 1, 8, 8), 120, dtype=torch.uint8)
    png = pairs_png({"one": (grey, [0.0, 1.5]), "other": (flat((200, 30, 40), 6), [0.1, 0.2, 0.3])})
    assert holds(png, (120, 120, 120))
    assert holds(png, (200, 30, 40))
    assert picture(pairs_png({"one": (grey, [0.0, 1.5])})).shape[0] < picture(png).shape[0]


@pytest.mark.parametrize("count", [2, 10, 1008])
def test_classes_of_any_number_are_drawn(count):
    even = torch.full((count,), 1 / count)
    one = torch.nn.functional.one_hot(torch.tensor(1), count) / 1
    names = [f"class {i}" for i in range(count)] if count == 10 else []
    alone, both = classes_png({"a": even}, names), classes_png({"a": even, "b": one}, names)
    assert not holds(alone, (31, 119, 180))
    assert holds(both, (31, 119, 180))  # C0, the first after the grey of real images


def test_distances_are_drawn_beside_where_near_duplicates_begin():
    real, other = torch.linspace(1, 2, 50), torch.linspace(0, 0.5, 50)
    png = distances_png({"real": real, "samples": other}, threshold=1.0)
    assert holds(png, (230, 230, 230))
    assert holds(png, (31, 119, 180))
