"""Latent stores from anybody: every row as it was written, or one message."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from preimage.errors import PreimageError, StoreError
from preimage.latents.manifest import Manifest, PartRecord, StorePlan, file_sizes, write_config
from preimage.latents.schema import About, Codes, DatasetInfo, GeneratorInfo, arrow_schema, concatenate
from preimage.latents.store import Store, StoreWriter
from preimage.latents.verify import verify
from preimage.storage.folder import Folder, digest
from security.mutations import FUZZ, NAMES, altered, damaged, documented, memory_within

ABOUT = About(
    generator=GeneratorInfo(fingerprint="g"),
    dataset=DatasetInfo(fingerprint="d", count=12),
    latent_dim=3,
    prior="normal",
)


def codes(first: int) -> Codes:
    ids = torch.arange(first, first + 4)
    none = torch.zeros(4, dtype=torch.int32)
    return Codes(ids, none, ids[:, None] + torch.zeros(3), torch.zeros(4), none, none, none.bool())


def written(path) -> Folder:
    writer = StoreWriter(path, ABOUT, parts=3, count=12)
    for part in range(3):
        writer.write(part, codes(4 * part))
    return writer.finish().folder


@pytest.fixture
def store(tmp_path):
    return written(tmp_path / "store")


ROWS = torch.cat([codes(4 * part).z for part in range(3)])


def all_rows(folder: Folder):
    """Every code of a store, by its parts alone; None where that is refused."""
    opened = documented(lambda: Store.open(folder))
    return documented(lambda: concatenate(list(opened.batches())).z) if opened else None


def check(folder: Folder) -> None:
    """A reader gets all of the rows, or none."""
    documented(lambda: verify(folder))
    read = all_rows(folder)
    assert read is None or torch.equal(read, ROWS)


@pytest.mark.parametrize("name", ["_manifest.json", "_plan.json", "_part-00001.json"])
def test_any_json(store, name):
    value = store.read_json(name)
    keys = value.get("about", value)

    @FUZZ
    @given(
        st.one_of(altered(value).map(lambda each: json.dumps(each, indent=2)), altered(keys).map(json.dumps))
    )
    def each(text):
        store.write(name, text.encode("utf-8", "surrogatepass"))
        documented(lambda: verify(store))
        read = all_rows(store)
        assert name != "_manifest.json" or read is None or torch.equal(read, ROWS)
        documented(lambda: StoreWriter(store, ABOUT, parts=3, count=12).finish())

    each()


@pytest.mark.parametrize("name", ["_manifest.json", "part-00001.parquet"])
def test_any_bytes(store, name):
    data = store.read(name)

    @FUZZ
    @given(damaged(data))
    def each(found):
        store.write(name, found)
        check(store)
        if found != data:
            assert documented(lambda: verify(store)) is None

    each()


def test_any_byte_cut_off(store):
    data = store.read("part-00002.parquet")
    for length in range(0, len(data), 7):
        store.write("part-00002.parquet", data[:length])
        with pytest.raises(StoreError):
            Store.open(store)


def vouched(folder: Folder, data: bytes, name: str = "part-00001.parquet", rows: int = 4) -> None:
    """Put a part into a store, with a manifest that says that it belongs there."""
    folder.write(name, data)
    manifest = Manifest.model_validate(folder.read_json("_manifest.json"))
    records = [
        record.model_copy(update={"bytes": len(data), "sha256": digest(data), "rows": rows})
        if record.file == name
        else record
        for record in manifest.parts
    ]
    write_config(folder, "_manifest.json", Manifest.of(manifest.about, records))


def test_any_part_that_the_manifest_vouches_for(store):
    data = store.read("part-00001.parquet")

    @FUZZ
    @given(damaged(data))
    def each(found):
        vouched(store, found)
        documented(lambda: verify(store))
        read = all_rows(store)
        assert read is None or len(read) == 12

    each()


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.select(["image_id"]),
        lambda table: table.rename_columns(["id", *table.column_names[1:]]),
        lambda table: table.set_column(3, "loss", pa.array(["x"] * len(table))),
        lambda table: pa.concat_tables([table, table]),
        lambda table: table.slice(0, 2),
        lambda table: table.replace_schema_metadata({}),
        lambda table: pa.table({"a": [1]}),
    ],
)
def test_a_part_of_another_schema_or_length_is_refused(store, change, tmp_path):
    table = pq.read_table(tmp_path / "store" / "part-00001.parquet")
    pq.write_table(change(table), tmp_path / "other.parquet")
    vouched(store, (tmp_path / "other.parquet").read_bytes())
    with pytest.raises(StoreError):
        verify(store)
    assert all_rows(store) is None


def test_parts_in_each_others_place_are_refused(store):
    one, other = store.read("part-00000.parquet"), store.read("part-00001.parquet")
    store.write("part-00000.parquet", other)
    store.write("part-00001.parquet", one)
    with pytest.raises(StoreError):
        verify(store)
    assert all_rows(store) is None


@pytest.mark.parametrize("name", [*NAMES[:5], "../other/part-00001.parquet"])
def test_a_part_outside_of_the_store_is_not_read(store, tmp_path, name):
    other = written(tmp_path / "other")
    name = name.encode("utf-8", "replace").decode()
    manifest = Manifest.model_validate(store.read_json("_manifest.json"))
    for named in (name, str(other.local / "part-00001.parquet")):
        records = [manifest.parts[0], manifest.parts[1].model_copy(update={"file": named}), manifest.parts[2]]
        write_config(store, "_manifest.json", Manifest.of(manifest.about, records))
        with pytest.raises(StoreError):
            Store.open(store)
        with pytest.raises(StoreError):
            verify(store)


def test_a_part_named_twice_is_refused(store):
    manifest = Manifest.model_validate(store.read_json("_manifest.json"))
    write_config(store, "_manifest.json", Manifest.of(manifest.about, [*manifest.parts, manifest.parts[0]]))
    with pytest.raises(StoreError, match="twice"):
        Store.open(store)


def bomb(folder: Folder, about: About, rows: int) -> int:
    """A store of one part of equal values, in as few bytes as Parquet allows; its size in bytes."""
    schema = arrow_schema(about)
    z = pa.FixedSizeListArray.from_arrays(
        pa.nulls(rows * about.latent_dim, pa.float32()).fill_null(0.0), type=schema.field("z").type
    )
    names = schema.names
    zeros = [
        z
        if name == "z"
        else pa.nulls(rows, schema.field(name).type).fill_null(0 if name != "converged" else False)
        for name in names
    ]
    table = pa.Table.from_arrays(zeros, schema=schema)
    folder.local.mkdir(parents=True)
    path = folder.local / "part-00000.parquet"
    pq.write_table(
        table, path, compression="zstd", use_dictionary=True, row_group_size=rows, write_page_checksum=True
    )
    data = path.read_bytes()
    record = PartRecord(
        file=path.name, rows=rows, bytes=len(data), sha256=digest(data), rows_sha256="", span=None
    )
    write_config(folder, "_plan.json", StorePlan(about=about, parts=1, count=rows))
    write_config(folder, "_part-00000.json", record)
    write_config(folder, "_manifest.json", Manifest.of(about, [record]))
    return len(data)


def test_a_few_bytes_that_stand_for_gigabytes_are_refused(tmp_path):
    about = ABOUT.model_copy(update={"latent_dim": 256})
    folder = Folder.at(tmp_path / "bomb")
    assert bomb(folder, about, 60_000) < 200_000  # 61 MB of codes
    with memory_within(20):
        for read in (lambda: verify(folder), lambda: list(Store.open(folder).batches())):
            with pytest.raises(StoreError, match="cannot hold"):
                read()


@pytest.mark.parametrize("rows", [10**6, 10**12, 10**18, 2**63, 10**30, -5])
def test_a_manifest_that_claims_any_number_of_rows(store, rows):
    vouched(store, store.read("part-00001.parquet"), rows=rows)
    with memory_within(20), pytest.raises(StoreError):
        Store.open(store)
    with memory_within(20), pytest.raises(StoreError):
        verify(store)


@pytest.mark.parametrize("parts", [10**9, 10**18, 10**30])
def test_a_plan_that_claims_any_number_of_parts(tmp_path, parts):
    folder = Folder.at(tmp_path)
    write_config(folder, "_plan.json", StorePlan(about=ABOUT, parts=parts, count=1))
    with memory_within(20), pytest.raises(StoreError, match=f"0 of {parts} parts"):
        Store.open(folder)
    assert list(file_sizes(folder)) == ["_plan.json"]


def test_a_folder_in_the_place_of_a_file(store):
    store.remove("part-00001.parquet")
    (store.local / "part-00001.parquet").mkdir()
    with pytest.raises(PreimageError):
        Store.open(store)
    store.remove("_manifest.json")
    (store.local / "_manifest.json").mkdir()
    with pytest.raises(PreimageError):
        Store.open(store)
