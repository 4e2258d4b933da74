"""What points can be coloured by."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from browsed import DIM, draw, of_codes
from preimage.browsing.columns import OUTLYING, Columns, as_numpy
from preimage.browsing.points import points_of
from preimage.latents.priors import Gaussian, Normal, Uniform
from preimage.latents.statistics import Moments


def test_what_there_is_of_a_store_with_images_and_a_prior(subject):
    columns = Columns(subject, subject.rows.ids)
    assert list(columns) == [
        "label", "loss", "-log density, normal", OUTLYING, "disagreement of neighbours",
    ]  # fmt: skip
    assert {len(values) for values in columns.values()} == {subject.count}
    assert columns["label"].tolist() == [str(label) for label in subject.rows.labels]
    assert columns.is_text("label")
    assert np.array_equal(columns["loss"], subject.rows.losses)


def test_a_normal_priors_is_half_the_squared_distance_and_a_constant(subject):
    ids = subject.rows.ids[[3, 1]]
    z = subject.codes_of(ids).z.double()
    expected = z.square().sum(1) / 2 + DIM / 2 * np.log(2 * np.pi)
    assert np.allclose(Columns(subject, ids)["-log density, normal"], expected)
    whole = Columns(subject, subject.rows.ids)["-log density, normal"]
    assert np.allclose(whole[[3, 1]], expected)


def test_a_distance_from_the_other_codes_is_that_of_mahalanobis(folder):
    z = draw(50, 3) @ torch.diag(torch.tensor([5.0, 1, 0.1])) + 3
    subject = of_codes(folder, z)
    exact = z.double() - z.double().mean(0)
    squares = (exact @ torch.linalg.inv(torch.cov(z.double().T)) * exact).sum(1)
    found = Columns(subject, subject.rows.ids)[OUTLYING]
    assert np.allclose(found, (squares / 3).sqrt(), rtol=1e-3)


def test_directions_that_no_code_takes_say_nothing(folder):
    subject = of_codes(folder, torch.cat([draw(30, 2), torch.ones(30, 1)], 1))
    assert Columns(subject, subject.rows.ids)[OUTLYING].max() < 5


def test_priors_without_a_telling_density_are_left_out(subject):
    fitted = Gaussian.fit(Moments.of([draw()]))
    priors = {
        "uniform": Uniform(DIM),
        "ball": replace(fitted, support="ball"),
        "fit-prior-1": fitted,
        "other": Normal(DIM + 1),
    }
    columns = Columns(replace(subject, priors=priors), subject.rows.ids)
    assert [name for name in columns if "density" in name] == ["-log density, fit-prior-1"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (pa.array([1, None, 3]), [1, np.nan, 3]),
        (pa.array([0.5, None]), [0.5, np.nan]),
        (pa.array(["b", None, "a"]), ["b", "", "a"]),
        (pa.array([True, None, False]), ["true", "", "false"]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", "", "a"]),
    ],
)
def test_columns_of_images_are_numbers_or_texts(values, found):
    made = as_numpy(values)
    np.testing.assert_array_equal(made, np.array(found, made.dtype))
    assert as_numpy(pa.chunked_array([values])).tolist()[0] == found[0]


def test_a_store_whose_searches_all_diverged_has_an_empty_map(folder):
    subject = replace(of_codes(folder, draw(5), lost=tuple(range(5))), priors={"normal": Normal(DIM)})
    found = points_of(subject, "tsne")
    assert len(found) == 0
    assert "loss" in found.columns
    assert [each for each in found.columns if "normal" in each] == []
    assert found.notes == ("Images whose search diverged are left out: 5.",)
