"""Products are rows of one table: whether a folder holds one, and what it says of itself."""

import pytest

from preimage.errors import PreimageError
from preimage.jobs.references import Reference
from preimage.jobs.registry import JOBS
from preimage.models.generator_folder import write_generator
from preimage.runs.products import PRODUCTS


def test_every_reference_and_everything_that_is_made_is_a_row():
    named = {each.product for each in Reference.__subclasses__()}
    made = {product for job in JOBS.working()[0].values() for product in job.makes}
    assert named == set(PRODUCTS)
    assert made <= set(PRODUCTS)


@pytest.mark.parametrize("name", PRODUCTS)
def test_an_empty_folder_holds_none(folder, name):
    assert not PRODUCTS[name].is_whole(folder)
    with pytest.raises(PreimageError):
        PRODUCTS[name].card(folder)


def test_a_products_card_has_the_fingerprint_of_its_content(folder, tiny_generator):
    card = write_generator(tiny_generator, folder, {})
    row = PRODUCTS["generator"]
    assert row.is_whole(folder)
    assert row.card(folder).fingerprint == card.fingerprint
