"""The batch by device and memory: it decides no result, no part, no fingerprint."""

import pytest
import torch

from preimage.config import ALIKE
from preimage.inversion import batch_size
from preimage.inversion.batch_size import MOST, TRIED, fitting, fitting_batch
from preimage.inversion.config import CPU_BATCH, InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.problem import Rows
from preimage.jobs.invert.job import InvertJob
from preimage.latents.priors import Normal
from small_nets import Expanding, seeded

GIB = 2**30


@pytest.mark.parametrize(
    ("free", "each", "codes"),
    [
        (2 * GIB, GIB, 1),
        (GIB, 2 * GIB, 1),
        (20 * GIB, GIB, 10),
        (400 * GIB, GIB, 192),
        (80 * GIB, 1000, MOST),
    ],
)
def test_a_batch_takes_half_of_the_free_memory(free, each, codes):
    assert fitting(free, each) == codes


def engine(**settings) -> Engine:
    return Engine(Expanding(), InversionConfig(init_codes="prior", steps=4, **settings), Normal(3))


def test_the_memory_of_a_code_is_that_of_a_second_step(monkeypatch):
    """Also with precision=mixed it is a step in full precision."""
    made = engine(solver="adam", precision="mixed")
    begun, reset = [], []

    def begin(items: torch.Tensor) -> Rows:
        n, none = len(items), torch.zeros(len(items), dtype=torch.int64)
        begun.append(items)
        target, full = torch.zeros(n, 1, 8, 8), torch.full((n,), 64.0)
        return Rows(torch.zeros(n, 3), target, None, full, items, none, none, none == 0)

    steps = []
    monkeypatch.setattr(
        type(made.problem),
        "_with_gradient",
        lambda own, network, rows: steps.append(network) or (rows.count, rows.z),
    )
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: reset.append(len(begun)))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5 * GIB)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5 * GIB + TRIED * GIB)
    monkeypatch.setattr(batch_size, "free_memory", lambda device: 300 * GIB)
    assert fitting_batch(torch.device("cuda", 0), made.problem, made.solver, begin) == 128
    assert reset == [1]
    assert [len(items) for items in begun] == [TRIED, TRIED]
    assert steps == [made.problem.network] * 2


def test_a_gpu_measures_once_and_only_where_a_batch_could_be_larger(monkeypatch):
    made, measured = engine(), []
    monkeypatch.setattr(
        "preimage.inversion.engine.fitting_batch", lambda *given: measured.append(given) or 512
    )

    def chosen(count: int) -> int:
        return made._batch_size(lambda items: pytest.fail("no rows are begun"), count)

    assert (chosen(10), chosen(5000)) == (CPU_BATCH, CPU_BATCH)
    made.device = torch.device("cuda", 0)
    assert (chosen(CPU_BATCH), chosen(5000), chosen(6000)) == (CPU_BATCH, 512, 512)
    assert len(measured) == 1
    made.config = InversionConfig(batch_size=7)
    assert chosen(5000) == 7


def test_codes_are_the_same_in_any_batch():
    images = seeded(9, 1, 8, 8, seed=2).tanh()
    usual = engine().invert(images)
    for size in (1, 4):
        other = engine(batch_size=size).invert(images)
        assert torch.allclose(usual.z, other.z, atol=1e-4)
        assert torch.allclose(usual.loss, other.loss, rtol=1e-4)


def test_a_spec_that_leaves_it_to_the_device_is_the_run_that_named_64():
    """Also its parts: they must not depend on the machine."""
    auto, named = InversionConfig(), InversionConfig(batch_size=CPU_BATCH)
    assert auto.model_dump()["batch_size"] == "auto"
    jobs = [InvertJob.model_validate({"generator": "g", "inversion": each}) for each in (auto, named)]
    assert jobs[0].identity() == jobs[1].identity()
    assert auto.model_dump(context=ALIKE) == named.model_dump(context=ALIKE)
    assert (auto.planned_batch, InversionConfig(batch_size=100).planned_batch) == (CPU_BATCH, 100)
