"""DFM-GAN as a job: its scores, its pictures, and what the plan refuses."""

import pytest

from evaluate_jobs import TEN, classifier
from faulty import planned
from preimage.errors import ClassifierError, PreimageError
from preimage.pipelines.execute import execute
from preimage.storage.folder import Folder

SCORED = {
    "job": "train-dfm",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 200},
    "model": {"latent_dim": 4, "base_channels": 4},
    "denoiser": {"depth": 1, "width": 130},
    "optimizer": {"lr": 0.5},
}


def test_a_scored_training_whose_best_checkpoint_is_before_the_first_record(tmp_path):
    """It diverges, so that the first checkpoints' samples are the best; its only record is at the end."""
    training = {
        "total_images": 960,
        "batch_size": 24,
        "log_every": 960,
        "checkpoint_every": 48,
        "sample_every": 960,
    }
    classifier(Folder.at(tmp_path / "classifier"))
    score = {"classifier": str(tmp_path / "classifier"), "images": 40}
    step = SCORED | {"training": training, "score": score}
    outcome = execute(planned(tmp_path / "results", {"dfm": step}))
    assert outcome.metrics["dfm.images_seen"] < 960
    assert outcome.metrics["dfm.denoising_error"] > 0
    features, adversarial = (outcome.metrics[f"dfm.{name}_gradient"] for name in ("feature", "adversarial"))
    assert outcome.metrics["dfm.gradient_ratio"] == features / adversarial > 0
    run = planned(tmp_path / "results", {"dfm": step}).steps[0].run
    scores = dict(run.curve("classifier_score"))
    best = outcome.metrics["dfm.classifier_score"]
    assert best == max(scores.values()) == scores[outcome.metrics["dfm.images_seen"]]
    pictures = run.figures.names()
    assert {"scores.png", "features.png", "losses.png", "samples.png"} <= set(pictures)


def test_classes_that_the_classifier_does_not_know_are_refused_before_training(tmp_path):
    classifier(Folder.at(tmp_path / "five"), classes=TEN[:5])
    plan = planned(tmp_path / "results", {"dfm": SCORED | {"score": {"classifier": str(tmp_path / "five")}}})
    with pytest.raises(ClassifierError, match="digits has more classes than the classifier knows: 10"):
        execute(plan)
    assert not plan.steps[0].run.product("checkpoints").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": {"weights": "missing.pth"}}, "weights=missing.pth does not exist"),
        ({"feature_pool": 3}, "step dfm: feature_pool=3 does not divide the discriminator's last maps"),
        ({"denoiser": {"width": 9}}, "step dfm: denoiser.width=9 is narrower"),
    ],
)
def test_what_a_dfm_gan_cannot_be_is_refused_by_the_plan(tmp_path, change, message):
    with pytest.raises(PreimageError, match=message):
        planned(tmp_path, {"dfm": SCORED | change})
