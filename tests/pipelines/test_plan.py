import pytest
from PIL import Image

from faulty import INVERT, TRAIN, planned
from preimage.data.sources.open import open_located
from preimage.errors import GeneratorError, InversionError, PreimageError, SpecError
from preimage.models.generator_folder import write_generator
from preimage.pipelines.describe import describe
from preimage.pipelines.execute import execute
from preimage.pipelines.inputs import find_run
from preimage.pipelines.make_plan import _without

SHORT = TRAIN | {"training": TRAIN["training"] | {"total_images": 600}}
CLASSIFY = {"job": "train-classifier"} | {key: SHORT[key] for key in ("data", "training")}
STEPS = {"train": SHORT, "codes": INVERT, "prior": {"job": "pag", "store": "codes"}}


def names(plan):
    return [step.run.name for step in plan.steps]


def change(step, **keys):
    return STEPS | {step: STEPS[step] | keys}


def test_a_plan_writes_nothing(tmp_path):
    plan = planned(tmp_path / "results", STEPS)
    assert [step.state for step in plan.steps] == ["new"] * 3
    assert plan.catalog.count(plan.steps[1].data) == 400
    assert not (tmp_path / "results").exists()


def test_a_source_is_opened_once_in_a_command(tmp_path, monkeypatch):
    """However many steps ask what it holds: when they are planned, shown, prepared and run."""
    opened = []

    def counted(located):
        opened.append((located.source, located.path, located.split))
        return open_located(located)

    monkeypatch.setattr("preimage.data.catalog.open_located", counted)
    plan = planned(tmp_path / "results", STEPS | {"classify": CLASSIFY})
    describe(plan)
    execute(plan)
    assert len(opened) == len(set(opened)), opened


def test_execution_choices_are_not_part_of_a_fingerprint(tmp_path):
    plain = names(planned(tmp_path, STEPS))
    assert names(planned(tmp_path, STEPS, workers=2, cpus_per_worker=3)) == plain
    assert names(planned(tmp_path / "elsewhere", STEPS)) == plain


def test_a_change_makes_new_runs_of_its_step_and_of_those_after_it(tmp_path):
    plain = names(planned(tmp_path, STEPS))
    assert names(planned(tmp_path, change("prior", std=2.0)))[:2] == plain[:2]
    assert names(planned(tmp_path, change("prior", std=2.0)))[2] != plain[2]
    middle = names(planned(tmp_path, change("codes", seed=9)))
    assert middle[0] == plain[0]
    assert not set(middle[1:]) & set(plain)
    assert not set(names(planned(tmp_path, change("train", seed=9)))) & set(plain)


def test_the_names_of_inputs_are_left_out_wherever_they_stand_and_nothing_else():
    settings = {
        "score": {"classifier": "a", "images": 5},
        "generators": {"GAN": ["one", "two"], "mixed": ["three", {"std": 1}]},
        "empty": [],
        "store": "b",
    }
    named = {"score.classifier", "store", "generators.GAN.0", "generators.GAN.1", "generators.mixed.0"}
    assert _without(settings, named) == {
        "score": {"images": 5},
        "generators": {"mixed": [{"std": 1}]},
        "empty": [],
    }


def test_finished_steps_are_skipped_and_fresh_ones_lie_beside_them(tmp_path):
    outcome = execute(planned(tmp_path, STEPS))
    again = planned(tmp_path, STEPS)
    assert [step.state for step in again.steps] == ["finished"] * 3
    assert execute(again).metrics == outcome.metrics
    more = planned(tmp_path, change("prior", std=2.0))
    assert [step.state for step in more.steps] == ["finished", "finished", "new"]


def test_a_product_is_found_by_run_name_folder_and_its_own_folder(tmp_path):
    plan = planned(tmp_path, STEPS)
    execute(plan)
    run = plan.steps[0].run
    fingerprints = {
        planned(tmp_path, {"codes": INVERT | {"generator": name}}).steps[0].fingerprint
        for name in (run.name, run.folder.uri, run.product("generator").uri)
    }
    assert fingerprints == {plan.steps[1].fingerprint}, "it is the same inversion, however it is asked for"
    runs = plan.root / "runs"
    tracked = run.folder.read_json("run.json").get("mlflow_run_id")
    assert find_run(run.name, runs) == run
    if tracked:
        assert find_run(tracked, runs) == run


def test_a_generator_from_elsewhere_and_its_identity(tmp_path, tiny_generator, folder):
    write_generator(tiny_generator, folder / "mine", {})
    invert = INVERT | {"generator": (folder / "mine").uri, "data": TRAIN["data"]}
    plan = planned(tmp_path / "a", {"codes": invert})
    write_generator(tiny_generator, folder / "copy", {"job": "elsewhere"})
    moved = planned(tmp_path / "a", {"codes": invert | {"generator": (folder / "copy").uri}})
    assert plan.steps[0].fingerprint == moved.steps[0].fingerprint


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ({"a": INVERT | {"generator": "nowhere"}}, SpecError, "no generator 'nowhere'"),
        ({"a": {"job": "pag", "store": "nowhere"}}, SpecError, "no latent store 'nowhere'"),
        (
            change("codes", data=TRAIN["data"] | {"size": 32}),
            GeneratorError,
            "set data.channels=1 data.size=16",
        ),
        (
            change("codes", inversion={"constraint": "clip"}),
            InversionError,
            r"constraint=clip keeps codes in \[-1, 1\]\^d, but the generator's normal prior",
        ),
        (
            change("codes", inversion={"measurement": {"pool": 3}}),
            InversionError,
            "pool 3 does not divide images of 16 x 16 pixels",
        ),
        (
            change("train", resources={"workers": 61}),
            PreimageError,
            "61 workers cannot share a batch of 60 images",
        ),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(tmp_path, steps, error, message):
    with pytest.raises(error, match=message):
        planned(tmp_path / "results", steps)
    assert not (tmp_path / "results").exists()


def test_what_an_earlier_generator_cannot_do_is_said_too(tmp_path, tiny_generator, folder):
    write_generator(tiny_generator, folder / "mine", {})
    Image.new("L", (8, 8), 255).save(tmp_path / "mask.png")
    for inversion, message in (
        ({"constraint": "ball"}, "constraint=ball keeps codes in the unit ball"),
        ({"measurement": {"mask": str(tmp_path / "mask.png")}}, "must have 16 x 16 pixels, .* but has 8 x 8"),
    ):
        codes = INVERT | {"generator": (folder / "mine").uri, "inversion": inversion}
        with pytest.raises(InversionError, match=message):
            planned(tmp_path / "results", {"codes": codes})
