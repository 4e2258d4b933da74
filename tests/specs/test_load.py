import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from preimage.errors import PreimageError, SpecError
from preimage.jobs.base import Job
from preimage.jobs.registry import JOBS
from preimage.specs.load import load, loads
from preimage.specs.models import schema
from preimage.specs.overrides import apply
from preimage.training.config import DenoiserConfig

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path for path in (ROOT / "jobs").glob("*.yaml"))

JOB = """\
job: train-gan
data: {source: digits, size: 16, channels: 1}
model:
  base_channels: 8
profiles:
  small: {training.total_images: 1000, model.base_channels: 4}
"""
PIPELINE = """\
seed: 7
resources: {workers: 2, cpus_per_worker: 1}
steps:
  train: {job: train-gan, data: {source: digits, size: 16}, resources: {cpus_per_worker: 3}}
  codes: {job: invert, generator: train, seed: 8}
  prior: {job: pag, store: codes}
"""


def mistakes(text: str, *changes: str, profile: str | None = None) -> list[str]:
    with pytest.raises(SpecError) as caught:
        loads(text, "a.yaml", "a", profile, changes)
    return str(caught.value).splitlines()[1:]


def test_a_job_with_defaults_a_profile_and_overrides():
    plain = loads(JOB, "a.yaml", "a").steps["a"]
    assert plain.model.base_channels == 8
    small = loads(JOB, "a.yaml", "a", "small", ["model.base_channels=2", "training.batch_size=10"]).steps["a"]
    assert (small.model.base_channels, small.training.total_images, small.training.batch_size) == (
        2,
        1000,
        10,
    )


def test_a_pipeline_hands_its_seed_and_resources_to_its_steps():
    spec = loads(PIPELINE, "p.yaml", "p", None, ["codes.inversion.steps=3", "steps.prior.std=2"])
    assert [job.seed for job in spec.steps.values()] == [7, 8, 7]
    assert (spec.steps["train"].resources.workers, spec.steps["train"].resources.cpus_per_worker) == (2, 3)
    assert spec.steps["codes"].inversion.steps == 3
    assert spec.steps["prior"].std == 2


def test_a_pipelines_images_are_those_of_every_step_that_must_be_given_some():
    value = yaml.safe_load(PIPELINE)
    images = value["steps"]["train"].pop("data")
    spec = loads(
        yaml.safe_dump(value | {"data": images}, sort_keys=False), "p.yaml", "p", None, ["data.max_images=50"]
    )
    assert spec.steps["train"].data.max_images == 50
    assert spec.steps["codes"].data is None, "an inversion takes its generator's images"
    own = images | {"max_images": 7}
    value["steps"]["train"]["data"] = own
    assert (
        loads(yaml.safe_dump(value | {"data": images}, sort_keys=False), "p.yaml", "p")
        .steps["train"]
        .data.max_images
        == 7
    )


DEFAULTS = """\
data: {source: digits, size: 16, channels: 1}
defaults:
  train-dfm:
    model: {latent_dim: 5, base_channels: 8}
    denoiser: {depth: 2}
steps:
  plain: {job: train-dfm, denoiser: null}
  wide: {job: train-dfm, model: {base_channels: 16}}
  gan: {job: train-gan}
profiles:
  small: {defaults.train-dfm.model.latent_dim: 3}
"""


def test_a_pipelines_defaults_are_those_of_every_step_of_that_job():
    steps = loads(DEFAULTS, "a.yaml", "a").steps
    assert (steps["plain"].denoiser, steps["plain"].model.latent_dim) == (None, 5)
    assert (
        steps["wide"].model.latent_dim,
        steps["wide"].model.base_channels,
        steps["wide"].denoiser.depth,
    ) == (
        5,
        16,
        2,
    )
    assert steps["gan"].model.latent_dim == 100
    changed = loads(DEFAULTS, "a.yaml", "a", "small", ["defaults.train-dfm.denoiser.depth=4"]).steps
    assert (changed["wide"].model.latent_dim, changed["wide"].denoiser.depth) == (3, 4)
    assert changed["plain"].denoiser is None


