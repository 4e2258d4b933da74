"""A training's checkpoints, altered: one that is as it was written, or none, or one message."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.runs import checkpoints
from preimage.storage.folder import Folder, digest
from preimage.training.worker import Worker
from security.mutations import FUZZ, altered, damaged, documented


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = Folder.at(tmp_path_factory.mktemp("checkpoints"))
    meta = {"images": 40, "config": {"lr": 1.0, "model": {"base_channels": 4}}, "score": 0.5}
    checkpoints.save(folder, Worker(), {"weight": torch.arange(9.0)}, {"codes": torch.eye(2)}, meta)
    return folder / "000000000040"


def use(folder):
    """All that a training does with what it finds: (shared, own) of what it would go on from."""
    checkpoints.best(folder, lowest=True)
    found = checkpoints.newest(folder)
    if not found:
        return None
    checkpoints.require_same(found, {"lr": 1.0, "model": {"base_channels": 4}})
    return found.images, found.shared(), [found.own(rank) for rank in range(len(found.owns))]


def copy_of(written, name, data):
    folder = written.parent.parent / f"copy-{digest(name.encode() + data)[:16]}"
    for each in written.names():
        (folder / "000000000040").write(each, written.read(each))
    (folder / "000000000040").write(name, data)
    return folder


@FUZZ
@given(data=st.data())
def test_altered_values_of_its_record(written, data):
    meta = data.draw(altered(written.read_json("meta.json")))
    text = json.dumps(meta).encode()
    found = documented(lambda: use(copy_of(written, "meta.json", text)))
    if found:
        assert torch.equal(found[1]["weight"], torch.arange(9.0))


@FUZZ
@given(data=st.data(), name=st.sampled_from(["meta.json", "shared.pt", "rank-0-of-1.pt"]))
def test_damaged_bytes(written, data, name):
    found = documented(lambda: use(copy_of(written, name, data.draw(damaged(written.read(name))))))
    if found:
        assert torch.equal(found[1]["weight"], torch.arange(9.0))
        assert torch.equal(found[2][0]["codes"], torch.eye(2))


@FUZZ
@given(data=st.data())
def test_damaged_bytes_whose_digest_was_put_right(written, data):
    """Whoever can write the file can write its digest."""
    wrong = data.draw(damaged(written.read("shared.pt")))
    folder = copy_of(written, "shared.pt", wrong)
    meta = written.read_json("meta.json")
    meta["files"]["shared.pt"] = digest(wrong)
    (folder / "000000000040").write_json("meta.json", meta)
    documented(lambda: use(folder))
