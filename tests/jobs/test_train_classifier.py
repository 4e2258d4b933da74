"""train-classifier as a job: what it leaves, how that is found again, and what is refused beforehand."""

import io
import json
import shlex
from pathlib import Path

import pytest
import yaml
from PIL import Image
from rich.console import Console

from faulty import planned
from preimage.cli.report import show_outcome
from preimage.errors import ClassifierError, DataError, SpecError
from preimage.models.cards import read_classifier_card
from preimage.models.classifier import load_classifier
from preimage.pipelines.describe import summarize
from preimage.pipelines.execute import execute
from preimage.pipelines.inputs import find_product
from preimage.pipelines.make_plan import make_plan
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import load, loads
from preimage.storage.folder import Folder
from preimage.tracking.lineage import provenance

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 1_000}
SHORT = {"total_images": 4_000, "batch_size": 40, "log_every": 400, "checkpoint_every": 800}
JOB = {"job": "train-classifier", "data": DATA, "model": {"base_channels": 4}, "training": SHORT}
GAN = {
    "job": "train-gan",
    "data": DATA,
    "model": {"latent_dim": 4, "base_channels": 4},
    "training": {"total_images": 200, "batch_size": 40},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results' folder, and the plan of a pipeline that is done."""
    place = tmp_path_factory.mktemp("trained")
    plan = planned(place, {"classify": JOB}, tracking="jsonl")
    return place, plan, execute(plan)


def test_it_leaves_a_classifier_its_accuracy_and_pictures(trained):
    _, plan, outcome = trained
    run = plan.steps[0].run
    _, card = load_classifier(run.product("classifier"))
    assert outcome.products["classify.classifier"] == run.product("classifier").uri
    assert outcome.metrics["classify.accuracy"] == card.accuracy > 0.2
    assert outcome.metrics["classify.held_out_images"] == 797
    assert outcome.metrics["classify.images_seen"] == card.training["images_seen"] == 4_000
    assert outcome.metrics["classify.training_accuracy"] == run.curve("training_accuracy")[-1][1]
    assert card.held_out == "797 images of digits train after the first 1,000"
    assert card.classes == [str(digit) for digit in range(10)]
    assert set(outcome.figures or {}) == {"classify.confusion", "classify.learning"}
    for name in ("confusion.png", "learning.png"):
        Image.open(io.BytesIO(run.figures.read(name))).verify()


def test_it_is_shown_when_all_is_done(trained):
    _, plan, outcome = trained
    console = Console(record=True, width=200, file=io.StringIO())
    show_outcome(console, summarize(plan, outcome))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["classify", "classifier", outcome.products["classify.classifier"]] in lines
    assert ["classify", "accuracy", f"{outcome.metrics['classify.accuracy']:.4g}"] in lines


def test_what_is_proposed_next_is_a_gan_on_the_same_images(trained):
    _, plan, _ = trained
    alone = make_plan(loads(plan.steps[0].run.folder.read("spec.yaml").decode(), "spec.yaml", "again"))
    summary = summarize(alone, alone.steps[0].run.outcome())
    (command,) = [each for each, _ in summary.commands if " run dcgan " in each]
    _, _, spec, *changes = shlex.split(command)
    results = changes.pop(changes.index("--results") + 1)
    changes[-1] = f"results={results}"
    proposed = load(Path(__file__).parents[2] / "jobs" / f"{spec}.yaml", None, changes)
    (gan,) = make_plan(proposed).steps
    assert (gan.job.job, gan.data) == ("train-gan", alone.steps[0].data)


def test_the_tracker_is_sent_it(trained):
    """Its address and its fingerprint; and the held-out accuracy, which no curve hides."""
    place, plan, _ = trained
    run = plan.steps[0].run
    (log,) = place.glob(f"**/{run.folder.read_json('run.json')['key']}.jsonl")
    said = [json.loads(line) for line in log.read_text().splitlines()]
    told = provenance(run, run.about(), run.outcome(), None)
    assert told["products"] == {"classifier": run.product("classifier").uri}
    card = read_classifier_card(run.product("classifier"))
    assert told["fingerprints"]["classifier"] == card.fingerprint
    assert [line["accuracy"] for line in said if "accuracy" in line] == [card.accuracy]


def test_it_is_found_by_run_folder_and_its_own_folder_wherever_that_lies(trained, folder):
    _, plan, _ = trained
    step = plan.steps[0]
    runs = plan.root / "runs"
    for name in (step.run.name, step.run.folder.uri, step.run.product("classifier").uri):
        found = find_product(name, "classifier", runs)
        assert (found.folder.path, found.fingerprint) == (
            step.run.product("classifier").path,
            step.fingerprint,
        )
    for name in step.run.product("classifier").names():
        (folder / "mine").write(name, step.run.product("classifier").read(name))
    elsewhere = find_product((folder / "mine").uri, "classifier", runs)
    assert elsewhere.fingerprint == read_classifier_card(step.run.product("classifier")).fingerprint
    with pytest.raises(SpecError, match="no classifier 'nowhere'"):
        find_product("nowhere", "classifier", runs)


def test_a_finished_run_that_lost_it_makes_it_again(tmp_path):
    run: RunFolder = planned(tmp_path, {"classify": JOB}).steps[0].run
    outcome = execute(planned(tmp_path, {"classify": JOB}))
    before = read_classifier_card(run.product("classifier")).fingerprint
    run.product("classifier").remove("config.json")
    again = planned(tmp_path, {"classify": JOB})
    assert again.steps[0].state == "begun"
    assert execute(again).metrics == outcome.metrics
    assert read_classifier_card(run.product("classifier")).fingerprint == before
    assert planned(tmp_path, {"classify": JOB}).steps[0].state == "finished"


def test_held_out_images_may_be_named_and_are_part_of_what_a_run_is(tmp_path):
    other = JOB | {"test": DATA | {"max_images": 1_200}}
    plan = planned(tmp_path, {"classify": other})
    assert plan.steps[0].run.name != planned(tmp_path, {"classify": JOB}).steps[0].run.name
    assert execute(plan).metrics["classify.held_out_images"] == 200


def coloured(place, tree):
    """A folder of tiny images: colours by split and class."""
    for name, count in tree.items():
        (place / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (16, 16), (20 * i, 40, 80)).save(place / name / f"{i}.png")
    return {"source": "folder", "path": str(place), "size": 16, "channels": 3}


@pytest.mark.parametrize(
    ("tree", "limit", "error"),
    [
        ({"": 6}, None, "folder has no classes, and this training needs them"),
        ({"cat": 4, "dog": 4}, None, r"no image is left .*\(folder has no test split\): training uses all 8"),
        (
            {"train/cat": 4, "train/dog": 4, "test/dog": 2, "test/zebra": 1},
            None,
            "no training image is of zebra",
        ),
        ({"cat": 4, "dog": 4}, 6, None),
        ({"train/cat": 4, "train/dog": 4, "test/dog": 2}, None, None),
    ],
    ids=["no classes", "no test", "more classes", "beyond the limit", "fewer classes"],
)
def test_a_folder_of_images(tmp_path, tree, limit, error):
    data = coloured(tmp_path / "images", tree) | {"max_images": limit}
    steps = {"classify": JOB | {"data": data, "training": {"total_images": 8, "batch_size": 4}}}
    if error:
        with pytest.raises(DataError, match=error):
            execute(planned(tmp_path / "results", steps))
        assert not list((tmp_path / "results").glob("runs/*/checkpoints"))
    else:
        assert execute(planned(tmp_path / "results", steps)).metrics["classify.held_out_images"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"max_images": None},
            r"no image is left .* \(digits has no test split\): training uses all 1,797 of digits train",
        ),
        ({"max_images": 2_000}, "lower data.max_images, or name others with test"),
        ({"source": "celeba"}, "celeba has no classes"),
        ({"max_images": 20}, "20 images do not fill a batch of 40"),
    ],
)
def test_images_that_cannot_do_are_refused_by_the_plan(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        planned(tmp_path / "results", {"classify": JOB | {"data": DATA | change}})
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"test": DATA | {"size": 32}},
            "but is 1 x 32 x 32: set test.channels=1 test.size=16",
        ),
        ({"data": DATA | {"size": 18}}, "data.size=18 does not suit a DCGAN"),
        (
            {"training": {"select_by": "accuracy"}},
            "training.select_by must be one of loss, training_accuracy",
        ),
        ({"model": {"latent_dim": 3}}, "model.latent_dim: no such key"),
        ({"model": {"base_chanels": 3}}, "did you mean 'base_channels'"),
    ],
)
def test_mistakes_in_a_spec_are_named(change, message):
    with pytest.raises(SpecError, match=message):
        loads(yaml.safe_dump(JOB | change), "classifier.yaml", "classifier")


