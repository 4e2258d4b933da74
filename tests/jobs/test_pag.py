"""Several stores beside each other: their numbers, their picture, and what is refused."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.jobs.base import Context
from preimage.jobs.pag.job import PagJob
from preimage.metrics.pag import pag
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder
from stores import linear_generator, write_store

WIDE, FLAT = 6, 4


@pytest.fixture
def codes():
    """Codes of a wide generator that are like its prior, and of a small one that use one direction."""
    random = torch.Generator().manual_seed(0)
    flat = torch.randn(80, FLAT, generator=random) * torch.tensor([1.0, 1e-3, 1e-3, 1e-3])
    return {"wide": torch.randn(80, WIDE, generator=random), "flat": flat}


@pytest.fixture
def context(folder, digits, codes):
    ids = digits.read(0, 80).image_id
    for name, z in codes.items():
        card = write_generator(linear_generator(z.shape[1], seed=0), folder / f"{name}-generator", {})
        write_store(folder / name, card, digits, z, ids)
    inputs = {"store": folder / "wide", "beside.0": folder / "flat"}
    there = Catalog(digits.folder.parent)
    return Context(RunFolder(folder / "run"), there, "", Resources(backend="local", gpu=False), inputs)


def test_several_stores_are_in_one_picture_and_one_table_by_their_dimensions(context, codes):
    job = PagJob.model_validate({"store": "wide", "beside": ["flat"]})
    result = run_job(job, context)
    found, wide = result.metrics, pag([codes["wide"]], 1.0)
    assert found["pag"] == found["stores"]["d6"]["pag"] == wide.pag
    assert list(found["stores"]) == ["d4", "d6"]
    assert found["stores"]["d6"]["largest"] == pytest.approx((wide.singular_values[0] / 80**0.5).item())
    assert found["stores"]["d4"]["effective_rank"] < 1.1
    assert found["stores"]["d6"]["effective_rank"] > 5.5
    assert "| flat | 4 | 80 |" in result.table
    assert "| normal codes | 6 | 80 |" in result.table
    assert "Here of low rank: flat.\n" in result.table
    assert set(result.figures) == {"spectrum.png", "spectra.png"}
    picture = Image.open(io.BytesIO(result.figures["spectra.png"])).convert("L")
    assert np.asarray(picture).std() > 1
    again = run_job(PagJob(store=job.store, beside=(job.store,)), replaced(context))
    assert list(again.metrics["stores"]) == ["d6-1", "d6-2"]
    assert again.table.endswith("Here none is of low rank.\n")


def replaced(context):
    context.inputs["beside.0"] = context.inputs["store"]
    return context


def test_one_store_has_its_own_spectrum_alone(context):
    result = run_job(PagJob.model_validate({"store": "wide"}), context)
    assert set(result.figures) == {"spectrum.png"}
    assert "stores" not in result.metrics


def test_a_fitted_prior_is_not_for_several():
    with pytest.raises(ValidationError, match="of one generator's codes: give either it or beside"):
        PagJob.model_validate({"store": "wide", "beside": ["flat"], "prior": "fitted"})
