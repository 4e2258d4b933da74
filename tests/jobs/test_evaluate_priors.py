"""Evaluating generators under priors that are not their own."""

import pytest
import torch

from declared import run_job
from evaluate_jobs import DATA, asked, context, step
from faulty import planned
from preimage.data.catalog import Catalog
from preimage.data.pixels import to_uint8
from preimage.errors import PriorError, SpecError
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.jobs.evaluate.score_shards import ImageMaker, ScoringTask, samples_of
from preimage.latents.fitted import Diagonal
from preimage.latents.priors import Gaussian
from preimage.models.generator_folder import load_generator, write_generator
from preimage.models.linear import LinearGenerator
from preimage.models.prior_folder import save_prior
from preimage.models.scorer import ScorerSource
from preimage.random_streams import Stream
from stores import linear_generator

WIDE = Diagonal(torch.zeros(6), torch.full((6,), 5.0))
OTHER = Gaussian(torch.ones(6), torch.eye(6) / 3)


@pytest.fixture(autouse=True)
def prepared(place, monkeypatch):
    monkeypatch.setattr("preimage.jobs.evaluate.run.draw", lambda *everything: {})
    for name, prior in (("wide", WIDE), ("other", OTHER)):
        save_prior(prior, place / name, {})


def start(place, digits, **settings):
    job = EvaluateJob.model_validate(asked(place, **settings))
    return run_job(job, context(place, digits, job))


def test_one_generator_has_a_line_for_each_prior(place, digits):
    linear = (place / "linear").uri
    own, wide, other = "GAN", "GAN + wide prior", "GAN + other prior"
    result = start(
        place,
        digits,
        generators=dict.fromkeys((own, wide, other), linear),
        priors={wide: (place / "wide").uri, other: (place / "other").uri},
    )
    scores = [result.metrics["table"][name]["classifier_score"] for name in (own, wide, other)]
    assert len(set(scores)) == 3
    assert f"{wide}: codes drawn from a fitted prior (diagonal), not the generator's own." in result.table
    assert f"{own}: codes" not in result.table


def test_a_prior_for_all_is_that_of_every_line_without_one_of_its_own(place):
    job = EvaluateJob.model_validate(
        asked(place, prior="p", priors={"two": ["q", "r"]}) | {"generators": {"one": "g", "two": ["h", "i"]}}
    )
    assert job.borrowed_priors() == {
        "generators.one.0": "prior",
        "generators.two.0": "priors.two.0",
        "generators.two.1": "priors.two.1",
    }
    for_both = job.model_copy(update={"priors": {"two": ("q",)}})
    assert for_both.borrowed_priors()["generators.two.1"] == "priors.two.0"


@pytest.mark.parametrize("own", ["normal", "gaussian-in-ball"])
def test_samples_are_images_of_the_given_priors_codes(place, own):
    """Whatever the generator's own prior is, such as GLO's."""
    normal = linear_generator(6, seed=3)
    generator = LinearGenerator(normal.config.model_copy(update={"prior": own}))
    generator.load_state_dict(normal.state_dict())
    ball = Gaussian(torch.zeros(6), torch.eye(6), "ball") if own != "normal" else None
    write_generator(generator, place / "own", {"data": DATA}, ball)
    sets = [samples_of("a", place / "own", 30, prior) for prior in (None, place / "other", place / "wide")]
    assert len({each.key for each in sets}) == 3, "the prior is part of what samples are"
    task = ScoringTask(tuple(sets), ScorerSource(place / "classifier"), place / "pieces", 30, 7)
    drawn = OTHER.sample(30, Stream.EVALUATED_CODES.generator(7, 0))
    with torch.no_grad():
        expected = to_uint8(load_generator(place / "own")[0](drawn))
    assert torch.equal(ImageMaker(task, sets[1], torch.device("cpu"))(torch.arange(30)), expected)


def test_what_does_not_fit_is_refused_by_the_plan(place, tmp_path):
    save_prior(Gaussian(torch.zeros(5), torch.eye(5)), place / "five", {})
    wrong = step(place, priors={"two": (place / "five").uri})
    with pytest.raises(PriorError, match=r"priors\.two\.0: the prior's codes have 5 components but those of"):
        planned(tmp_path, {"score": wrong})
    three = EvaluateJob.model_validate(asked(place, priors={"two": ["p"] * 3}))
    with pytest.raises(SpecError, match=r"priors\.two names 3 priors for 2 generators"):
        three.check(Catalog(tmp_path))


def test_a_prior_is_part_of_the_fingerprint(place, tmp_path):
    names = [
        planned(tmp_path, {"score": step(place, priors={"two": (place / prior).uri})}).run.name
        for prior in ("wide", "other")
    ]
    assert names[0] != names[1]
