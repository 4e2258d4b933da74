"""What runs are called in the tracker."""

import pytest

from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.titles import LONGEST, title_of, trial_title
from preimage.specs.load import loads
from preimage.tuning.naming import short_names
from shell import PIPELINE


def titles(plan):
    return [title_of(step, plan.spec.is_pipeline) for step in plan.steps]


def test_a_run_is_called_by_its_kind_its_images_and_what_distinguishes_it(tmp_path):
    plan = make_plan(loads(PIPELINE, "p.yaml", "p", None, [f"results={tmp_path}"]))
    assert titles(plan) == ["train: train-gan digits w4 d4", "codes: invert digits lbfgs", "prior: pag"]
    (alone,) = plan.steps[:1]
    assert title_of(alone, in_pipeline=False) == "train-gan digits w4 d4"


@pytest.mark.parametrize(
    ("params", "title"),
    [
        ({"train.model.latent_dim": 50, "train.optimizer.lr": 2e-4}, "3 latent_dim=50 lr=0.0002"),
        ({"train.optimizer.lr": 0.00123456, "flip": True}, "3 lr=0.001235 flip=True"),
        ({"total_images": 1_500_000}, "3 total_images=1500000"),
        ({}, "3"),
    ],
)
def test_a_trial_is_called_by_its_number_and_what_varies(params, title):
    assert trial_title(3, params, short_names(params)) == title


def test_a_title_ends_where_a_table_would_cut_it():
    assert len(trial_title(0, {"optimizer": {"name": "x" * 300}}, {"optimizer": "optimizer"})) == LONGEST