def scored(classifier, **data):
    score = {"classifier": classifier, "images": 100}
    return GAN | {"data": DATA | data, "score": score}


def test_a_classifier_of_other_images_is_refused_by_the_plan(trained, tmp_path):
    _, plan, _ = trained
    finished = plan.steps[0].run.folder.uri
    message = r"of images of 1 x 16 x 16, those to be scored are 3 x 32 x 32: .* data.channels=3 data.size=32"
    for steps in (
        {"gan": scored(finished, size=32, channels=3)},
        {"classify": JOB, "gan": scored("classify", size=32, channels=3)},
    ):
        with pytest.raises(ClassifierError, match=message):
            planned(tmp_path / "results", steps)
        assert not (tmp_path / "results").exists()
    assert planned(tmp_path / "results", {"gan": scored(finished)}).steps[0].inputs["score.classifier"]


def test_a_step_that_leaves_no_classifier_cannot_be_asked_for_one(tmp_path, tiny_generator):
    with pytest.raises(SpecError, match=r"the step 'first' \(train-gan\) leaves no classifier"):
        planned(tmp_path, {"first": GAN, "gan": scored("first")})
    Folder.at(tmp_path / "empty").write_json("config.json", {"format": 1})
    with pytest.raises(ClassifierError, match="does not describe a classifier"):
        planned(tmp_path / "results", {"gan": scored(str(tmp_path / "empty"))})


def test_only_the_name_of_an_input_is_no_part_of_what_a_run_is(trained, tmp_path):
    """Not what stands beside it; and one run is the same input by any of its names."""
    place, plan, _ = trained
    run = plan.steps[0].run

    def name(steps):
        return planned(place, steps).steps[-1].run.name

    plain = name({"gan": scored(run.name)})
    assert (
        name({"gan": scored(run.folder.uri)}) == name({"classify": JOB, "gan": scored("classify")}) == plain
    )
    other = scored(run.name)
    assert name({"gan": other | {"score": other["score"] | {"images": 200}}}) != plain
    assert name({"gan": GAN}) != plain
