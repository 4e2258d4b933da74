"""Which images a step uses: its own; those of the generator that it takes; the pipeline's."""

import pytest
import yaml

from faulty import INVERT, TRAIN
from preimage.errors import StoreError
from preimage.models.generator_folder import write_generator
from preimage.pipelines.describe import describe
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.specs.load import loads

DIGITS = {"source": "digits", "size": 16, "channels": 1, "max_images": 60}
FEW = DIGITS | {"max_images": 50}
QUICK = INVERT | {"inversion": {"solver": "adam", "steps": 2, "batch_size": 16}}


def planned(place, steps, **keys):
    head = {"results": f"{place}/results", "tracking": {"uri": "none"}, "resources": {"backend": "local"}}
    return make_plan(loads(yaml.safe_dump(head | keys | {"steps": steps}, sort_keys=False), "a.yaml", "a"))


def images(plan, name):
    step = next(step for step in plan.steps if step.name == name)
    return step.data.max_images if step.data else None


@pytest.fixture
def stranger(tmp_path, tiny_generator, folder):
    """A generator that does not say what it was trained on."""
    write_generator(tiny_generator, folder / "stranger", {})
    return str(tmp_path / "stranger")


def test_a_steps_own_images_come_first(tmp_path, stranger):
    steps = {"codes": QUICK | {"generator": stranger, "data": FEW}}
    assert images(planned(tmp_path, steps, data=DIGITS), "codes") == 50


def test_the_generators_images_hide_the_pipelines_and_the_plan_says_so(tmp_path):
    trained = TRAIN | {"data": FEW, "training": {"total_images": 40, "batch_size": 20}}
    plan = planned(tmp_path, {"train": trained, "codes": QUICK}, data=DIGITS | {"source": "fashion-mnist"})
    assert images(plan, "codes") == 50
    facts = dict(describe(plan).sections[1].facts)
    assert (
        facts["not used"] == "the pipeline's fashion-mnist train: this step has the images of its generator"
    )
    same = planned(tmp_path, {"train": trained, "codes": QUICK}, data=FEW)
    assert "not used" not in dict(describe(same).sections[1].facts)


def test_the_pipelines_images_reach_a_step_whose_generator_knows_none(tmp_path, stranger):
    steps = {"codes": QUICK | {"generator": stranger}}
    plan = planned(tmp_path, steps, data=DIGITS)
    assert images(plan, "codes") == 60
    outcome = execute(plan)
    assert outcome.metrics["codes.images"] == 60
    stored = plan.steps[0].run.folder.read("spec.yaml").decode()
    again = make_plan(loads(stored, "stored.yaml", "stored", None, [f"results={tmp_path}/results"]))
    assert again.is_done, "the stored spec is the same run"
    assert images(planned(tmp_path, steps), "codes") is None


def test_single_keys_change_the_images_that_the_step_would_have_had(tmp_path):
    trained = TRAIN | {"data": DIGITS, "training": {"total_images": 40, "batch_size": 20}}
    steps = {"train": trained, "codes": QUICK | {"data": {"max_images": 30}}}
    plan = planned(tmp_path, steps, data={"source": "fashion-mnist", "size": 16, "channels": 1})
    assert plan.steps[1].data.source == "digits"
    assert images(plan, "codes") == 30
    without = {key: value for key, value in trained.items() if key != "data"}
    shared = planned(tmp_path, steps | {"train": without}, data=DIGITS)
    assert [images(shared, name) for name in ("train", "codes")] == [60, 30]


def test_codes_of_other_images_are_refused_before_anything_runs(tmp_path):
    trained = TRAIN | {"data": DIGITS, "training": {"total_images": 40, "batch_size": 20}}
    explore = {"job": "explore", "generator": "train", "store": "codes", "data": FEW}
    with pytest.raises(StoreError, match=r"codes makes codes of 60 of digits .* works on 50 of digits"):
        planned(tmp_path, {"train": trained, "codes": QUICK, "explore": explore})
    assert not (tmp_path / "results").exists()


def test_a_pipelines_outcome_names_everything_after_its_step(tmp_path):
    trained = TRAIN | {"data": DIGITS, "training": {"total_images": 40, "batch_size": 20}}
    steps = {"train": trained, "first": QUICK, "second": QUICK | {"seed": 1}}
    outcome = execute(planned(tmp_path, steps))
    assert outcome.metrics["first.images"] == outcome.metrics["second.images"] == 60
    assert outcome.metrics["first.reconstruction_error"] != outcome.metrics["second.reconstruction_error"]
    assert outcome.products["first.store"] != outcome.products["second.store"]
    assert {name.partition(".")[0] for name in outcome.metrics} == set(steps)
    assert outcome.figures["train.samples"].endswith("samples.png")
