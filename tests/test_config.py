"""Resources: how many workers there are, at least and at most."""

import pytest
from pydantic import ValidationError

from preimage.config import Resources
from preimage.errors import PreimageError
from preimage.training.batch_size import check_batch
from preimage.training.config import LoopConfig


def test_workers_are_as_many_as_said_unless_a_minimum_is():
    assert Resources(workers=3).needed == 3
    assert Resources(workers=3, min_workers=1).needed == 1


def test_no_more_workers_at_least_than_at_most():
    with pytest.raises(ValidationError, match="min_workers cannot exceed workers=2 but got 3"):
        Resources(workers=2, min_workers=3)


def test_every_worker_needs_an_image_of_a_batch():
    check_batch(LoopConfig(batch_size=5), Resources(workers=5))
    with pytest.raises(PreimageError, match="6 workers cannot share a batch of 5 images"):
        check_batch(LoopConfig(batch_size=5), Resources(workers=6, min_workers=1))
