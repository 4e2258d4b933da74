"""Evaluate jobs that cannot be done are refused, with what to do."""

import pytest
import torch
from pydantic import ValidationError

from evaluate_jobs import DATA, TEN, asked, classifier, count_scored, start, step
from faulty import planned
from preimage.errors import ClassifierError, GeneratorError, PreimageError, SpecError
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.models.generator_folder import write_generator
from stores import linear_generator


def test_images_and_networks_that_do_not_belong_together_are_refused_before_anything_is_scored(
    place, digits, monkeypatch
):
    seen = count_scored(monkeypatch)
    write_generator(linear_generator(2, seed=0, size=8), place / "small", {"data": DATA})
    write_generator(linear_generator(2, seed=0), place / "unknown", {})
    classifier(place / "colour", channels=3)
    classifier(place / "five", classes=TEN[:5])
    classifier(place / "letters", classes="abcdefghij")
    gan = (place / "gan").uri
    refused = {
        r"small: the generator makes images of 1 x 8 x 8, but the data is 1 x 16 x 16": {
            "generators": {"DCGAN": gan, "small": (place / "small").uri}
        },
        r"unknown: this generator does not say what it was trained on": {
            "generators": {"unknown": (place / "unknown").uri}
        },
        r"the classifier is one of images of 3 x 16 x 16, those to be scored are 1 x 16 x 16": {
            "classifier": (place / "colour").uri
        },
        r"digits has more classes than the classifier knows: 10, among them 5, 6, 7, 8, 9; the classifier": {
            "classifier": (place / "five").uri
        },
        r"digits has classes that the classifier does not know: 10, among them 0, 1, 2, 3, 4, ...; the": {
            "classifier": (place / "letters").uri
        },
        r"test must have the shape of data: set test.channels=1 test.size=16": {"test": DATA | {"size": 8}},
    }
    for message, settings in refused.items():
        with pytest.raises(PreimageError, match=message):
            start(place, digits, **settings)
    (place / "classifier").write("weights.safetensors", b"{}")
    with pytest.raises(ClassifierError, match="missing, truncated or altered"):
        start(place, digits)
    assert not seen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 5}, "images must be at least 2 for each of 3 splits, but is 5"),
        ({"weights": "w.pth"}, "weights are Inception's: give either classifier or weights"),
        ({"generators": {}}, "at least 1 item"),
        ({"generators": {"a": []}}, "at least 1 item"),
        ({"priors": {"DCGAN": "p", "DGAN": "p"}}, "priors names DGAN, which generators does not"),
        ({"priors": {"DCGAN": []}}, "at least 1 item"),
        ({"generators": {"a.b": "x"}}, "a generator's name is letters, digits"),
        ({"generators": {"a (b)": "x", "a b": "y"}}, r"names must differ by more than \( \) and \+"),
    ],
)
def test_what_the_spec_alone_shows_to_be_wrong_is_refused(folder, change, message):
    with pytest.raises(ValidationError, match=message):
        EvaluateJob.model_validate(asked(folder, **change))


def test_a_generator_whose_training_diverged_is_named(place, digits):
    broken = linear_generator(6, seed=0)
    with torch.no_grad():
        broken.mean.fill_(torch.nan)
    write_generator(broken, place / "broken", {"data": DATA})
    with pytest.raises(GeneratorError, match=r"broken/weights\.safetensors holds a value that is not finite"):
        start(place, digits, generators={"x": (place / "broken").uri})


def test_a_classifier_step_that_is_none_is_refused_in_the_plan(place, tmp_path):
    gan = {"job": "train-gan", "data": DATA, "model": {"latent_dim": 4, "base_channels": 4}}
    with pytest.raises(SpecError, match="classifier"):
        planned(tmp_path / "results", {"gan": gan, "score": step(place, classifier="gan")})
