"""A run's folder."""

import pytest

from preimage.errors import StorageError
from preimage.pipelines.lifecycle import register
from preimage.runs.run_folder import Outcome, RunFolder


def test_a_record_stays_as_it_was_first_written(folder):
    """A resumed run repeats steps; what was sent to a tracker must not change afterwards."""
    run = RunFolder(folder)
    run.record(480, {"loss": 0.5})
    (before,) = run.records().values()
    run.record(480, {"loss": 0.25})
    assert list(run.records().values()) == [before]
    run.record(480, {"score": 2.0}, kind="score")
    run.record(960, {"loss": 0.125})
    assert run.curve("loss") == [(480, 0.5), (960, 0.125)]
    assert run.curve("score") == [(480, 2.0)]


def test_a_torn_record_is_skipped_and_made_anew(folder):
    run = RunFolder(folder)
    for images in (480, 960, 1440):
        run.record(images, {"loss": 1 / images})
    (folder / "log").write(f"{960:012d}.json", b'{"images": 9')
    assert [images for images, _ in run.curve("loss")] == [480, 1440]
    run.record(960, {"loss": 1 / 960})
    assert run.curve("loss") == [(images, 1 / images) for images in (480, 960, 1440)]


def test_a_record_of_another_version_is_refused(folder):
    (folder / "log").write_json(f"{480:012d}.json", {"step": 480})
    with pytest.raises(StorageError, match="another version: images: .* remove the file"):
        RunFolder(folder).records()


def test_a_run_whose_outcome_is_torn_is_unfinished(folder):
    run = RunFolder(folder)
    run.finish(Outcome("pag", "a", run.name, "f", {}, folder.uri))
    assert run.outcome()
    folder.write("outcome.json", b"")
    assert run.outcome() is None


def test_torn_progress_and_device_are_forgotten(folder):
    run = RunFolder(folder)
    run.show_progress(1, 2, 3.0, 4)
    run.compute_on("cpu")
    for name in ("progress.json", "device.json"):
        folder.write(name, b"{")
    assert run.progress() is None
    assert run.device() is None


def test_a_torn_run_json_is_written_anew(folder):
    run, about = RunFolder(folder), {"job": "pag", "name": "a", "fingerprint": "f"}
    register(run, about, {"job": "pag"})
    key = run.about()["key"]
    register(run, about, {"job": "pag"})
    assert run.about()["key"] == key
    folder.write("run.json", b"")
    with pytest.raises(StorageError, match="no whole run.json: run the command that made it again"):
        run.about()
    register(run, about, {"job": "pag"})
    assert run.about() | about == run.about()
    assert run.about()["key"] != key