def test_a_mistake_in_a_default_has_its_line():
    wrong = DEFAULTS.replace("latent_dim: 5", "latent_dims: 5")
    assert all("line 4: steps." in line and "latent_dims" in line for line in mistakes(wrong))
    for line in mistakes(DEFAULTS, "defaults.train-dfm.model.base_chanels=3"):
        assert line.startswith("  override: steps.")
    [line] = mistakes(DEFAULTS.replace("train-dfm:\n", "train-dfn:\n"))
    assert "line 3: defaults.train-dfn" in line
    assert "train-dfm" in line
    assert loads(DEFAULTS, "a.yaml", "a", None, ["defaults.train-glo.seed=1"]).steps  # of a job not done here
    [line] = mistakes(DEFAULTS, "defaults.train-gan.job=train-dfm")
    assert "defaults cannot set job" in line


def test_a_steps_images_without_a_source_change_the_pipelines():
    changes = ["gan.data.max_images=50", "wide.data={source: mnist}"]
    steps = loads(DEFAULTS, "a.yaml", "a", None, changes).steps
    assert (steps["gan"].data.source, steps["gan"].data.size, steps["gan"].data.max_images) == (
        "digits",
        16,
        50,
    )
    assert (steps["wide"].data.source, steps["wide"].data.size) == ("mnist", 64)
    assert steps["plain"].data.max_images is None


def test_a_denoiser_is_switched_off_by_null_and_off_alone():
    text = JOB.replace("train-gan", "train-dfm")
    given = {
        value: loads(text, "a.yaml", "a", None, [f"denoiser={value}"]) for value in ("null", "off", "{}")
    }
    assert given["null"].steps["a"].denoiser is given["off"].steps["a"].denoiser is None
    assert given["{}"].steps["a"].denoiser == DenoiserConfig()


def test_an_override_may_name_a_place_in_a_list():
    value = {"methods": [{"generator": "a"}, {"generator": "b"}]}
    assert apply(value, {"methods.1.generator": "c"})["methods"] == [{"generator": "a"}, {"generator": "c"}]
    with pytest.raises(SpecError, match="'2' is not an index of a list of 2"):
        apply(value, {"methods.2.generator": "c"})


def test_all_mistakes_come_in_one_report_each_with_its_place():
    text = (
        JOB.replace("base_channels: 8", "base_chanels: 8").replace("size: 16", "size: banana") + "sede: 4\n"
    )
    found = mistakes(text, "training.total_images=-1")
    assert found == [
        "  line 4: model.base_chanels: no such key; did you mean 'base_channels'?",
        "  override: training.total_images: should be greater than or equal to 1, but got -1",
        "  line 2: data.size: must be a side in pixels, or [height, width] such as [28, 40], "
        "but got 'banana'",
        "  line 7: sede: no such key; did you mean 'seed'?",
    ]


def test_a_list_is_too_short_only_where_it_has_no_wrong_items():
    spec = "job: recover-partial\ngenerator: RUN\nmeasurements: {}\n"
    assert mistakes(spec.format("[]")) == ["  line 3: measurements: needs at least 1 item, but got []"]
    [line] = mistakes(spec.format("[{mask: top, pool: 0}]"))
    assert line.startswith("  line 3: measurements.0.pool: should be greater than or equal to 1")


