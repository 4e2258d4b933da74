"""Latent stores of tables from elsewhere."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.torch import save_file

from preimage.errors import StoreError
from preimage.importing.tables import import_codes as module
from preimage.importing.tables.import_codes import Origin, import_codes
from preimage.importing.tables.table import Columns
from preimage.latents.held_out import Split
from preimage.latents.statistics import store_moments
from preimage.latents.store import StoreWriter
from preimage.latents.verify import describe, verify
from preimage.models.cards import read_card
from preimage.models.generator_folder import write_generator
from preimage.storage.folder import Folder
from stores import linear_generator

Z = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


@pytest.fixture
def made(tmp_path):
    """Import a table of these columns, or a file."""

    def call(table, column=None, id=None, label=None, **origin):
        path = table
        if isinstance(table, dict):
            path = tmp_path / "codes.parquet"
            pq.write_table(pa.table(table), path, row_group_size=3)
        return import_codes(path, Folder.at(tmp_path / "store"), Columns(column, id, label), Origin(**origin))

    return call


def fixed(z=Z):
    return pa.FixedSizeListArray.from_arrays(pa.array(z.ravel()), z[0].size)


def rows(store):
    return store.head(store.count)


def test_a_parquet_table_becomes_a_store_that_verifies(made):
    found = made({"z": fixed(), "key": [7, 5, 3, 1], "y": [1, None, 0, 1]}, "z", "key", "y")
    codes = rows(found.store)
    assert np.array_equal(codes.z, Z)
    assert codes.image_id.tolist() == [7, 5, 3, 1]
    assert codes.label.tolist() == [1, -1, 0, 1]
    assert not codes.diverged.any()
    report = verify(found.store.folder)
    assert (report.count, report.search) == (4, None)
    assert "loss_mean" not in describe(found.store)


def test_codes_without_a_search_have_moments_and_no_losses(made):
    store = made({"z": fixed()}).store
    assert torch.equal(store_moments(store).mean.float(), torch.from_numpy(Z.mean(0)))
    assert sum(len(z) for z in Split(store, 0.0).training()) == 4
    with pytest.raises(StoreError, match=r"were imported, so they have no losses"):
        next(store.batches(("loss",)))


@pytest.mark.parametrize(
    ("column", "shape"),
    [
        (pa.array(Z.tolist()), None),
        (pa.array(Z.tolist(), pa.large_list(pa.float64())), None),
        (pa.array(Z.reshape(4, 1, 3).tolist()), (1, 3)),
        (pa.array(Z.reshape(4, 3, 1).tolist(), pa.list_(pa.list_(pa.float16(), 1), 3)), (3, 1)),
        (pa.FixedShapeTensorArray.from_numpy_ndarray(Z.reshape(4, 3, 1, 1)), (3, 1, 1)),
    ],
)
def test_vectors_of_every_layout(made, column, shape):
    store = made({"z": column}).store
    assert np.array_equal(rows(store).z, Z)
    assert store.about.latent_shape == shape
    assert store.latent_dim == 3


@pytest.mark.parametrize("kind", ["float64", "float16", "int8", "uint32"])
def test_numpy_arrays_become_float32_and_it_is_said(made, tmp_path, kind):
    z = (Z * 8).reshape(4, 3, 1, 1).astype(kind)
    np.save(tmp_path / "z.npy", np.asfortranarray(z))
    found = made(tmp_path / "z.npy")
    assert np.array_equal(rows(found.store).z, z.reshape(4, 3))
    assert found.store.about.latent_shape == (3, 1, 1)
    assert f"the numbers were {kind}: they are float32 now" in found.notes


def test_safetensors_with_ids_and_labels(made, tmp_path):
    z = torch.from_numpy(Z)
    tensors = {"z": z.bfloat16(), "i": torch.tensor([4, 3, 2, 1]), "y": torch.tensor([0, 1, 0, 1])}
    save_file(tensors, tmp_path / "z.safetensors")
    found = made(tmp_path / "z.safetensors", "z", "i", "y")
    assert torch.equal(rows(found.store).z, z.bfloat16().float())
    assert rows(found.store).image_id.tolist() == [4, 3, 2, 1]
    assert "the numbers were bfloat16: they are float32 now" in found.notes


def test_text_labels_keep_their_names(made):
    words = pa.array(["dog", None, "cat", "dog"]).dictionary_encode()
    store = made({"z": fixed(), "y": words}, label="y").store
    assert store.about.classes == ("cat", "dog")
    assert rows(store).label.tolist() == [1, -1, 0, 1]


def test_images_are_found_by_name_and_give_the_labels(made, digits):
    from preimage.data.images_table import read_rows

    ids = digits.read(0, 4).image_id.tolist()
    known = read_rows(digits.folder, ids, ("name", "label"))
    store = made({"z": fixed(), "file": known["name"].combine_chunks()}, id="file", images=digits).store
    assert rows(store).image_id.tolist() == ids
    assert rows(store).label.tolist() == known["label"].to_pylist()
    assert store.about.dataset_fingerprint == digits.fingerprint


def test_rows_of_images_need_their_ids(made, digits):
    with pytest.raises(StoreError, match="which image is each row's code of.*--id"):
        made({"z": fixed()}, images=digits)


def test_labels_that_pandas_made_floats_of_are_whole_numbers(made):
    store = made({"z": fixed(), "y": [3.0, float("nan"), 0.0, None]}, "z", None, "y").store
    assert rows(store).label.tolist() == [3, -1, 0, -1]


def test_a_generators_codes_have_its_prior(made, tmp_path):
    folder = Folder.at(tmp_path / "generator")
    write_generator(linear_generator(3, 0), folder, {})
    card = read_card(folder)
    store = made({"z": fixed()}, generator=folder, card=card).store
    assert (store.about.prior, store.about.generator_fingerprint) == ("normal", card.fingerprint)
    with pytest.raises(StoreError, match="have 2 components, but the codes of this generator 3"):
        made({"z": fixed(Z[:, :2].copy())}, generator=folder, card=card)


def test_a_killed_import_resumes_and_a_second_one_changes_nothing(made, monkeypatch):
    monkeypatch.setattr(module, "PART", 12)  # one row a part
    table, write = {"z": fixed()}, StoreWriter.write

    def killed(self, index, codes):
        if index == 2:
            raise KeyboardInterrupt
        return write(self, index, codes)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            made(table)
    first = made(table).store
    assert len(first.manifest.parts) == 4
    assert np.array_equal(rows(first).z, Z)
    again = made(table)
    assert again.store.fingerprint == first.fingerprint
    assert "it was there already: nothing was written" in again.notes
    with pytest.raises(StoreError, match="holds a store of another plan"):
        made({"z": fixed(Z + 1)})


NAN = np.where(Z[2, 1] == Z, np.float32(np.nan), Z)
WRONG = {
    "no such column": (
        {"zeta": fixed()},
        ("zetas",),
        r"no column 'zetas' \(did you mean 'zeta'\?\): it has zeta",
    ),
    "numbers": ({"z": [1.0, 2.0]}, ("z",), "z of .* holds double, no vectors of numbers"),
    "two": ({"a": fixed(), "b": fixed()}, (), "vectors in a, b: choose with --column"),
    "ragged": ({"z": [[1.0], [2.0], [1.0, 2.0], [1.0, 2.0]]}, (), "row 2 of z has a vector of length 2"),
    "nested": (
        {"z": [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0]]]},
        (),
        "row 1 of z has a list within it of",
    ),
    "null": ({"z": [[1.0], None]}, (), "row 1 of z is null"),
    "inner null": ({"z": [[1.0], [None]]}, (), "row 1 of z is null, or has a null in it"),
    "empty": ({"z": pa.array([[], []], pa.list_(pa.float32()))}, (), "row 0 of z holds an empty vector"),
    "no rows": ({"z": pa.array([], pa.list_(pa.float32()))}, (), "has no rows"),
    "nan": ({"z": fixed(NAN)}, (), "row 2 of z holds nan, which is no finite float32"),
    "too large": ({"z": [[1.0], [1e300]]}, (), "row 1 of z holds 1e[+]300, which is no finite float32"),
    "twice": ({"z": fixed(), "i": [4, 9, 4, 9]}, ("z", "i"), "i holds ids more than once: 4, 9"),
    "no id": (
        {"z": fixed(), "i": [4, None, 2, 3]},
        ("z", "i"),
        "row 1 of i is null: every row must have an id",
    ),
    "text ids": ({"z": fixed(), "i": list("abcd")}, ("z", "i"), "i holds texts: give the images .* --images"),
    "float ids": (
        {"z": fixed(), "i": [1.0, 2.0, 3.0, 4.0]},
        ("z", "i"),
        "i holds double: ids are whole numbers",
    ),
    "float labels": (
        {"z": fixed(), "y": [1.0, 2.5, 3.0, 4.0]},
        ("z", None, "y"),
        "row 1 of y is 2.5: labels are",
    ),
    "labels": (
        {"z": fixed(), "y": [1, 2, -3, 4]},
        ("z", None, "y"),
        "row 2 of y is -3: a label is 0 or more",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_table_is_refused_in_one_sentence_before_anything_is_written(made, tmp_path, case):
    table, columns, message = WRONG[case]
    with pytest.raises(StoreError, match=message):
        made(table, *columns)
    assert not (tmp_path / "store").exists()


def test_ids_of_no_image(made, digits):
    with pytest.raises(StoreError, match=r"row 1: .* has no image with the id 99999"):
        made({"z": fixed(), "i": [int(digits.read(0, 1).image_id), 99999, 1, 2]}, "z", "i", images=digits)
    with pytest.raises(StoreError, match=r"row 0: no image of .* is named 'no.png'; its names are like"):
        made({"z": fixed(), "i": ["no.png"] * 4}, "z", "i", images=digits)


def test_files_of_other_kinds(made, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[1], None], object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", Z[0])
    (tmp_path / "codes.csv").write_text("1,2\n")
    (tmp_path / "codes.safetensors").write_bytes(b"\0" * 40)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1" + b"\0" * 40)
    for name, message in {
        "objects.npy": "Only arrays of numbers are, for objects are pickles",
        "flat.npy": r"has the shape \(3,\): it must be \(n, d\)",
        "codes.csv": "neither Parquet, .npy nor .safetensors",
        "codes.safetensors": "cannot be read",
        "torn.parquet": "cannot be read",
        "none.npy": "does not exist",
        "": "is a folder: give one file",
    }.items():
        with pytest.raises(StoreError, match=message):
            made(tmp_path / name)
    assert not (tmp_path / "store").exists()


floats = st.floats(-(2.0**100), 2.0**100, width=32)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    z=arrays(np.float32, array_shapes(min_dims=2, max_dims=4, max_side=5), elements=floats),
    part=st.integers(1, 64),
)
def test_any_array_comes_back(tmp_path_factory, monkeypatch, z, part):
    place = tmp_path_factory.mktemp("any")
    monkeypatch.setattr(module, "PART", part)
    np.save(place / "z.npy", z)
    store = import_codes(place / "z.npy", Folder.at(place / "store"), Columns(None)).store
    assert np.array_equal(torch.cat([codes.z for codes in store.batches()]), z.reshape(len(z), -1))
    assert store.about.latent_shape == (z.shape[1:] if z.ndim > 2 else None)
