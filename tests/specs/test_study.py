"""Specs of studies: what is read, and every mistake in one report with its place."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from preimage.errors import SpecError
from preimage.specs.models import schema
from preimage.specs.objectives import lowest_is_best, recorders, reports_of
from preimage.specs.study import is_study, loads_study

STUDY = """\
trial:
  data: {source: digits, size: 16, channels: 1}
  defaults:
    invert: {inversion: {solver: adam}}
  steps:
    train: {job: train-gan, training: {total_images: 1000, batch_size: 20}}
    codes: {job: invert, generator: train}
    prior: {job: pag, store: codes}
space:
  train.model.kernel_size: {choice: [3, 4]}
  train.optimizer.name: {choice: [adam, sgd]}
  train.optimizer.momentum:
    choice: [0.0, 0.9]
    when: {train.optimizer.name: sgd}
objectives: {prior.pag: minimize, train.generator_loss: minimize}
sampler: {name: grid}
profiles:
  small:
    trial.train.training.total_images: 100
    space.train.model.base_channels: {int: [3, 5]}
"""
TPE = ["sampler.name=tpe", "trials=9"]
ONE = ["objectives={prior.pag: minimize}"]


def study(*changes, text=STUDY, profile=None):
    return loads_study(text, "a.yaml", "a", profile, changes)


def mistakes(*changes, text=STUDY, profile=None):
    with pytest.raises(SpecError) as caught:
        study(*changes, text=text, profile=profile)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_a_study_is_read_and_written_and_read_again():
    spec = study()
    assert (spec.name, spec.trials, list(spec.objectives)) == ("a", 6, ["prior.pag", "train.generator_loss"])
    assert not spec.is_adaptive
    again = study(text=yaml.safe_dump(spec.resolved(), sort_keys=False))
    assert again == spec
    assert is_study(STUDY, "a.yaml")
    assert not is_study("job: pag\nstore: a", "a.yaml")


def test_a_trial_has_the_values_of_its_point():
    point = {"train.optimizer.name": "sgd", "train.optimizer.momentum": 0.9, "train.model.kernel_size": 3}
    made = study().spec_of(point, "a-0001")
    config = made.steps["train"]
    assert (config.optimizer.name, config.optimizer.momentum, config.model.kernel_size) == ("sgd", 0.9, 3)
    assert config.data.source == "digits"
    assert (made.name, made.results) == ("a-0001", "results")
    with pytest.raises(SpecError, match="a-0002, with .*: steps.train.model.kernel_size: should be"):
        study().spec_of({"train.model.kernel_size": 0}, "a-0002")


def test_profiles_and_overrides_reach_the_trial_and_the_space():
    small = study(profile="small")
    assert small.trials == 18
    assert small.trial["steps"]["train"]["training"]["total_images"] == 100
    changed = study("trial.codes.seed=4", "space.train.model.kernel_size.choice=[3]", *TPE, "sampler.seed=3")
    assert changed.trial["steps"]["codes"]["seed"] == 4
    assert (changed.space["train.model.kernel_size"].choice, changed.trials) == ((3,), 9)
    assert changed.sampler.seed == 3
    assert list(study("objectives.codes.converged=maximize").objectives)[2] == "codes.converged"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["space.train.model.base_chanels={int: [1, 2]}"],
            "space.train.model.base_chanels: no such key; did you mean 'base_channels'?",
        ),
        (
            ["space.trian.model.base_channels={int: [1, 2]}"],
            "space.trian.model.base_channels: no such step or key; did you mean",
        ),
        (
            ["space.train.model.base_channels={choice: [3, a]}"],
            "space.train.model.base_channels: should be a valid integer",
        ),
        ([*TPE, "space.train.model.base_channels={uniform: [3, 8]}"], "number with a fractional part"),
        (
            ["space.train.model.base_channels={int: [-1, 2]}"],
            "space.train.model.base_channels: should be greater than",
        ),
        (
            ["space.train.training.select_by={choice: [generator_loss, x]}"],
            "with 'x', steps.train: training.select_by must be one of",
        ),
        (["space.codes.generator={choice: [prior]}"], "the step 'prior' does not come before this one"),
        (
            ["space.train.model.base_channels={int: [1, 2000]}"],
            "a grid cannot exceed 1,000 trials but has 16,000",
        ),
        (["space.train.optimizer.lr={uniform: [0.1, 1]}"], "a grid cannot cover a continuous key"),
        (["trials=7"], "trials: the grid has 6 points: write trials: 6, or remove it"),
        (["sampler.name=tpe"], "trials: is required: the number of trials that tpe may sample"),
        (
            ["objectives.prior.pog=minimize"],
            "objectives.prior.pog: no trial reports it: did you mean 'prior.pag'?",
        ),
        (["correlate={prior.pog: minimize}"], "correlate.prior.pog: no trial reports it: did you mean"),
        (["correlate={prior.pag: minimize}"], "correlate.prior.pag: is an objective, and correlated as such"),
        (["show=[prior.pog]"], "show.0: no trial reports prior.pog: did you mean 'prior.pag'?"),
        (["objectives.prior.pag=best"], "should be 'minimize' or 'maximize'"),
        (["objectives={}"], "objectives: "),
        (["space={}"], "space: "),
        (["space.train.optimizer.momentum.when={a: 1}"], "no such key of this space"),
        (
            ["space.train.optimizer.momentum.when={train.optimizer.name: rmsprop}"],
            "train.optimizer.name is never 'rmsprop'",
        ),
        (
            ["space.train.optimizer.name={choice: [adam, sgd], when: {train.optimizer.momentum: 0.9}}"],
            "depend on each other",
        ),
        (
            ["space.seed={choice: [1], when: {train.optimizer.momentum: 0.9, train.optimizer.name: adam}}"],
            "this condition never holds",
        ),
        (["space.train.model.base_channels={uniform: [3, 1]}"], "lower bound must be below the upper"),
        (["space.train.optimizer.lr={log-uniform: [0, 1]}"], "lower bound above 0"),
        (["space.train.resources.cpus_per_worker={int: [1, 2]}"], "has no effect on results"),
        (
            ["space.defaults.invert.inversion.solver={choice: [adam, x]}"],
            "solver: 'x': no such solver",
        ),
        (["sampler.name=cma-es", "trials=9"], "cma-es samples numbers, not choices: use sampler.name: tpe"),
        (["sampler.name=cma-es", "trials=9"], "cma-es optimizes one objective only"),
        (
            [*TPE, "scheduler={name: asha, metric: generator_loss, min_resource: 100}"],
            "asha compares trials by one metric but got 2 objectives",
        ),
        (
            [*TPE, *ONE, "scheduler={name: asha, metric: pag, min_resource: 100}"],
            "no training step of a trial records it",
        ),
        ([*TPE, "scheduler={name: asha}"], "asha needs `metric`"),
        (["trial.results=elsewhere"], "belongs beside `trial`, not in it"),
        (
            ["trial.train.training.batch_size=a"],
            "trial.steps.train.training.batch_size: should be a valid integer",
        ),
        (["sampler.name=tpo"], "sampler.name: should be 'grid'"),
        (["trails=3"], "trails: no such key; did you mean 'trials'?"),
    ],
)
def test_a_mistake_says_what_is_wrong(changes, message):
    found = mistakes(*changes)
    assert any(message in line for line in found), found


def test_all_mistakes_come_in_one_report_each_with_its_line():
    wrong = STUDY.replace("kernel_size: {choice", "kernel_siez: {choice").replace(
        "[adam, sgd]", "[adam, adan]"
    )
    wrong = wrong.replace("sgd}", "adan}")
    found = mistakes(text=wrong)
    assert [line.split(":")[0] for line in found] == ["line 10", "line 11"]
    assert "did you mean 'kernel_size'?" in found[0]
    assert "'adam', 'rmsprop' or 'sgd'" in found[1]
    [line] = mistakes(text=STUDY.replace("batch_size: 20", "batch_size: x"))
    assert line.startswith("line 6: trial.steps.train.training.batch_size")
    [line] = mistakes(text=STUDY.replace("solver: adam", "solver: adan"))
    assert line.startswith("line 4: trial.steps.codes.inversion.solver")
    [line] = mistakes("space.train.model.base_channels={choice: [a]}")
    assert line.startswith("override: space.train.model.base_channels")
    [line] = mistakes(text=STUDY.replace("int: [3, 5]", "int: [0, 5]"), profile="small")
    assert line.startswith("line 20, profile small: space.train.model.base_channels")


def test_a_key_that_steps_override_changes_nothing_and_is_refused():
    text = STUDY.replace("defaults:\n", "defaults:\n    train-gan: {model: {base_channels: 8}}\n")
    key = "space.defaults.train-gan.model.base_channels={int: [2, 4]}"
    assert study(key, text=text).trials == 18
    [line] = mistakes(key, text=text.replace("job: train-gan,", "job: train-gan, model: {base_channels: 4},"))
    assert "none of its values has an effect" in line


def test_a_metric_that_two_trainings_record_is_refused():
    text = STUDY.replace("    codes:", "    other: {job: train-gan, seed: 3}\n    codes:")
    [line] = mistakes(
        *TPE, *ONE, "scheduler={name: median, metric: generator_loss, min_resource: 100}", text=text
    )
    assert "train and other record it" in line


def test_a_metrics_direction_is_its_trainings():
    spec = study().spec_of({}, "a")
    assert recorders(spec, "generator_loss") == ["train"]
    assert lowest_is_best(spec, "generator_loss")
    assert not lowest_is_best(spec, "classifier_score")
    best = study("trial.train.training.select_by=generator_loss", "trial.train.training.mode=max")
    assert not lowest_is_best(best.spec_of({}, "a"), "generator_loss")
    assert "codes.reconstruction_error" in reports_of(spec)


def test_metrics_that_only_a_run_can_name_may_be_sought_in_their_table():
    text = "trial: {job: explore, store: s, generator: g}\n"
    text += "space: {seed: {choice: [1, 2]}}\nobjectives: {OBJECTIVE: minimize}\nsampler: {name: grid}\n"
    [line] = mistakes(text=text.replace("OBJECTIVE", "spraed"))
    assert "did you mean 'spread'" in line
    text = text.replace("job: explore, store: s, generator: g", "job: evaluate, generators: {GAN: g}")
    loads_study(text.replace("OBJECTIVE", "real.test images.fid"), "a.yaml", "a")


def test_the_schema_knows_studies():
    made = Draft202012Validator(schema())
    assert not list(made.iter_errors(yaml.safe_load(STUDY)))
    for wrong in (
        "objectives: {prior.pag: best}",
        "sampler: {name: tpo}",
        "space: {a: {int: [1, 2], logg: true}}",
    ):
        value = yaml.safe_load(STUDY) | yaml.safe_load(wrong)
        assert list(made.iter_errors(value)), wrong
    assert json.dumps(schema())
