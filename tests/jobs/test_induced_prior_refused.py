"""What does not fit into the pipeline of an induced prior, and is refused before it runs."""

import pytest

from evaluate_jobs import classifier
from faulty import planned
from induced_pipeline import CONTROL, DATA, GAN, INVERT, MORE, PRIOR, STEPS, TRAINING, spec
from preimage.errors import CheckpointError, GeneratorError, PriorError, SpecError, StoreError
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.storage.folder import Folder


@pytest.mark.parametrize(
    ("step", "change", "error", "message"),
    [
        (
            "prior",
            {"model": {"noise_dim": 3}},
            PriorError,
            "noise_dim=3 is smaller than the code",
        ),
        (
            "more",
            {"model": {"latent_dim": 5, "base_channels": 4}},
            GeneratorError,
            "latent_dim 4 there, 5 here",
        ),
        (
            "other",
            {"model": {"latent_dim": 5, "base_channels": 4}},
            PriorError,
            "codes have 4 components but the generator's",
        ),
        ("prior", {"generator": "other"}, StoreError, "the step invert makes codes of another generator"),
        ("prior", {"store": "train"}, SpecError, "leaves no store"),
        ("more", {"resume_from": "invert"}, SpecError, "leaves no checkpoints"),
        (
            "prior",
            {"training": {"batch_size": 49}, "resources": {"workers": 50}},
            Exception,
            "cannot share a batch",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_the_plan(tmp_path, step, change, error, message):
    steps = {
        "train": GAN,
        "invert": INVERT,
        "other": GAN | {"seed": 5},
        "prior": PRIOR,
        "more": MORE | {"prior": "prior"},
    }
    if step == "other":  # another generator that is given this one's prior
        steps["other2"] = steps["other"] | change | {"prior": "prior"}
    else:
        steps[step] = steps[step] | change
    with pytest.raises(error, match=message):
        planned(tmp_path, steps)


def test_codes_of_other_images_are_refused_by_the_plan(tmp_path):
    classifier(Folder.at(tmp_path / "classifier"))
    fewer = CONTROL | {"invert-control": CONTROL["invert-control"] | {"data": {"max_images": 100}}}
    with pytest.raises(StoreError, match="the step invert-control of 100 of digits"):
        make_plan(spec(tmp_path / "results", steps=STEPS | fewer))


def test_a_run_that_cannot_be_gone_on_from_is_refused_as_a_start(tmp_path):
    glo = {
        "job": "train-glo",
        "data": DATA,
        "model": {"latent_dim": 4, "base_channels": 4},
        "training": TRAINING,
    }
    plan = planned(tmp_path, {"glo": glo})
    execute(plan)
    with pytest.raises(SpecError, match="has no checkpoints"):
        planned(tmp_path, {"more": MORE | {"resume_from": plan.steps[0].run.name}})


def test_a_finished_gan_without_its_checkpoints_is_finished_but_no_start(tmp_path):
    plan = planned(tmp_path, {"train": GAN})
    execute(plan)
    plan.steps[0].run.product("checkpoints").delete()
    assert planned(tmp_path, {"train": GAN}).steps[0].state == "finished"
    with pytest.raises(SpecError, match="has no checkpoints"):
        planned(tmp_path, {"more": MORE | {"resume_from": plan.steps[0].run.name}})
    with pytest.raises(CheckpointError, match="no longer holds the checkpoint of 480 images"):
        execute(planned(tmp_path, {"train": GAN, "more": MORE}))
