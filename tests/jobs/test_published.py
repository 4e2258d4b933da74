"""When a paper's number may stand beside ours: only where the images are the paper's."""

import pytest

from preimage.data.config import DataConfig
from preimage.jobs.published import (
    CLUSTER_RATIOS,
    DFM_SCORES,
    GLO_CONDITION,
    GLO_ERRORS,
    INDUCED_PAG,
    closest,
)

GLO = {"size": 64, "channels": 3, "resample": "bilinear"}


def config(**settings):
    return DataConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("published", "settings", "count"),
    [
        (GLO_ERRORS, {"source": "mnist"} | GLO, 60_000),
        (GLO_ERRORS, {"source": "cifar10"} | GLO, 50_000),
        (GLO_ERRORS, {"source": "stl10", "split": "unlabeled"} | GLO, 100_000),
        (GLO_ERRORS, {"source": "celeba", "split": "all"} | GLO, 202_599),
        (GLO_ERRORS, {"source": "lsun", "category": "bedroom", "split": "Training"} | GLO, 3_033_042),
        (DFM_SCORES, {"source": "cifar10", "size": 32}, 50_000),
        (DFM_SCORES, {"source": "stl10", "size": 48, "split": "unlabeled", "resample": "box"}, 100_000),
        (INDUCED_PAG, {"source": "celeba", "size": 64, "crop": 118}, 162_770),
        ([CLUSTER_RATIOS], {"source": "mnist", "size": 32, "channels": 1}, None),
    ],
)
def test_nothing_differs_in_the_papers_own_images(published, settings, count):
    found = closest(published, config(**settings))
    assert found
    assert found.images.remark(config(**settings), count) == ""


def test_all_that_differs_is_named():
    ours = config(source="celeba", size=32, channels=1, crop=118, split="test", resample="bicubic")
    found = closest(GLO_ERRORS, ours)
    assert found
    assert found.images.remark(ours, 10_000) == (
        "Our images differ from the paper's: split test, not all; 10,000 of 202,599 images; 32 pixels, not "
        "64; channels 1, not 3; crop 118, not none; bicubic, not bilinear, resizing."
    )
    digits = config(source="digits", size=[28, 40], channels=1)
    assert CLUSTER_RATIOS.images.differences(digits) == ["digits, not mnist"]
    assert "28 x 40 pixels, not 64" in GLO_CONDITION.images.differences(digits)


def test_of_several_image_sets_of_a_source_the_closest_counts():
    bedroom = closest(INDUCED_PAG, config(source="lsun", category="bedroom"))
    assert bedroom
    assert bedroom.values == {"before": 1810, "after": 746}
    kitchen = closest(GLO_ERRORS, config(source="lsun", category="kitchen", **GLO))
    assert kitchen
    assert kitchen.images.differences(config(source="lsun", category="kitchen", **GLO)) == [
        "category kitchen, not bedroom"
    ]
    assert closest(INDUCED_PAG, config(source="mnist")) is None
