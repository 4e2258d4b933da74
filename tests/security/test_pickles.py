"""A pickle that would do something, in every place that is read: it never goes off."""

import io
import json
import pickle
import shutil
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given

from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.official import OFFICIAL, OfficialSource
from preimage.errors import CheckpointError, PreimageError
from preimage.latents.store import Store
from preimage.latents.verify import verify
from preimage.models.classifier import load_classifier
from preimage.models.generator_folder import load_generator, write_generator
from preimage.models.inception import open_inception
from preimage.models.prior_folder import load_fitted
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.runs.checkpoints import committed, newest
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import loads
from preimage.storage.folder import Folder, digest
from security.mutations import FUZZ, damaged, documented
from shell import SPEC


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture
def fuse(tmp_path) -> Path:
    """The file that a bomb makes."""
    return tmp_path / "went-off"


def bombs(fuse: Path) -> dict[str, bytes]:
    """The same in the ways that Python, torch and NumPy keep it."""
    bomb = Bomb(fuse)
    saved, old, array = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"algorithm": bomb}, saved)
    torch.save({"algorithm": bomb}, old, _use_new_zipfile_serialization=False)
    np.save(array, np.array([bomb], dtype=object), allow_pickle=True)
    return {
        "pickle": pickle.dumps(bomb),
        "torch": saved.getvalue(),
        "old torch": old.getvalue(),
        "numpy": array.getvalue(),
    }


def test_a_bomb_goes_off_where_it_is_unpickled(fuse):
    """Or the tests below would show nothing."""
    loads_torch = partial(torch.load, weights_only=False)
    ways = (pickle.load, loads_torch, loads_torch, partial(np.load, allow_pickle=True))
    for data, load in zip(bombs(fuse).values(), ways, strict=True):
        load(io.BytesIO(data))
        assert fuse.exists()
        fuse.unlink()


@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "numpy"])
def test_no_file_of_any_folder_goes_off(tmp_path, fuse, kind, tiny_generator):
    """Every file of every product, and what others would look for there."""
    data = bombs(fuse)[kind]
    folder = Folder.at(tmp_path / "folder")
    card = write_generator(tiny_generator, folder, {})
    for name in (
        "weights.safetensors",
        "weights.pt",
        "pytorch_model.bin",
        "config.json",
        "config.pkl",
        "_manifest.json",
        "_plan.json",
        "_part-00000.json",
        "part-00000.parquet",
        "manifest.json",
        "run.json",
        "outcome.json",
        "spec.yaml",
        "picks.json",
    ):
        folder.write(name, data)
        if name == "weights.safetensors":  # vouched for
            folder.write_json("config.json", card.model_dump() | {"weights_sha256": digest(data)})
        for read in (
            lambda: load_generator(folder),
            lambda: load_classifier(folder),
            lambda: load_fitted(folder),
            lambda: Store.open(folder),
            lambda: verify(folder),
            lambda: Dataset.open(folder),
            RunFolder(folder).outcome,
            RunFolder(folder).about,
        ):
            assert documented(read) is None
    assert not fuse.exists()


@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "numpy"])
def test_no_image_and_no_named_set_goes_off(tmp_path, fuse, kind, monkeypatch):
    data = bombs(fuse)[kind]
    images = tmp_path / "images"
    for name in (
        "a/0.png",
        "cifar-10-batches-py/batches.meta",
        "cifar-10-batches-py/data_batch_1",
        "meta.bin",
        "ILSVRC2012_devkit_t12.tar.gz",
        "stl10_binary/train_X.bin",
    ):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(data)
    monkeypatch.chdir(images)
    (images / "_cache_bedroomtrainlmdb").write_bytes(data)  # torchvision's own LSUN unpickles it
    config = DataConfig(source="folder", path=str(images), size=8)
    with pytest.raises(PreimageError):
        prepare(config, Folder.at(tmp_path / "out"), backend="local")
    for official in OFFICIAL:
        documented(lambda official=official: len(OfficialSource(official, images, "train")))
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.png", data)
    with pytest.raises(PreimageError):
        prepare(
            config.model_copy(update={"path": str(archive)}), Folder.at(tmp_path / "out"), backend="local"
        )
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(data)
        documented(lambda name=name: open_inception(str(tmp_path / name)))
    assert not fuse.exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    results = tmp_path_factory.mktemp("results")
    changes = [
        f"results={results}",
        "training.total_images=96",
        "training.sample_every=48",
        "training.checkpoint_every=48",
        "resources.checkpoint_seconds=0",
    ]
    return RunFolder(Folder.at(execute(make_plan(loads(SPEC, "a.yaml", "a", None, changes))).folder))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "numpy"])
def test_no_checkpoint_goes_off(trained, tmp_path, fuse, kind):
    """Whoever writes a checkpoint writes its meta.json too."""
    data = bombs(fuse)[kind]
    shutil.copytree(trained.product("checkpoints").local, tmp_path / "checkpoints")
    for checkpoint in committed(Folder.at(tmp_path / "checkpoints")):
        meta = checkpoint.meta
        for name in list(meta["files"]):
            checkpoint.folder.write(name, data)
            meta["files"][name] = digest(data)
        checkpoint.folder.write_json("meta.json", meta)
    found = newest(Folder.at(tmp_path / "checkpoints"))
    for read in (found.shared, lambda: found.own(0)):
        with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
            read()
    assert not fuse.exists()


def test_any_bytes_of_a_checkpoint_are_passed_over(trained, tmp_path):
    shutil.copytree(trained.product("checkpoints").local, tmp_path / "checkpoints")
    folder = Folder.at(tmp_path / "checkpoints")
    last = committed(folder)[-1].folder
    data = last.read("shared.pt")

    @FUZZ
    @given(damaged(data))
    def each(found):
        last.write("shared.pt", found)
        assert found == data or newest(folder).folder.path != last.path

    each()


def test_what_ray_leaves_in_a_run_is_not_read(tmp_path, fuse):
    """Ray's state, and Optuna's file, are written and never read."""
    spec = loads(
        SPEC,
        "a.yaml",
        "a",
        None,
        [f"results={tmp_path}", "training.total_images=96", "training.sample_every=48"],
    )
    plan = make_plan(spec)
    for name in (
        "ray/tuner.pkl",
        "ray/trainer.pkl",
        "ray/experiment_state.json",
        f"ray/{plan.run.name}/tuner.pkl",
        "optuna.log",
        "studies.pkl",
    ):
        place, _, file = name.rpartition("/")
        (plan.run.folder / place if place else plan.run.folder).write(file, bombs(fuse)["pickle"])
    execute(plan)
    assert not fuse.exists()
    assert json.loads(plan.run.folder.read("outcome.json"))["run"] == plan.run.name
