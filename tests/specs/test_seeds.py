"""Steps that run once for each seed."""

import pytest
import yaml

from preimage.errors import SpecError
from preimage.jobs.references import references
from preimage.specs.load import loads

GAN = {"job": "train-gan", "data": {"source": "digits", "size": 16, "channels": 1}}
STEPS = {
    "gan": GAN | {"seeds": 3},
    "one": GAN,
    "codes": {"job": "invert", "generator": "gan", "seeds": [1, 3]},
    "evaluate": {"job": "evaluate", "generators": {"all": "gan", "some": ["one", "gan-2"]}},
}


def load(**steps):
    return loads(yaml.safe_dump({"steps": STEPS | steps}, sort_keys=False), "a.yaml", "a")


def test_a_step_runs_once_for_each_seed_and_its_name_stands_for_all_runs_in_a_list():
    steps = load().steps
    assert list(steps) == ["gan-1", "gan-2", "gan-3", "one", "codes-1", "codes-3", "evaluate"]
    assert [steps[f"gan-{seed}"].seed for seed in (1, 2, 3)] == [1, 2, 3]
    assert references(steps["evaluate"]) == {
        "generators.all.0": "gan-1",
        "generators.all.1": "gan-2",
        "generators.all.2": "gan-3",
        "generators.some.0": "one",
        "generators.some.1": "gan-2",
    }
    assert [str(steps[f"codes-{seed}"].generator) for seed in (1, 3)] == ["gan-1", "gan-3"]


def test_the_resolved_spec_is_the_same_pipeline_again():
    spec = load()
    assert loads(yaml.safe_dump(spec.resolved(), sort_keys=False), "b.yaml", "b") == spec


def test_steps_with_seeds_may_come_before_rounds():
    repeat = {"codes": {"job": "invert", "generator": "gan-1"}}
    text = yaml.safe_dump({"steps": {"gan": GAN | {"seeds": 2}}, "repeat": repeat, "rounds": 2})
    spec = loads(text, "a.yaml", "a")
    assert list(spec.steps) == ["gan-1", "gan-2", "codes-1", "codes-2"]
    assert loads(yaml.safe_dump(spec.resolved(), sort_keys=False), "b.yaml", "a") == spec


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            {"codes": {"job": "invert", "generator": "gan"}},
            "'gan' is several runs: name one of gan-1, gan-2, gan-3",
        ),
        (
            {"codes": {"job": "invert", "generator": "gan", "seeds": [4]}},
            "'gan' is several runs: name one of gan-1, gan-2, gan-3",
        ),
        ({"gan": GAN | {"seeds": 3, "seed": 1}}, "seed and seeds contradict each other"),
        (
            {"gan": GAN | {"seeds": 0}},
            "must be a number up to 1000, such as 3 for .* but got 0",
        ),
        ({"gan": GAN | {"seeds": [1, 1]}}, "a list of distinct whole numbers, but got"),
        ({"gan": GAN | {"seeds": "three"}}, "but got 'three'"),
        ({"gan-2": GAN}, "a run of it is named 'gan-2', like another step"),
    ],
)
def test_what_is_ambiguous_is_a_mistake(steps, message):
    with pytest.raises(SpecError, match=message):
        load(**steps)


def test_a_repeated_step_has_no_seeds():
    text = yaml.safe_dump({"steps": {"one": GAN}, "repeat": {"more": GAN | {"seeds": 2}}, "rounds": 2})
    with pytest.raises(SpecError, match=r"1 mistake:\n.*more.seeds: a repeated step has one run in each"):
        loads(text, "a.yaml", "a")
