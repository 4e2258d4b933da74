"""Codes drawn from the priors of what is browsed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linear_subject import subject_of
from preimage.browsing.samples import prior_of, samples
from preimage.errors import PriorError
from preimage.latents.priors import Uniform


@given(st.integers(0, 2**31), st.integers(1, 20))
def test_the_same_seed_draws_the_same_codes(seed, count):
    one, again, other = (samples(subject_of(None), "normal", count, each) for each in (seed, seed, seed + 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.shape == (count, 3)


def test_more_samples_begin_with_the_fewer_ones_of_a_uniform_prior():
    subject = subject_of(None, prior=Uniform(3))
    many = samples(subject, "uniform", 100, 1)
    assert np.abs(many).max() <= 1
    assert np.array_equal(many[:32], samples(subject, "uniform", 32, 1))


def test_an_unknown_prior_is_refused_with_those_there_are():
    with pytest.raises(PriorError, match=r"no prior 'gaussian'; its priors are: normal"):
        samples(subject_of(None), "gaussian", 1, 0)
    assert prior_of(subject_of(None), None).name == "normal"
