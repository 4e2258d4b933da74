"""What earlier versions kept opens and goes on, or is refused with the version that made it: another format
is never taken for damage and made anew."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from formats.make import EXAMPLES, GAN, HERE, Net, make, study
from preimage import api
from preimage.cli.doctor import _formats
from preimage.cli.main import main
from preimage.cluster import submissions
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import FormatError
from preimage.latents.store import Store, StoreWriter
from preimage.latents.verify import verify
from preimage.models.classifier import load_classifier
from preimage.models.generator_folder import load_generator
from preimage.models.prior_folder import load_fitted
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.plan import Plan
from preimage.runs.checkpoints import committed
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import loads
from preimage.storage import formats
from preimage.storage.folder import Folder, digest
from preimage.tuning.records import read_records
from preimage.tuning.study import run_study

SAYS = {
    formats.RUN: ("run", "run.json"),
    formats.OUTCOME: ("run", "outcome.json"),
    formats.CHECKPOINT: ("checkpoint", "checkpoints/000000000048/meta.json"),
    formats.TRIAL: ("study", "trials/0000.json"),
    formats.GENERATOR: ("generator", "config.json"),
    formats.PROGRAM: ("program", "program.json"),
    formats.CLASSIFIER: ("classifier", "config.json"),
    formats.PRIOR: ("prior", "config.json"),
    formats.STORE: ("store", "_manifest.json"),
    formats.DATASET: ("dataset", "manifest.json"),
    formats.SUBMISSION: ("submission", "submission.json"),
}
"""The example of each kind, and its file that says the format."""
READ = {
    formats.RUN: lambda place: RunFolder(place).about(),
    formats.OUTCOME: lambda place: RunFolder(place).outcome(),
    formats.CHECKPOINT: lambda place: committed(place / "checkpoints"),
    formats.TRIAL: read_records,
    formats.GENERATOR: load_generator,
    formats.PROGRAM: load_generator,
    formats.CLASSIFIER: load_classifier,
    formats.PRIOR: load_fitted,
    formats.STORE: Store.open,
    formats.DATASET: Dataset.open,
    formats.SUBMISSION: lambda place: submissions.Submission(place).record,
}
BY_TITLE = {kind.title: kind for kind in formats.KINDS}
ALWAYS_SAID = {kind.title for kind in (formats.STORE, formats.DATASET, formats.PROGRAM)}


def corpus(example: str) -> Folder:
    return Folder.at(HERE / f"{example}-{EXAMPLES[example].number}")


def copied(example: str, to: Path) -> Path:
    return Path(shutil.copytree(corpus(example).local, to))


def planned(results: Path) -> Plan:
    return make_plan(loads(GAN | {"results": str(results)}, "the spec", "gan"))


def begun(results: Path) -> Path:
    """Results with the interrupted training run. Returns its folder."""
    plan = planned(results)
    copied("dataset", plan.catalog.folder(plan.steps[0].images[0]).local)
    return copied("checkpoint", plan.run.folder.local)


def written_by_tomorrow(file: Path, kind: formats.Kind, **stamp: Any) -> None:
    """Let a file say the next format, and what it has besides."""
    value = json.loads(file.read_text())
    about = value[kind.within] if kind.within else value
    about |= {"format": kind.number + 1, "preimage": "9.8.7"} | stamp
    file.write_text(json.dumps(value))


def tree(place: Path) -> dict[str, bytes]:
    files = (each for each in place.rglob("*") if each.is_file() and not each.name.startswith("."))
    return {str(each.relative_to(place)): each.read_bytes() for each in files}


def test_every_kind_has_an_example_and_every_example_is_opened_or_refused():
    assert {*SAYS} == {*READ} == {*formats.KINDS}
    assert {example for example, _ in SAYS.values()} == EXAMPLES.keys()
    there = {each.name for each in HERE.iterdir() if each.is_dir() and each.name != "__pycache__"}
    assert {f"{name}-{kind.number}" for name, kind in EXAMPLES.items()} <= there
    for name in there:
        example, _, number = name.rpartition("-")
        kind = EXAMPLES[example]
        if int(number) != kind.number:
            with pytest.raises(FormatError, match=f"format {number}, made by Preimage"):
                READ[kind](Folder.at(HERE / name))


def test_a_run():
    run = RunFolder(corpus("run"))
    outcome = run.outcome()
    assert outcome is not None
    assert run.about()["fingerprint"] == outcome.fingerprint
    losses = run.curve("generator_loss")
    assert [images for images, _ in losses] == [24, 48, 72]
    assert losses[-1][1] == pytest.approx(outcome.metrics["generator_loss"])


def test_an_interrupted_training_run_resumes(tmp_path):
    """One step, from its checkpoint: to where the run ended that was never interrupted."""
    run = RunFolder(Folder.at(begun(tmp_path)))
    (run.folder / "log").delete()
    outcome = api.run(GAN, {"results": str(tmp_path)})
    assert [images for images, _ in run.curve("generator_loss")] == [72], "it began anew"
    undisturbed = RunFolder(corpus("run")).outcome()
    assert undisturbed is not None
    for name in ("generator_loss", "discriminator_loss", "images_seen"):
        assert outcome.metrics[name] == pytest.approx(undisturbed.metrics[name], rel=1e-4), name


def test_a_study_goes_on(tmp_path, caplog):
    plan = study(tmp_path)
    copied("study", plan.run.folder.local)
    assert plan.missing() == 1
    outcome = run_study(plan)
    assert not caplog.records, "the sampler asks for other trials"
    sizes = {each.params["model.kernel_size"]: each.values["parameters"] for each in plan.records()}
    assert (sizes[4] - sizes[3]) / (16 - 9) == (sizes[5] - sizes[4]) / (25 - 16), "of each pixel of a filter"
    assert outcome.metrics["best"] == {"parameters": sizes[3]}


def test_the_codes_of_a_store_still_make_its_generators_images():
    store, report = Store.open(corpus("store")), verify(corpus("store"))
    assert (report.count, report.local_rank is None) == (24, False)
    generator, card = load_generator(corpus("generator"))
    dataset = Dataset.open(corpus("dataset"))
    assert (store.about.generator.fingerprint, store.about.dataset.fingerprint) == (
        card.fingerprint,
        dataset.fingerprint,
    )
    codes, images = store.head(24), dataset.read(0, 24)
    assert codes.image_id.tolist() == images.image_id.tolist()
    with torch.no_grad():
        errors = (generator(codes.z) - to_float(images.pixels)).square().flatten(1).mean(1)
    torch.testing.assert_close(errors, codes.loss, rtol=1e-4, atol=1e-5)


def test_a_dataset():
    dataset = Dataset.open(corpus("dataset"))
    dataset.verify()
    images = dataset.read(0, dataset.count)
    assert images.pixels.shape == (24, 1, 16, 16)
    assert images.labels.bincount(minlength=10).tolist() == list(dataset.contents.class_counts or ())


def test_a_program_a_classifier_and_a_prior():
    generator, _ = load_generator(corpus("program"))
    z = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    torch.testing.assert_close(generator(z), Net()(z))
    classifier, card = load_classifier(corpus("classifier"))
    assert (card.classes, card.accuracy) == (["no", "yes"], 0.75)
    assert classifier(torch.zeros(3, 1, 16, 16)).shape == (3, 2)
    torch.testing.assert_close(load_fitted(corpus("prior")).tensors()["mean"].float(), torch.full((3,), 0.25))


def test_a_submission(tmp_path):
    copied("submission", tmp_path / "submissions" / "gan-20260102-030405-abcd")
    found = submissions.find(Folder.at(tmp_path), "gan-20260102-030405-abcd")
    assert (found.record["user"], found.state()["state"], found.output()) == (
        "someone",
        "finished",
        "it runs\n",
    )
    assert found.run.endswith(RunFolder(corpus("run")).about()["fingerprint"][:10])


@pytest.mark.parametrize("title", BY_TITLE)
def test_the_format_of_tomorrow_is_refused_with_its_version(title, tmp_path):
    kind = BY_TITLE[title]
    example, file = SAYS[kind]
    place = copied(example, tmp_path / "x")
    written_by_tomorrow(place / file, kind)
    if kind is formats.PROGRAM:  # a network's card knows its program, and the version of both
        sha256 = digest((place / file).read_bytes())
        written_by_tomorrow(place / "config.json", formats.GENERATOR, format=1, program_sha256=sha256)
    with pytest.raises(
        FormatError, match=f"x.* is a {title} of format {kind.number + 1}, made by Preimage 9.8.7;"
    ):
        READ[kind](Folder.at(place))


@pytest.mark.parametrize("title", sorted(BY_TITLE.keys() - ALWAYS_SAID))
def test_a_file_that_does_not_say_is_of_the_first_format(title, tmp_path):
    kind = BY_TITLE[title]
    example, file = SAYS[kind]
    place = copied(example, tmp_path / "x")
    value = json.loads((place / file).read_text())
    del value["format"], value["preimage"]
    (place / file).write_text(json.dumps(value))
    assert READ[kind](Folder.at(place))


@pytest.mark.parametrize("kind", [formats.RUN, formats.OUTCOME, formats.CHECKPOINT, formats.DATASET])
def test_what_tomorrow_made_is_not_made_anew_over_it(kind, tmp_path):
    run = begun(tmp_path)
    shutil.copy(corpus("run").local / "outcome.json", run)
    if kind is not formats.OUTCOME:
        (run / "outcome.json").unlink()
    [file] = tmp_path.glob(f"*/*/**/{kind.file}")
    written_by_tomorrow(file, kind)
    before = {name: data for name, data in tree(tmp_path).items() if not name.endswith("attempts.json")}
    with pytest.raises(FormatError, match="made by Preimage 9.8.7"):
        api.run(GAN, {"results": str(tmp_path)})
    assert before.items() <= tree(tmp_path).items()
    assert not (run / "generator").exists()


def test_a_study_does_not_repeat_a_trial_of_tomorrow(tmp_path):
    plan = study(tmp_path)
    place = copied("study", plan.run.folder.local)
    written_by_tomorrow(place / "trials" / "0001.json", formats.TRIAL)
    before = tree(tmp_path)
    with pytest.raises(FormatError, match="made by Preimage 9.8.7"):
        run_study(plan)
    assert tree(tmp_path) == before


def test_a_generator_of_tomorrow_is_no_input(tmp_path):
    place = copied("generator", tmp_path / "decoder")
    written_by_tomorrow(place / "config.json", formats.GENERATOR)
    with pytest.raises(FormatError, match="generator of format 2"):
        api.plan({"job": "invert", "generator": str(place), "resources": GAN["resources"]})


def test_a_store_of_tomorrow_that_is_not_complete(tmp_path):
    place = copied("store", tmp_path / "codes")
    (place / "_manifest.json").unlink()
    about = Store.open(corpus("store")).about
    assert StoreWriter(place, about, parts=1, count=24).done() == {0}
    written_by_tomorrow(place / "_plan.json", formats.STORE)
    with pytest.raises(FormatError, match="latent store of format 2"):
        StoreWriter(place, about, parts=1, count=24)


def test_the_doctor_says_which_formats_are_there(tmp_path, monkeypatch):
    run = begun(tmp_path)
    for example in ("generator", "store", "classifier", "prior"):
        copied(example, run / example)
    copied("study", tmp_path / "runs" / "study-1")
    copied("program", tmp_path / "generators" / "net")
    for name in ("a", "b"):
        copied("submission", tmp_path / "submissions" / name)
    written_by_tomorrow(run / "store" / "_plan.json", formats.STORE)
    found = {each.what: each for each in _formats(Folder.at(tmp_path))}
    said = {what: each.found for what, each in found.items()}
    by = f", by Preimage {formats.RUN.said(RunFolder(corpus('run')).about())[1]}"
    assert said == {
        "run": f"2 of format 1{by}",
        "checkpoint": f"1 of format 1{by}",
        "trial's record": f"2 of format 1{by}",
        "generator": f"2 of format 1{by}",
        "generator's program": "1 of format 1",
        "classifier": f"1 of format 1{by}",
        "prior": f"1 of format 1{by}",
        "latent store": "1 of format 2, by Preimage 9.8.7",
        "dataset": f"1 of format 2{by}",
        "submission": f"2 of format 1{by}",
    }
    assert [what for what, each in found.items() if each.remedy] == ["latent store"]
    remedy = str(found["latent store"].remedy)
    assert remedy.startswith("open it with Preimage 9.8.7, or make it again: ")
    assert remedy.endswith(f"{run.name}/store/_plan.json")
    monkeypatch.setattr("preimage.cli.kept.AT_MOST", 1)
    *_, last = _formats(Folder.at(tmp_path))
    assert last.found.startswith("of 1 of 2 runs, 1 of 2 submissions")


def test_the_command_line_says_one_message(tmp_path, monkeypatch, capsys):
    place = copied("store", tmp_path / "codes")
    written_by_tomorrow(place / "_manifest.json", formats.STORE)
    monkeypatch.setattr(sys, "argv", ["preimage", "store", "show", str(place)])
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Use the version that made it" in said


def test_jobs_are_listed_beside_one_of_tomorrow(tmp_path, caplog):
    for name in ("a", "b"):
        copied("submission", tmp_path / "submissions" / name)
    written_by_tomorrow(tmp_path / "submissions" / "a" / "submission.json", formats.SUBMISSION)
    assert [each.id for each in submissions.list_all(Folder.at(tmp_path))] == ["b"]
    assert "made by Preimage 9.8.7" in caplog.text


def test_todays_writer_writes_what_the_corpus_holds(tmp_path):
    """If not on purpose, it is a mistake; if on purpose, see README.md."""
    make(tmp_path)
    for name in sorted(each.name for each in tmp_path.iterdir()):
        made, kept = (
            {
                str(each.relative_to(root / name)): form(each)
                for each in (root / name).rglob("*")
                if each.is_file()
            }
            for root in (tmp_path, HERE)
        )
        assert made == kept, f"{name}: run tests/formats/make.py, after reading its README.md"


def form(file: Path) -> Any:
    """What a file is made of, without its values."""
    if file.suffix == ".json":
        return _form(json.loads(file.read_text()))
    if file.suffix == ".parquet":
        schema = pq.read_schema(file)
        said = {
            key: _form(json.loads(each)) for key, each in (schema.metadata or {}).items() if each[:1] == b"{"
        }
        return schema.remove_metadata(), said
    if file.suffix == ".safetensors":
        return _form(load_file(file))
    return _form(torch.load(file, weights_only=True)) if file.suffix == ".pt" else None


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _form(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_form(each) for each in value[:1]]
    return (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else type(value)
