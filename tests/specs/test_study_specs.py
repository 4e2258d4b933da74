"""The studies that are shipped."""

from pathlib import Path

import pytest
import yaml

from preimage.pipelines.make_plan import make_plan
from preimage.specs.objectives import recorders
from preimage.specs.search_space import complete, grid_points, variants
from preimage.specs.study import load_study

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "tuning").glob("*.yaml"))
WITH_PROFILES = [
    pytest.param(path, profile, id=f"{path.stem}-{profile}")
    for path in SHIPPED
    for profile in [None, *yaml.safe_load(path.read_text())["profiles"]]
]


def named(name):
    return ROOT / "tuning" / f"{name}.yaml"


def planned(study, point):
    return make_plan(study.spec_of(point, "trial"))


def test_there_are_studies_and_each_has_a_small_profile():
    assert {"pag-study", "learning-rates-dfm", "learning-rates-gan", "learning-rates-glo"} <= {
        path.stem for path in SHIPPED
    }
    assert all("small" in yaml.safe_load(path.read_text())["profiles"] for path in SHIPPED)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_its_header_says_what_it_is_and_how_to_run_it(path):
    head = path.read_text().partition("\nname: ")[0]
    assert head.startswith("# yaml-language-server: $schema=../jobs/schema.json\n#\n")
    assert all(f"#   {key} " in head for key in ("papers", "command", "needs", "leaves"))
    assert f"preimage run {path.stem}" in head
    assert all(line.startswith("#") for line in head.splitlines())


@pytest.mark.parametrize(("path", "profile"), WITH_PROFILES)
def test_it_loads_and_every_value_of_its_space_can_be_planned(path, profile, tmp_path):
    study = load_study(path, profile, [f"results={tmp_path}"])
    assert study.name == path.stem
    for _, point in variants(study.space):
        plan = planned(study, point)
        assert all(step.state == "new" for step in plan.steps)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("path", "profile"), WITH_PROFILES)
def test_a_scheduler_has_records_to_decide_by_at_every_rung(path, profile, tmp_path):
    study = load_study(path, profile, [f"results={tmp_path}"])
    metric, first = study.scheduler.metric, study.scheduler.min_resource
    if not metric or not first:
        return
    spec = study.spec_of(complete(study.space, {}), "trial")
    [name] = recorders(spec, metric)
    training = spec.steps[name].training
    every = training.checkpoint_every if metric.endswith("_score") else training.log_every
    assert first % every == 0, "a rung between two records would be decided late"
    rungs = [first * study.scheduler.reduction_factor**k for k in range(10)]
    assert rungs[1] <= training.total_images, "one rung saves little"
    assert not any(training.total_images / 2 < rung <= training.total_images for rung in rungs), (
        "too late to save"
    )


@pytest.mark.parametrize("profile", [None, "small", "digits"])
def test_the_pag_study_is_sixteen_models_and_one_classifier(profile, tmp_path):
    study = load_study(named("pag-study"), profile, [f"results={tmp_path}"])
    points = grid_points(study.space)
    assert study.trials == len(points) == 16
    steps = [{step.name: step.fingerprint for step in planned(study, point).steps} for point in points]
    assert len({each["classifier"] for each in steps}) == 1
    assert all(len({each[name] for each in steps}) == 16 for name in ("train", "invert", "pag", "evaluate"))
    assert {len(each.choice) for each in study.space.values()} == {2, 4}


@pytest.mark.parametrize("profile", [None, "small"])
@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("learning-rates-gan", "classifier"),
        ("learning-rates-dfm", "classifier"),
        ("learning-rates-inversion", "train"),
    ],
)
def test_what_a_space_does_not_touch_is_the_same_run_in_all_trials(name, shared, profile, tmp_path):
    study = load_study(named(name), profile, [f"results={tmp_path}"])
    plans = [planned(study, point) for _, point in variants(study.space)]
    made = [{step.name: step.fingerprint for step in plan.steps} for plan in plans]
    assert len({each[shared] for each in made}) == 1
    last = plans[0].steps[-1].name
    assert len({each[last] for each in made}) > 1
