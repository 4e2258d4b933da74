"""Conditional GANs as steps: what inverts them gives labels, and what cannot is refused beforehand."""

import io

import pytest
import torch
from PIL import Image

from faulty import planned
from preimage.errors import DataError, GeneratorError, SpecError
from preimage.jobs.sampling import draw_codes, draw_labels, make_images, open_generator
from preimage.pipelines.execute import execute
from stores import store_of

TRAIN = {
    "job": "train-gan",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 30},
    "model": {"latent_dim": 4, "base_channels": 4, "classes": 10, "activation": "leaky-relu"},
    "training": {
        "total_images": 450,
        "batch_size": 15,
        "log_every": 150,
        "sample_every": 450,
        "checkpoint_every": 450,
    },
}
INVERT = {"job": "invert", "generator": "train", "inversion": {"solver": "lbfgs", "steps": 5}}
EXPLORE = {"job": "explore", "generator": "train", "store": "invert"}
EXACT = {"solver": "levenberg-marquardt", "init_codes": "prior", "steps": 60, "restarts": 2}
PARTIAL = {
    "job": "recover-partial",
    "generator": "train",
    "images": 6,
    "inversion": EXACT,
    "measurements": [{"mask": "all"}, {"mask": "random", "rate": 0.5}],
    "rates": [1],
    "threshold": 1e-6,
}
RECOVER = {
    "job": "recover",
    "generator": "train",
    "codes": 6,
    "techniques": ["none"],
    "noisy_codes": 2,
    "noises": [0.01],
    "unseen": 2,
    "repeats": 2,
    "data": TRAIN["data"] | {"max_images": 32},
    "inversions": {"exact": EXACT},
    "shown": [0],
}


def test_its_samples_have_a_row_for_each_class_and_its_codes_are_found_with_their_classes(tmp_path):
    plan = planned(tmp_path, {"train": TRAIN, "invert": INVERT, "partial": PARTIAL, "recover": RECOVER})
    outcome = execute(plan)
    train, inverted, partial, _ = (step.run for step in plan.steps)
    grid = Image.open(io.BytesIO((train.folder / "figures").read("samples.png")))
    assert grid.width == 4 * (8 * 18 + 2)
    assert grid.height > 4 * (10 * 18 + 2)
    codes = store_of(inverted).head(30)
    assert set(codes.label.tolist()) <= set(range(10))
    network, prior = open_generator(train.product("generator"), torch.device("cpu"))
    made = make_images(network, codes.z, codes.label.long())
    assert outcome.metrics["invert.reconstruction_error"] == pytest.approx(codes.loss.double().mean().item())
    assert made.shape == (30, 1, 16, 16)
    assert outcome.metrics["partial.recovered_all"] == outcome.metrics["partial.recovered_random"] == 1
    assert set(outcome.metrics["recover.success"]["exact"]["none"].values()) == {1}
    table = (partial.folder / "figures").read("table.md").decode()
    assert (
        "The generator is conditional on 10 classes: each code has one, drawn at random and known." in table
    )
    assert "not conditional" not in table
    labels = draw_labels(network, 6, 0)
    assert labels is not None
    wrong = make_images(network, draw_codes(prior, 6, 0), (labels + 1) % 10)
    assert (wrong - make_images(network, draw_codes(prior, 6, 0), labels)).abs().amax((1, 2, 3)).min() > 1e-3


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (
            {"train": TRAIN | {"model": {"classes": 12}}},
            DataError,
            "model.classes=12, but digits has 10 classes: set model.classes=10",
        ),
        (
            {"train": TRAIN | {"data": {"source": "celeba", "size": 16, "channels": 1}}},
            DataError,
            "celeba has no classes, and this training needs them: .*, or set model.classes=0",
        ),
        (
            {"train": TRAIN, "invert": INVERT, "explore": EXPLORE},
            GeneratorError,
            "the step train takes a class label with every code, which explore does not give: train one "
            "without model.classes",
        ),
        (
            {"train": TRAIN | {"job": "train-dfm"}},
            SpecError,
            "classes",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_the_plan(tmp_path, steps, error, message):
    with pytest.raises(error, match=message):
        planned(tmp_path, steps)
