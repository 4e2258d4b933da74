"""A Parquet file that a disk altered or cut short: noticed, named, and mended by what the message says."""

import pyarrow.parquet as pq
import pytest

from faulty import INVERT, TRAIN, planned
from preimage.errors import PreimageError
from preimage.latents.verify import verify
from preimage.pipelines.execute import execute
from stores import store_of

pytestmark = pytest.mark.faults
QUICK = TRAIN | {"training": TRAIN["training"] | {"total_images": 1_200}}
STEPS = {
    "train": QUICK,
    "codes": INVERT | {"inversion": INVERT["inversion"] | {"steps": 5}},
    "pag": {"job": "pag", "store": "codes"},
}
EARLIER = {name: STEPS[name] for name in ("train", "codes")}


def flip(path):
    """One bit of a page of the pixels or of the codes."""
    group = pq.read_metadata(path).row_group(0)
    columns = map(group.column, range(group.num_columns))
    wide = next(each for each in columns if each.path_in_schema.split(".")[0] in ("pixels", "z"))
    data = bytearray(path.read_bytes())
    data[wide.data_page_offset + wide.total_compressed_size - 1] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    plan = planned(tmp_path_factory.mktemp("undisturbed"), STEPS)
    return plan, execute(plan)


def require_same(plan, undisturbed):
    there, outcome = undisturbed
    assert store_of(plan.steps[1].run).fingerprint == store_of(there.steps[1].run).fingerprint
    assert verify(plan.steps[1].run.product("store")).count == 400
    assert plan.run.outcome().metrics["pag.pag"] == outcome.metrics["pag.pag"]


def test_a_shard_with_a_flipped_bit_stops_a_training_before_its_first_step(undisturbed, tmp_path):
    execute(planned(tmp_path, {"train": QUICK | {"seed": 1}}))  # the images are prepared
    plan = planned(tmp_path, STEPS)
    shard = plan.catalog.folder(plan.steps[0].data).local / "part-00000.parquet"
    flip(shard)
    with pytest.raises(PreimageError, match=r"part-00000.parquet is damaged .*; delete that file") as said:
        execute(plan)
    print(said.value)
    assert not plan.steps[0].run.records()
    shard.unlink()
    execute(planned(tmp_path, STEPS))
    require_same(plan, undisturbed)


def test_a_shard_cut_short_is_made_again_unasked(undisturbed, tmp_path):
    execute(planned(tmp_path, {"train": QUICK}))
    plan = planned(tmp_path, STEPS)
    folder = plan.catalog.folder(plan.steps[0].data).local
    whole = (folder / "part-00001.parquet").read_bytes()
    cut(folder / "part-00001.parquet")
    execute(plan)
    assert (folder / "part-00001.parquet").read_bytes() == whole
    require_same(plan, undisturbed)


@pytest.mark.parametrize("harm", [flip, cut])
def test_a_store_part_is_noticed_before_it_is_used_and_made_again(undisturbed, tmp_path, harm):
    execute(planned(tmp_path, EARLIER))
    plan = planned(tmp_path, STEPS)
    store = plan.steps[1].run.product("store")
    part = store.local / "part-00007.parquet"
    harm(part)
    with pytest.raises(PreimageError, match=r"part-00007.parquet") as said:
        execute(plan)
    print(said.value)
    assert not plan.steps[2].run.outcome()
    with pytest.raises(PreimageError, match="Delete the parts listed") as said:
        verify(store)
    assert "part-00007.parquet" in str(said.value)
    kept = {path.name: path.stat().st_mtime_ns for path in store.local.glob("*.parquet") if path != part}
    for name in ("part-00007.parquet", "_part-00007.json", "_manifest.json"):
        (store.local / name).unlink()
    execute(planned(tmp_path, STEPS))
    require_same(plan, undisturbed)
    assert all((store.local / name).stat().st_mtime_ns == when for name, when in kept.items())
