"""Images and datasets on object storage."""

import pickle
import time

import pyarrow.parquet as pq
import pytest

from data.parquets import hf_table
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.data.preparing.worker import Reader
from preimage.data.sources.open import open_source
from preimage.storage.folder import Folder


@pytest.fixture
def put(s3: Folder, make_png, tmp_path):
    """Writes ten images, the last of them broken, as a folder or as Parquet. Returns its config."""
    images = [*map(make_png, range(9)), b"not an image"]

    def put(root: Folder, source: str) -> DataConfig:
        if source == "folder":
            for index, data in enumerate(images):
                (root / "photos").write(f"{index}.png", data)
        else:
            for index in range(2):
                table = hf_table(images[5 * index : 5 * index + 5])
                with (root / "photos").writing(f"{index}.parquet") as stream:
                    pq.write_table(table, stream)
        return DataConfig(source=source, path=f"{root.uri}/photos", size=8, on_error="skip")

    return put


@pytest.mark.parametrize("source", ["folder", "parquet"])
def test_a_dataset_on_object_storage_is_the_one_that_would_lie_on_a_disk(
    s3, put, folder, source, monkeypatch
):
    here = prepare(put(folder, source), folder / "datasets", backend="local")
    config = put(s3, source)
    there = prepare(config, s3 / "datasets", backend="local")
    assert (there.fingerprint, there.identity) == (here.fingerprint, here.identity)
    assert there.read(0, 9).pixels.equal(here.read(0, 9).pixels)
    assert there.folder.read("images.parquet") == here.folder.read("images.parquet")
    assert not there.folder.exists("unpacked")
    if source == "parquet":
        time.sleep(1)  # the resolution of a bucket's clock
        put(s3, source)
        assert not Catalog(s3 / "datasets").is_prepared(config)
        assert Catalog(s3 / "datasets").may_be_known(config)
    assert prepare(config, s3 / "datasets", backend="local").folder == there.folder
    assert Catalog(s3 / "datasets").is_prepared(config)


def test_a_source_at_an_address_is_sent_to_workers_and_not_opened_again(s3, put, folder, monkeypatch):
    config, local = put(s3, "parquet"), put(folder, "parquet")
    sent = pickle.dumps(Reader(config, open_source(config)))
    kept = pickle.dumps(Reader(local, open_source(local)))
    monkeypatch.setattr("preimage.data.preparing.worker.open_located", lambda config: None)
    source = pickle.loads(sent).source
    assert [len(list(source.read(piece))) for piece in range(2)] == [5, 5]
    with pytest.raises(AttributeError):
        _ = pickle.loads(kept).source
