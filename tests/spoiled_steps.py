"""Training methods on a few synthetic images, stepped by hand, with a step that is not finite among them."""

import math
import re
from unittest.mock import patch

import torch
import torch.distributed as dist
from torch import Tensor

from preimage.data.dataset import Images
from preimage.errors import NonFiniteError
from preimage.objectives.gan import generator_loss
from preimage.training import nan_check
from preimage.training.algorithm import AlgorithmContext
from preimage.training.codes import CodeRows
from preimage.training.config import CodesConfig, LoopConfig
from preimage.training.glo import GloAlgorithm
from preimage.training.worker import Worker
from tiny import GLO_MODEL
from two_workers import METHODS, SGD, classifier, pgan

BATCH = 8
OF_CODES = "pgan"
BUILDS = {name: build for name, (build, _) in METHODS.items()} | {"classifier": classifier, OF_CODES: pgan}


def built(name: str, worker: Worker | None = None):
    """One of the methods, on this worker's images or codes."""
    worker = worker or Worker()
    made = BUILDS[name](AlgorithmContext(worker, _examples(name, worker), LoopConfig(batch_size=BATCH), 5))
    made.begin()
    return made


def _examples(name: str, worker: Worker) -> Images | CodeRows:
    rows = worker.part(torch.arange(BATCH))
    if name == OF_CODES:
        return CodeRows(rows, batch(name, 0)[rows], torch.zeros(4).double(), torch.ones(4).double())
    pixels = ((batch(name, 0) + 1) * 127).byte()
    return Images(rows, pixels[rows], (rows % 10).int())


def batch(name: str, number: int) -> Tensor:
    """The batch of a step, for all workers together."""
    random = torch.Generator().manual_seed(number)
    if name == OF_CODES:
        return torch.randn(BATCH, 4, generator=random)
    return torch.rand(BATCH, 1, 16, 16, generator=random) * 2 - 1


def step(made, name: str, number: int, spoilt: bool = False) -> dict[str, Tensor]:
    mine = made.worker.part(batch(name, number)).clone()
    if spoilt:
        mine[0] = math.nan
    return made.step(torch.arange(len(mine)), mine, number)


def kept(made) -> list[Tensor]:
    """Copies of all that training changes, except what BatchNorm measures in every forward pass."""
    tensors = [p for network in made.networks.unwrapped.values() for p in network.parameters()]
    tensors += [*made.sharded_state().values()]
    tensors += [*made.average.state_dict().values()] if hasattr(made, "average") else []
    for optimizer in made.networks.optimizers.values():
        tensors += [each for state in optimizer.state.values() for each in state.values() if each is not None]
    return [each.detach().clone() for each in tensors]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def in_one_order(*tensors: Tensor) -> bool:
    """Whether tensors of one shape lie in memory in the same order."""
    numbers = torch.arange(tensors[0].numel()).view(tensors[0].shape)
    places = [torch.empty_like(each).copy_(numbers) for each in tensors]
    first, *others = (each.as_strided((each.numel(),), (1,)) for each in places)
    return all(torch.equal(first, other) for other in others)


def spoil_one_worker(worker: Worker) -> None:
    """Steps that only the last worker sees spoilt, read later and at once: all stop, at the same weights."""
    last = worker.rank == worker.world_size - 1
    for devices, names in ((set(), BUILDS), ({"cpu"}, ("gan", "glo"))):
        nan_check.READ_AT_ONCE = devices
        for name in names:
            _require_stop(worker, built(name, worker), name, 1, last, r"is not finite at step 1\.")
        _overflow_of_a_loss(worker, last)
        codes = CodesConfig(lr=1e30 if last else 0.1)
        context = AlgorithmContext(worker, _examples("glo", worker), LoopConfig(batch_size=BATCH), 5)
        made = GloAlgorithm(context, GLO_MODEL, "l2", codes, SGD)
        made.begin()
        _require_stop(worker, made, "glo", 0, False, "the codes' step is not finite at step 0")


def _overflow_of_a_loss(worker: Worker, last: bool) -> None:
    """A loss that is infinite, though its slope is not, on one worker."""

    def infinite(logits: Tensor) -> Tensor:
        return generator_loss(logits) + (math.inf if last else 0)

    with patch("preimage.training.gan.generator_loss", infinite):
        made = built("gan", worker)
        _require_stop(worker, made, "gan", 0, False, "the generator's loss is not finite at step 0")


def _require_stop(worker: Worker, made, name: str, bad: int, spoilt: bool, said: str) -> None:
    for number in range(bad):
        step(made, name, number)
    message = ""
    try:
        for number in (bad, bad + 1):
            step(made, name, number, spoilt and number == bad)
        made.require_finite()
    except NonFiniteError as error:
        message = str(error)
    assert re.search(said, message), (name, message)
    networks = made.networks.unwrapped.values()
    weights = torch.cat([each.detach().flatten() for network in networks for each in network.parameters()])
    assert weights.isfinite().all(), name
    for network in networks:
        assert all(in_one_order(each, each.grad) for each in network.parameters())
    everyones = worker.gather((message, weights))
    assert all(other == message and torch.equal(them, weights) for other, them in everyones), name
    dist.barrier()
