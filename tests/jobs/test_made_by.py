"""The line below every table and picture: how its job made it."""

import pytest

from preimage.data.config import DataConfig
from preimage.inversion.config import InversionConfig
from preimage.jobs.analyze_codes.job import AnalyzeCodesJob
from preimage.jobs.evaluate.job import EvaluateJob
from preimage.jobs.published import ANALYZE_CODES, RECOVER, beside
from preimage.jobs.random_weights.job import RandomWeightsJob
from preimage.jobs.recover.job import RecoverJob
from preimage.jobs.recover_partial.job import RecoverPartialJob
from preimage.jobs.registry import JOBS
from preimage.jobs.settings_text import data_text, settings_of
from preimage.models.cards import GeneratorCard
from preimage.specs.load import loads
from tiny import MODEL

DATA = {"source": "digits", "size": 16, "channels": 1}
PAIR = {"generator": "g", "store": "s"}
OTHERS = {
    "invert": {"generator": "g"},
    "recover": {"generator": "g"},
    "recover-partial": {"generator": "g"},
    "fit-prior": {"store": "s", "kind": "mixture", "settings": {"components": 3}},
    "train-prior": {"store": "s"},
    "compare-priors": {"store": "s", "priors": {"flat": "uniform"}},
    "induced-prior": {"generators": ["g"], "stores": ["s"]},
    "pag": {"store": "s", "std": 2.0},
    "evaluate": {"generators": {"one": "g"}},
    "analyze-codes": PAIR,
    "explore": PAIR,
    "compare-reconstructions": {"methods": {"PCA": "p"}},
    "reconstruction-table": {"datasets": {"digits": {"PCA": "p"}}},
    "invertibility": {},
    "landscape": {},
    "random-weights": {"datasets": {"digits": DATA}},
}
SAYS = {
    "train-gan": (
        "adam, lr 0.0002, beta1 0.5",
        "1,000,000 images seen, batch 100",
        "d 100, kernel 4, width 64",
    ),
    "train-dfm": ("denoiser ", "lambda denoise 0.03"),
    "train-glo": ("sgd, lr 1", "loss l2", "codes init pca, lr 0.1"),
    "train-classifier": ("images seen",),
    "train-prior": ("rmsprop, lr 0.0003, decay 0.99", "500,000 codes seen", "held out 0.1"),
    "init-generator": ("d 100",),
    "invert": ("lbfgs", "60 steps at most"),
    "recover": ("gradient-descent", "lr halved every 50,000", "100,000 steps", "1,000 codes"),
    "recover-partial": ("adam", "lr 0.1", "500 steps", "restart negative", "100 images"),
    "fit-prior": ("kind mixture", "3 components"),
    "compare-priors": ("5 repeats",),
    "induced-prior": ("10,000 images",),
    "pca": ("d 100",),
    "pag": ("std 2",),
    "compare-reconstructions": (),
    "reconstruction-table": (),
    "evaluate": ("50,000 images", "10 splits"),
    "analyze-codes": ("1,024 codes",),
    "explore": ("momentum", "condition pool 8", "1,000 steps"),
    "invertibility": ("adam", "400 steps", "8 networks", "32 codes", "directions epsilon 0.25"),
    "landscape": ("measurement mask random, rate 0.5", "2,000 steps", "20 networks"),
    "random-weights": ("adam", "lr 0.05", "400 steps", "4 networks"),
}
SMALL = InversionConfig(solver="gradient-descent", steps=1000, patience=None)


@pytest.mark.parametrize("kind", list(JOBS))
def test_every_job_says_its_settings(kind):
    job = JOBS[kind].model_validate({"job": kind} | OTHERS.get(kind, {"data": DATA}))
    text = ", ".join(job.settings_text())
    for said in SAYS.get(kind, ("images seen",)):
        assert said in text
    assert "None" not in text
    if job.paper:
        job.paper.remark(job)  # which reads each of its keys in the job


