"""Which run a spec is depends on what its images show, not on where they lie or when they were written."""

import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preimage import api
from preimage.errors import DataError
from preimage.pipelines.progress import Silent
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder


@pytest.fixture
def photos(tmp_path) -> Path:
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (16, 16), np.uint8)
        path = tmp_path / "photos" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def spec(photos: Path, **data) -> dict:
    images = {"source": "folder", "path": str(photos), "size": 16, "channels": 1, **data}
    return {"job": "pca", "latent_dim": 2, "data": images, "resources": {"backend": "local"}}


def planned(photos: Path, **data):
    return api.plan(spec(photos, **data), results=str(photos.parent / "results"))


def ran(photos: Path) -> str:
    """The name of the run after running it; how often it was made is in its log."""
    return api.run(planned(photos)).run


def facts(photos: Path) -> dict[str, str]:
    return dict(planned(photos).describe().sections[0].facts)


def test_a_plan_shows_splits_and_classes_and_reads_no_image(photos, monkeypatch):
    monkeypatch.setattr("preimage.data.sources.folder.FilesSource.load", None)
    shown = facts(photos)
    assert shown["classes"] == "2: a 6, b 6"
    assert shown["images"].startswith("12 of folder train, 1 x 16 x 16, to be prepared from")
    assert shown["results"].endswith("runs/pca-..., once its images are read")
    described = planned(photos).describe().sections[0]
    assert described.state == "runs"
    assert described.images == {
        "count": 12,
        "splits": {},
        "classes": {"a": 6, "b": 6},
        "left_out": {},
        "notes": [],
    }


@pytest.mark.parametrize("change", ["touched", "copied"])
def test_a_finished_run_stays_finished(photos, change):
    run = ran(photos)
    made = RunFolder(Folder.at(photos.parent / "results" / "runs" / run)).about()["created"]
    assert planned(photos).is_done
    if change == "touched":
        for path in photos.rglob("*.png"):
            os.utime(path, ns=(1, 1))
    else:
        moved = photos.with_name("elsewhere")
        photos = Path(shutil.copytree(photos, moved, copy_function=shutil.copy))
    again = planned(photos)
    assert not again.is_done
    assert (
        again.describe().sections[0].state == "runs, unless its images turn out to be those of an equal run"
    )
    assert "changed or moved since they were prepared: will be compared by content" in facts(photos)["images"]
    assert again.with_images(Silent()).is_done
    assert ran(photos) == run
    assert RunFolder(Folder.at(photos.parent / "results" / "runs" / run)).about()["created"] == made
    assert planned(photos).is_done  # the comparison is remembered


def test_other_images_are_another_run(photos):
    run = ran(photos)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(photos / "a" / "0.png")
    assert ran(photos) != run


def test_a_study_on_images_that_are_read_after_it_was_planned(photos, caplog):
    """Trials vary the images: those of one value cannot be read, and only its trials fail."""
    (photos.parent / "broken").mkdir()
    for index in range(12):
        (photos.parent / "broken" / f"{index}.png").write_bytes(b"not an image")
    space = {"data.path": [str(photos), str(photos.parent / "broken")], "data.max_images": [6, 10]}
    study = {
        "trial": spec(photos),
        "space": {key: {"choice": values} for key, values in space.items()},
        "objectives": {"reconstruction_error": "minimize"},
        "sampler": {"name": "grid"},
        "tracking": {"uri": "none"},
    }
    plan = partial(api.plan, study, results=str(photos.parent / "results"))
    early, final = plan(), plan().with_images(Silent())
    assert early.fingerprint != final.fingerprint
    assert "trials on these images will fail: 6 of 6 images cannot be read" in caplog.text
    outcome = api.run(early)
    assert outcome.run == final.run.name
    assert (outcome.metrics["complete"], outcome.metrics["failed"]) == (2, 2)
    assert plan().is_done
    studies = [name for name in (early.root / "runs").names() if name.startswith("study")]
    assert studies == [final.run.name]


def test_prepared_images_outlive_their_files(photos, caplog):
    run = ran(photos)
    photos.rename(photos.with_name("elsewhere"))
    assert planned(photos).is_done
    assert facts(photos)["images"] == f"12 of folder train, 1 x 16 x 16, prepared; {photos} is gone"
    assert ran(photos) == run
    more = {"latent_dim": 3}
    api.run(spec(photos) | more, results=str(photos.parent / "results"))
    assert f"{photos} is gone: the images that were prepared from it are used" in caplog.text
    with pytest.raises(DataError, match="photos does not exist"):
        planned(photos, size=32)
