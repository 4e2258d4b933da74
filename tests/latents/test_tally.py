"""Running sums of a store's columns give what the whole columns would."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preimage.latents.tally import Tally

LOSSES = st.lists(st.floats(width=32, allow_infinity=False), min_size=1, max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LOSSES, st.integers(1, 9))
def test_any_split_of_any_losses(make_codes, values, rows):
    whole = make_codes(list(range(len(values))))
    whole = replace(whole, loss=torch.tensor(values))
    batches = [whole[first : first + rows] for first in range(0, len(values), rows)]
    tally = Tally()
    for each in batches:
        tally.add(each)
    losses, steps = whole.loss[~whole.diverged], whole.steps[~whole.diverged]
    assert (tally.count, tally.counted) == (len(values), len(losses))
    assert tally.converged == whole.converged.sum()
    if not len(losses):
        assert np.isnan([tally.loss_mean, tally.steps_mean, tally.loss_median]).all()
        return
    assert tally.loss_median == losses.median()
    assert tally.loss_mean == pytest.approx(losses.double().mean().item(), rel=1e-12, abs=1e-12)
    assert tally.steps_mean == pytest.approx(steps.double().mean().item())


def test_a_histogram_counts_every_loss_once(make_codes):
    codes = make_codes(list(range(10)))
    tally = Tally()
    for part in (codes[:4], codes[4:]):
        tally.add(part)
    counts, edges = tally.loss_histogram(6)
    assert counts.tolist() == np.histogram(codes.loss.numpy(), 6)[0].tolist()
    assert (edges[0], edges[-1]) == (0, codes.loss.max())