def test_what_is_off_is_said_and_what_a_study_varies_is_not():
    dfm = JOBS["train-dfm"].model_validate({"job": "train-dfm", "data": DATA, "denoiser": None})
    assert "no denoiser" in dfm.settings_text()
    job = JOBS["train-gan"].model_validate({"job": "train-gan", "data": DATA})
    text = ", ".join(job.settings_text({"model.latent_dim", "optimizer.lr", "training.total_images"}))
    assert text.startswith("kernel 4, width 64, prior normal, adam, beta1 0.5, batch 100")
    usual = settings_of(InversionConfig(solver="adam"))
    assert usual == ["adam", "lr 0.05", "500 steps at most"]


def test_images_are_told_by_count_source_and_preparation():
    data = DataConfig(source="celeba", size=(28, 40), crop=118, resample="bilinear", channels=4)
    assert data_text(data, 1234) == "1,234 images of celeba train, 28 x 40 px, RGBA, crop 118, bilinear"
    few = DataConfig(source="digits", size=16, channels=1, max_images=20, resample="box")
    assert data_text(few) == "20 images of digits train, 16 px, grey, box"


def test_fewer_steps_than_the_papers_are_never_silent():
    job = RecoverJob.model_validate({"generator": "g", "codes": 8, "inversions": {"a": SMALL}})
    text = ", ".join(job.settings_text())
    assert "1,000 of the paper's 100,000 steps" in text
    assert "8 of the paper's 1,000 codes" in text
    card = GeneratorCard(generator=MODEL, weights_sha256="", training={"data": DATA})
    assert job.paper.remark(job, card) == (
        "Our settings differ from the paper's: 8 of 1,000 codes; 10 unseen images, not 1; 100 of 1,000 "
        "repeats; 1,000 of 100,000 steps; 16 pixels, not 64; codes of 4 components, not 100."
    )
    theirs = MODEL.model_copy(update={"image_size": 64, "latent_dim": 100})
    whole = RecoverJob.model_validate({"generator": "g", "unseen": 1, "repeats": 1000})
    assert RECOVER.remark(whole, GeneratorCard(generator=theirs, weights_sha256="")) == ""


def test_other_solvers_and_sources_than_the_papers_are_named():
    job = RecoverPartialJob.model_validate({"generator": "g", "inversion": {"solver": "lbfgs"}})
    assert job.paper.remark(job) == (
        "Our settings differ from the paper's: lbfgs, not adam; 60 of 500 steps."
    )
    assert "lbfgs, not the paper's adam" in ", ".join(job.settings_text())
    card = GeneratorCard(generator=MODEL, weights_sha256="", training={"data": DATA})
    assert "a generator of digits images, not mnist" in job.paper.remark(job, card)


def test_the_jobs_own_defaults_are_the_papers_where_it_says():
    weights = RandomWeightsJob.model_validate({"datasets": {"digits": DATA}})
    codes = AnalyzeCodesJob.model_validate(PAIR)
    scores = EvaluateJob.model_validate({"generators": {"a": "g"}})
    assert weights.paper.remark(weights) == ANALYZE_CODES.remark(codes) == ""
    assert scores.paper
    assert scores.paper.remark(scores) == ""
    assert EvaluateJob.model_validate({"generators": {"a": "g"}, "classifier": "c"}).paper is None


def test_one_of_a_kind_is_singular():
    assert beside("networks", 1, None) == "1 network"
    assert beside("inversion.lr", 0.05, 0.1) == "lr 0.05, not the paper's 0.1"


def test_a_spec_knows_its_profile_and_whether_it_was_overridden():
    text = "job: pag\nstore: s\nprofiles: {small: {std: 2.0}}"

    def title(profile=None, *changes):
        return loads(text, "a.yaml", "a", profile, changes).title

    assert title() == title(None, "results=b", "resources.workers=2") == "spec a"
    assert title("small") == "spec a, profile small"
    assert title("small", "seed=3") == "spec a, profile small, with overrides"
    gan = "job: train-gan\ndata: {source: digits}\nmodel: {latent_dim: 2, prior: normal}"
    assert loads(gan, "a.yaml", "a", None, ["optimizer.name=sgd"]).title == "spec a, with overrides"
