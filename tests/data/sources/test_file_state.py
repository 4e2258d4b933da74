"""What tells files from the files that they were."""

from preimage.data.config import DataConfig
from preimage.data.sources.file_state import placed, signed


def test_on_object_storage_equal_names_sizes_and_times_are_not_enough():
    state = signed([("a.png", 3, "3 17 0")]).state

    def at(path: str | None) -> str:
        return placed(state, DataConfig(source="folder", path=path))

    assert at("s3://one/photos") != at("s3://other/photos")
    assert at("/one/photos") == at("/other/photos") == at(None) == state


def test_the_listing_is_of_names_and_sizes_and_the_state_of_times_too():
    before = signed([("a.png", 3, "3 17 0")])
    assert signed([("a.png", 3, "3 18 0")]).listing == before.listing
    assert signed([("a.png", 3, "3 18 0")]).state != before.state
    for other in ([("b.png", 3, "3 17 0")], [("a.png", 4, "3 17 0")], []):
        assert signed(other).listing != before.listing
