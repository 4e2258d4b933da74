"""Shards that are read in order, by several processes, and by one that is killed."""

import io
import signal
import subprocess
import sys
import tarfile

import pytest

from faulty import kill, wait_for
from preimage.data.config import DataConfig
from preimage.data.preparing import prepare as preparation
from preimage.data.preparing.prepare import prepare
from preimage.data.sources.webdataset import WebDatasetSource
from preimage.storage.folder import Folder


@pytest.fixture
def tars(tmp_path, make_png) -> DataConfig:
    """Three shards of six images that take a while to read."""
    (tmp_path / "tars").mkdir()
    for shard in range(3):
        with tarfile.open(tmp_path / "tars" / f"{shard}.tar", "w") as archive:
            for index in range(6):
                image = make_png(6 * shard + index, (200, 150))
                for suffix, data in (("cls", b"%d" % (index % 2)), ("png", image)):
                    info = tarfile.TarInfo(f"{shard}-{index}.{suffix}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return DataConfig(source="webdataset", path=str(tmp_path / "tars"), size=8)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_the_same_dataset_from_ray_of_shards_that_are_read_in_order(ray, tars, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "IN_PROCESS", 0)
    here = prepare(tars, Folder.at(tmp_path / "here"), backend="local")
    told = []
    there = prepare(
        tars,
        Folder.at(tmp_path / "there"),
        workers=2,
        progress=lambda task: lambda *now: told.append((task, *now)),
    )
    assert len(here.manifest["shards"]) == 5
    assert there.manifest == here.manifest
    assert not there.folder.exists("unpacked")
    assert (told[0], told[-1]) == (("reading images", 0, 18), ("preparing images", 18, 18))


PREPARE = """
import sys
from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.storage.folder import Folder
config = DataConfig.model_validate_json(sys.argv[1])
prepare(config, Folder.at(sys.argv[2]), backend="local")
"""


@pytest.mark.faults
def test_a_killed_process_reads_no_shard_again_that_it_unpacked(tars, tmp_path, monkeypatch):
    config = tars.model_copy(update={"size": 1024})
    line = [sys.executable, "-c", PREPARE, config.model_dump_json(), str(tmp_path / "killed")]
    process = subprocess.Popen(line)
    wait_for(lambda: any(tmp_path.glob("killed/*/unpacked/*.json")))
    kill(process.pid)
    assert process.wait() == -signal.SIGKILL
    unpacked = len(list(tmp_path.glob("killed/*/unpacked/*.json")))
    assert 1 <= unpacked < 3
    read, pieces = WebDatasetSource.read, []
    monkeypatch.setattr(
        WebDatasetSource, "read", lambda self, piece: pieces.append(piece) or read(self, piece)
    )
    resumed = prepare(config, Folder.at(tmp_path / "killed"), backend="local")
    assert pieces == list(range(unpacked, 3))
    assert not resumed.folder.exists("unpacked")
    assert resumed.manifest == prepare(config, Folder.at(tmp_path / "whole"), backend="local").manifest
