"""What an evaluate job says of Inception, and where the paper's scores stand beside ours."""

import pytest
import torch
from torch import nn

from evaluate_jobs import start
from preimage.jobs.evaluate.report import EvaluateReport
from preimage.models.scorer import Scorer


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr("preimage.jobs.evaluate.run.draw", lambda *everything: {})


class Fake(nn.Module):
    """Stands for Inception: 1008 logits and a few features out of pixels."""

    def forward(self, pixels):
        flat = pixels.flatten(1).float() / 255
        return flat[:, torch.arange(1008) % flat.shape[1]] * 9, flat[:, ::37]


@pytest.mark.parametrize("published", [True, False])
def test_by_inception_the_names_are_the_literatures_and_other_weights_are_told_of(
    place, digits, monkeypatch, published
):
    sha256 = ("6726825d" if published else "1" * 8) + "0" * 56
    monkeypatch.setattr("preimage.models.inception.open_inception", lambda weights: (Fake().eval(), sha256))
    result = start(place, digits, classifier=None, weights="w.pth")
    found = result.metrics["table"]["DCGAN"]
    assert {"inception_score", "fid"} <= set(found)
    assert not any("classifier" in name for name in found)
    text = result.table
    assert text
    assert f"Inception, weights with SHA-256 {sha256}" in text
    assert ("(the published ones)" in text) is published
    assert ("not the published file" in text) is not published
    assert "classifier" not in text


def report(place, digits, source, score, sha256):
    """A report whose data claims to be of another source."""
    reports, metrics = [], EvaluateReport.metrics

    def keep(self):
        reports.append(self)
        return metrics(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EvaluateReport, "metrics", keep)
        start(place, digits)
    [made] = reports
    config = digits.manifest["config"] | {"source": source}
    dataset = type(digits)(digits.folder, digits.manifest | {"config": config})
    about = {"weights_sha256": sha256} if score == "inception_score" else made.scorer.about
    scorer = Scorer(made.scorer.network, score, "fid", sha256, about, ())
    return EvaluateReport(made.runs, made.real, scorer, dataset)


def test_the_papers_scores_stand_beside_inception_scores_of_its_images_alone(place, digits):
    published = "6726825d" + "0" * 56
    made = report(place, digits, "cifar10", "inception_score", published)
    assert "| training images | 3 x 40 |" in made.table()
    assert "| 11.24 |" in made.table()
    assert "in the paper" in made.table()
    assert "Our images differ from the paper's: 200 of 50,000 images; 16 pixels, not 32;" in made.table()
    for source, score, sha256 in (
        ("digits", "inception_score", published),
        ("cifar10", "classifier_score", published),
        ("cifar10", "inception_score", "0" * 64),
    ):
        assert "in the paper" not in report(place, digits, source, score, sha256).table()
