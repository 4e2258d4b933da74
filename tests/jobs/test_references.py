"""References are found by one walk, wherever they stand in a job."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from preimage.config import Config
from preimage.data.config import DataConfig
from preimage.jobs.references import ClassifierRef, GeneratorRef, StoreRef, images_named, references

NAMES = st.text("abcdefgh-", min_size=1)


class Inner(Config):
    classifier: ClassifierRef | None = None
    images: int = 3


class Outer(Config):
    name: str = "not-a-reference"
    store: StoreRef | None = None
    table: dict[str, tuple[GeneratorRef, ...]] = Field(default_factory=dict)
    inner: Inner | None = None
    data: DataConfig | None = None


@given(store=NAMES, table=st.dictionaries(NAMES, st.lists(NAMES, max_size=3)), classifier=NAMES)
def test_every_reference_is_found_by_its_dotted_key_and_survives_json(store, table, classifier):
    value = {"store": store, "table": table, "inner": {"classifier": classifier}}
    outer = Outer.model_validate(value)
    expected = {"store": (store, "store"), "inner.classifier": (classifier, "classifier")}
    for key, names in table.items():
        expected |= {f"table.{key}.{i}": (name, "generator") for i, name in enumerate(names)}
    found = references(outer)
    assert {key: (str(each), each.product) for key, each in found.items()} == expected
    assert Outer.model_validate_json(outer.model_dump_json()) == outer
    assert outer.model_dump(mode="json")["store"] == store


def test_a_job_without_references_has_none_and_its_images_are_found():
    digits = DataConfig(source="digits")
    assert references(Outer(data=digits)) == {}
    assert images_named(Outer(data=digits)) == {"data": digits}
