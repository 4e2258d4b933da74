"""Which images a network was not trained on."""

import pytest

from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import DataError
from preimage.jobs.held_out_images import held_out, seen_of
from preimage.storage.folder import Folder


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    return Catalog(Folder.at(tmp_path / "datasets"))


@pytest.mark.parametrize("source", ["digits", "mnist-5000"])
def test_a_set_without_a_test_split_is_held_out_from_itself(catalog, source):
    trained = DataConfig(source=source, max_images=100)
    assert held_out(trained, catalog) == DataConfig(source=source)
    assert seen_of(trained, held_out(trained, catalog), 1_000) == 100


def test_a_named_set_has_a_test_split_also_before_its_download(catalog):
    assert held_out(DataConfig(source="cifar10"), catalog).split == "test"


def test_what_was_trained_on_every_split_has_seen_the_test_split(catalog):
    assert held_out(DataConfig(source="celeba", split="all", max_images=9), catalog).split == "all"


def test_files_that_are_gone_tell_of_no_split(catalog, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        held_out(DataConfig(source="folder", path=str(tmp_path / "gone")), catalog)


@pytest.mark.parametrize("source", ["folder", "parquet", "webdataset", "arrays", "table"])
def test_a_users_own_files_are_others_at_another_path(source):
    here, there = (DataConfig(source=source, path=path) for path in ("/one", "/other"))
    assert seen_of(here, here, 10) == 10
    assert seen_of(here, there, 10) == 0


def test_two_names_of_one_split_are_the_same_images():
    folder, lsun = DataConfig(source="folder", path="/one"), DataConfig(source="lsun", category="tower")
    for data, one, other in ((folder, "Training", "train"), (lsun, "validation", "test")):
        first, second = (data.model_copy(update={"split": split}) for split in (one, other))
        assert seen_of(first, second, 10) == 10
    assert seen_of(folder.model_copy(update={"split": "test"}), folder, 10) == 0
