import pytest
import torch

from preimage.errors import CheckpointError
from preimage.runs import checkpoints
from preimage.training.worker import Worker


def save(folder, images, score=None, value=0.0):
    state = {"weight": torch.full((3,), value)}
    meta = {"images": images, "config": {"lr": 1.0}, "score": score}
    checkpoints.save(folder, Worker(), state, {"drawn": images}, meta)


def test_what_is_saved_comes_back(folder):
    save(folder, 10, value=0.5)
    found = checkpoints.newest(folder)
    assert torch.equal(found.shared()["weight"], torch.full((3,), 0.5))
    assert found.own(0) == {"drawn": 10}
    assert (found.images, found.world_size) == (10, 1)


def test_a_checkpoint_without_meta_does_not_count(folder):
    save(folder, 10)
    save(folder, 20)
    (folder.local / "000000000020" / "meta.json").unlink()
    assert checkpoints.newest(folder).images == 10
    checkpoints.prune(folder, lowest=True)
    assert folder.names() == ["000000000010"]


def test_the_two_latest_and_the_best_are_kept(folder):
    for images, score in ((10, 3.0), (20, 1.0), (30, None), (40, 2.0), (50, 5.0)):
        save(folder, images, score)
        checkpoints.prune(folder, lowest=True)
    assert [each.images for each in checkpoints.committed(folder)] == [20, 40, 50]
    assert checkpoints.best(folder, lowest=True).images == 20
    assert checkpoints.best(folder, lowest=False).images == 50


@pytest.mark.parametrize("lowest", [True, False])
def test_a_score_of_nan_is_never_the_best(folder, lowest):
    for images, score in ((10, float("nan")), (20, 0.0), (30, float("nan"))):
        save(folder, images, score)
    assert checkpoints.best(folder, lowest).images == 20


def test_an_altered_file_is_never_loaded(folder):
    save(folder, 10)
    found = checkpoints.newest(folder)
    data = bytearray(found.folder.read("shared.pt"))
    data[-5] ^= 1
    found.folder.write("shared.pt", bytes(data))
    with pytest.raises(CheckpointError, match="truncated or altered"):
        found.shared()
    assert checkpoints.newest(folder) is None


def test_all_differences_of_a_config_are_listed(folder):
    save(folder, 10)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.require_same(checkpoints.newest(folder), {"lr": 2.0, "batch_size": 5})
    assert "batch_size: was None, is 5" in str(caught.value)
    assert "lr: was 1.0, is 2.0" in str(caught.value)