def test_a_mistake_in_a_profile_has_the_profiles_line():
    text = JOB.replace("training.total_images: 1000", "training.total_imagse: 1000")
    assert mistakes(text, profile="small") == [
        "  line 6, profile small: training.total_imagse: no such key; did you mean 'total_images'?"
    ]
    loads(text, "a.yaml", "a")  # a profile that is not asked for does no harm


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "train.job=trian-gan",
            "line 4: steps.train.job: 'trian-gan': no such job; did you mean 'train-gan'?",
        ),
        ("codes.generator=prior", "steps.codes.generator: the step 'prior' does not come before this one"),
        ("prior.store=train", "steps.prior.store: the step 'train' (train-gan) leaves no store"),
    ],
)
def test_steps_name_earlier_steps_that_leave_what_they_need(change, message):
    assert message.removeprefix("line 4: ") in " ".join(mistakes(PIPELINE, change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "a spec must be a mapping"),
        ("", "a spec must be a mapping"),
        ("job: [", "line 1: this is not YAML"),
        ("job: pag\nstore: a\njob: pag", "line 3: duplicate key 'job', first in line 1"),
        ("store: a", "job: is required"),
        ("steps: {}", "must map step names"),
        ("steps: {A: {job: pag, store: a}}", "lower-case"),
        ("job: pag\nstore: a\nprofiles: 3", "profiles must map names"),
        ("job: train-gan\ndata: {source: digits, size: 17}", "data.size=17 does not suit a DCGAN"),
        ("job: pag\nstore: a\ntracking: {uri: mlflow}", "must be auto, local, jsonl, none, or an MLflow URI"),
    ],
)
def test_what_is_no_spec_is_refused(text, message):
    with pytest.raises(SpecError, match=message):
        loads(text, "a.yaml", "a")


def test_overrides_and_profiles_that_do_not_exist():
    with pytest.raises(SpecError, match="'small'"):
        loads(JOB, "a.yaml", "a", "smal")
    with pytest.raises(SpecError, match="write key=value"):
        loads(JOB, "a.yaml", "a", None, ["model.base_channels"])


def test_a_mistake_in_one_step_is_not_a_mistake_in_the_next():
    assert mistakes(PIPELINE, "train.training.select_by=beauty") == [
        "  override: steps.train: training.select_by must be one of discriminator_loss, generator_loss, "
        "real_probability, generated_probability, but is 'beauty'"
    ]


def test_a_resolved_spec_is_the_spec():
    for text in (JOB, PIPELINE):
        spec = loads(text, "a.yaml", "a")
        assert loads(yaml.safe_dump(spec.resolved(), sort_keys=False), "b.yaml", "b") == spec


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: b.decode("latin-1"))))
def test_rubbish_is_refused_with_a_message(text):
    with pytest.raises(SpecError):
        loads(text, "a.yaml", "a")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(
    key=st.sampled_from(["job", "data", "model", "steps", "train", "train.data", "seed", "profiles"]),
    value=values,
)
def test_a_value_of_any_type_anywhere_is_a_spec_or_a_spec_error(key, value):
    spec = yaml.safe_load(PIPELINE if "steps" in key or "train" in key else JOB)
    parts = ["steps", *key.split(".")] if key.startswith("train") else key.split(".")
    inner = spec
    for part in parts[:-1]:
        inner = inner[part]
    inner[parts[-1]] = value
    try:
        loads(yaml.safe_dump(spec), "a.yaml", "a")
    except PreimageError as error:
        assert str(error)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_spec_and_each_of_its_profiles_is_valid(path):
    header = path.read_text()
    for needed in ("$schema=schema.json", "papers", "command", "needs"):
        assert needed in header
    profiles = yaml.safe_load(header)["profiles"]
    assert "small" in profiles
    load(path)
    for profile in profiles:
        load(path, profile)


def test_the_shipped_schema_is_todays_and_knows_the_shipped_specs():
    made = schema()
    assert json.loads((ROOT / "jobs/schema.json").read_text()) == made, "make schema"
    validator = Draft202012Validator(made)
    for path in SHIPPED:
        validator.validate(yaml.safe_load(path.read_text()))
    assert not validator.is_valid({"job": "train-gan", "data": {"source": "digits"}, "base_chanels": 1})
    assert not validator.is_valid({"job": "trian-gan"})


def test_every_job_can_be_planned_for_its_cost():
    for kind, job in JOBS.working()[0].items():
        assert job.__doc__, kind
        assert job.model_fields["job"].default == kind
        assert job.cost is not Job.cost, kind
        assert job.metrics is not Job.metrics, kind
