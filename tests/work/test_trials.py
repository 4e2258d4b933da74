"""Trials: each done once, in this process or on Ray, whatever dies on the way."""

import os
import signal
from functools import partial

import pytest
import torch

from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import DataError, PreimageError
from preimage.jobs.base import Context
from preimage.runs.run_folder import RunFolder

TRIALS = {"two": 2, "three": 3, "five": 5}


def context(folder, progress=lambda task: lambda done, total: None, **resources):
    settings = Resources(**({"backend": "local", "gpu": False} | resources))
    return Context(RunFolder(folder), Catalog(folder / "datasets"), "", settings, progress=progress)


def square(calls, number, device):
    calls.append(number)
    return {"square": torch.tensor(float(number**2)), "row": torch.arange(number)}


def squares(results):
    return {name: result["square"].item() for name, result in results.items()}


def test_each_trial_gives_its_tensors_by_its_name_in_the_order_asked_for(folder):
    seen = []

    def progress(task):
        return lambda done, total: seen.append((task, done, total))

    results = context(folder, progress).run_trials(TRIALS, partial(square, []), "squaring")
    assert list(results) == list(TRIALS)
    assert squares(results) == {"two": 4, "three": 9, "five": 25}
    assert torch.equal(results["five"]["row"], torch.arange(5))
    assert seen == [("squaring", done, 3) for done in range(4)]


def test_tensors_that_share_memory_or_are_views_are_kept_as_they_are(folder):
    table = torch.arange(6.0).view(2, 3).requires_grad_()
    results = context(folder).run_trials({"a": table}, lambda t, device: {"whole": t, "turned": t.T}, "")
    assert torch.equal(results["a"]["turned"], table.T)
    assert torch.equal(results["a"]["whole"], table)


def test_only_what_is_missing_is_done_again(folder):
    first, second = [], []
    context(folder).run_trials({"two": 2, "five": 5}, partial(square, first), "")
    results = context(folder).run_trials(TRIALS, partial(square, second), "")
    assert (first, second) == ([2, 5], [3])
    assert squares(results) == {"two": 4, "three": 9, "five": 25}


def test_a_file_that_was_cut_short_is_made_again(folder):
    context(folder).run_trials(TRIALS, partial(square, []), "")
    trials = folder / "trials"
    trials.write("three.safetensors", trials.read("three.safetensors")[:-3])
    again = []
    assert squares(context(folder).run_trials(TRIALS, partial(square, again), ""))["three"] == 9
    assert again == [3]


def fails_at_three(number, device):
    if number == 3:
        raise DataError("three is no number. Give another.")
    return {"square": torch.tensor(float(number**2))}


def test_a_failure_keeps_what_was_done_before_it(folder):
    with pytest.raises(DataError, match="three is no number"):
        context(folder).run_trials(TRIALS, fails_at_three, "")
    assert (folder / "trials").names() == ["two.safetensors"]


@pytest.mark.ray
def test_on_ray_the_same_results_and_a_failure_is_one_message(ray, folder):
    def work(number, device):  # nested, so that it travels by value: workers cannot import a test
        if number == 3:
            raise DataError("three is no number. Give another.")
        return {"square": torch.tensor(float(number**2)), "threads": torch.tensor(torch.get_num_threads())}

    two = context(folder, backend="ray", workers=2)
    results = two.run_trials({"two": 2, "five": 5}, work, "")
    assert squares(results) == {"two": 4, "five": 25}
    assert results["two"]["threads"] == 1
    with pytest.raises(DataError) as caught:
        two.run_trials(TRIALS, work, "")
    assert str(caught.value) == "three is no number. Give another."


@pytest.mark.ray
@pytest.mark.faults
def test_workers_that_keep_dying_are_one_message(ray, folder):
    def work(number, device):
        os.kill(os.getpid(), signal.SIGKILL)

    stubborn = context(folder, backend="ray", workers=2, max_failures=1)
    with pytest.raises(PreimageError, match="a worker died 2 times"):
        stubborn.run_trials(TRIALS, work, "")
