"""Looking now and then which searches are done changes no result; steps between two looks read nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from preimage.inversion.batch import Batch, Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.links import IDENTITY
from preimage.inversion.loop import LOOK_EVERY, Loop
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import SOLVERS, SolverSetup
from preimage.latents.priors import make_prior
from small_nets import seeded


class Rowwise(nn.Module):
    """A generator of sums: an image has the same bits in any batch, as it has not by matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(seeded(24, 3)), nn.Parameter(seeded(16, 24, seed=1) / 5)

    def forward(self, codes: Tensor) -> Tensor:
        hidden = nn.functional.leaky_relu((codes[:, None] * self.first).sum(2), 0.2)
        return torch.tanh((hidden[:, None] * self.second).sum(2)).view(-1, 1, 4, 4)


def search(config: InversionConfig, look_every: int) -> Inversion:
    """The codes of 13 images, of which some can be generated."""
    generator, codes = Rowwise(), seeded(13, 3, seed=4, law=torch.rand) * 2.6 - 1.3
    with torch.no_grad():
        images = (
            generator(codes)
            + 0.05 * seeded(13, 1, 4, 4, seed=6) * (torch.arange(13) % 3 > 0)[:, None, None, None]
        )
    prior = make_prior("normal" if config.constraint == "none" else "uniform", 3)
    engine = Engine(generator, config, prior)
    engine.look_every = look_every
    return engine.invert(images, keep=(0, 2, 11, 24))


CASES: list[dict[str, Any]] = [
    {"solver": "lbfgs", "constraint": "stochastic-clip"},
    {"solver": "lbfgs", "restarts": 1, "tolerance": 1e-6},
    {"solver": "adam", "precision": "mixed", "lr": 0.3},
    {"solver": "adam", "constraint": "stochastic-clip", "lr": 0.3},
    {"solver": "lbfgs", "constraint": "clip", "restart_negative": True},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_results_are_the_same_bits_however_often_the_host_looks(case, monkeypatch):
    """Of codes, losses, steps, passes, and of what is kept of steps."""
    went_on = []
    for name in ("_refine", "_redraw"):
        own = getattr(Loop, name)
        monkeypatch.setattr(
            Loop, name, lambda *given, own=own, name=name: (went_on.append(name), own(*given))[1]
        )
    config = InversionConfig(init_codes="prior", whiten=False, steps=50, patience=4, batch_size=5, **case)
    often = search(config, 1)
    assert len(often.steps.unique()) > 2, "searches must end at different steps"
    if case.get("precision") == "mixed" and case["solver"] == "adam":
        assert "_refine" in went_on
    if case.get("constraint") == "stochastic-clip" and case["solver"] == "lbfgs":
        assert "_redraw" in went_on
    for every in (3, LOOK_EVERY):
        seldom = search(config, every)
        for name, value in vars(often).items():
            assert torch.equal(value.nan_to_num(7), vars(seldom)[name].nan_to_num(7)), (every, name)


class _WithoutBackward(Problem):
    """There are no gradients of tensors on a GPU that is not there."""

    def _with_gradient(self, network: nn.Module, rows: Rows) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self._loss(network, rows.z, rows), torch.zeros_like(rows.z)


GPU = torch.device("cuda", 0)


def on_gpu(config: InversionConfig) -> tuple[Loop, Batch]:
    """A loop and a batch of five, of tensors that a FakeTensorMode takes for those on a GPU."""
    generator = Rowwise()
    generator.first = nn.Parameter(torch.empty(24, 3, device=GPU), requires_grad=False)
    generator.second = nn.Parameter(torch.empty(16, 24, device=GPU), requires_grad=False)
    low = generator if config.precision == "mixed" else None
    problem = _WithoutBackward(generator, torch.zeros(1, 3, device=GPU), None, low=low)
    whitening = torch.eye(3, device=GPU)
    rest = config.constraint, 0, whitening, IDENTITY, None, 16, None
    solver = SOLVERS[config.solver].make(SolverSetup(config.lr, None, config.steps, *rest))
    ids = torch.arange(5, device=GPU)
    target = torch.zeros(5, 1, 4, 4, device=GPU)
    z = torch.zeros(5, 3, device=GPU)
    rows = Rows(z, target, torch.ones_like(target), ids.float(), ids, ids.clone(), ids.clone(), ids > 2)
    rows._apart = ids[3:], ids[:3]  # as of the last look
    loop = Loop(problem, solver, config, 0, LOOK_EVERY)
    state = solver.begin(z)
    return loop, Batch.begin(rows, ids.clone(), 2, state, loop._needed(state))


@pytest.mark.parametrize("case", [CASES[0], CASES[1], CASES[2], CASES[3]], ids=str)
def test_steps_between_two_looks_read_nothing_from_a_gpu(case):
    """A fake tensor raises for a value or a shape that only the device knows, and for another's tensors."""
    with FakeTensorMode():
        loop, batch = on_gpu(InversionConfig(steps=9, init_codes="prior", **case))
        slot = torch.full((10,), -1, device=GPU)
        for _ in range(2):
            loop._step(batch, slot)
        columns = {**vars(batch), **vars(batch.rows), **batch.state, **batch.left}
        assert {each.device for each in columns.values() if isinstance(each, Tensor)} == {GPU}
