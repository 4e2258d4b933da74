"""What metrics mean is said of every one that a user sees first."""

from pathlib import Path

import pytest

from preimage.jobs.meanings import meaning
from preimage.runs.metrics import plain_name
from preimage.specs.load import loads

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("spec", sorted((ROOT / "jobs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_headline_metric_of_a_shipped_spec_has_a_meaning(spec):
    for job in loads(spec.read_text(), str(spec), spec.stem).steps.values():
        names = [plain_name(each.name) for each in job.metrics() if each.headline]
        assert [name for name in names if not meaning(name)] == []


def test_a_name_of_a_step_or_of_a_best_trial_counts_by_its_last_part():
    assert meaning("generator_loss") != ""
    assert meaning("train.generator_loss") == meaning("best.generator_loss") == meaning("generator_loss")
    assert meaning("no such metric") == ""
