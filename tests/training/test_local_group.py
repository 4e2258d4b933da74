"""The exchange between workers of one machine; here they are threads."""

import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from preimage.training.local_group import MESSAGE_BYTES, LocalGroup, join

SILENCE_S = 20.0


class Gather:
    """`Worker.gather` of so many threads."""

    def __init__(self, workers):
        self.values, self.barrier = [None] * workers, threading.Barrier(workers)

    def of(self, rank):
        def gather(value):
            self.values[rank] = value
            self.barrier.wait(SILENCE_S)
            found = list(self.values)
            self.barrier.wait(SILENCE_S)
            return found

        return gather


def together(workers, work, silence=SILENCE_S):
    """What work(group, rank) gives on each of so many workers of one group."""
    meeting = Gather(workers)

    def enter(rank):
        group = join(rank, workers, meeting.of(rank), silence)
        assert group
        try:
            return work(group, rank)
        finally:
            for peer in group.peers.values():
                peer.close()

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(enter, range(workers)))


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_sums_and_maxima_are_the_same_to_the_bit_on_all_workers(workers):
    values = torch.randn(workers, 7, 11, generator=torch.Generator().manual_seed(0)).double().transpose(1, 2)

    def work(group: LocalGroup, rank):
        return [(group.sum(values[rank] * turn), group.maximum(values[rank] * turn)) for turn in (1, 2, 3)]

    found = together(workers, work)
    for turn, (total, largest) in enumerate(found[0], 1):
        assert torch.allclose(total, turn * values.sum(0), rtol=1e-12, atol=1e-12)
        assert torch.equal(largest, turn * values.amax(0))
        assert all(torch.equal(total, other[turn - 1][0]) for other in found)


def test_a_flag_and_what_is_not_finite_come_through():
    def work(group: LocalGroup, rank):
        return group.maximum(torch.tensor(float(rank))), group.sum(torch.tensor([torch.inf, rank]))

    for flag, total in together(2, work):
        assert torch.equal(flag, torch.tensor(1.0))
        assert total.tolist() == [torch.inf, 1]


def test_only_what_a_sockets_buffer_holds_is_sent():
    group = LocalGroup(0, {})
    assert group.takes(torch.zeros(MESSAGE_BYTES // 8, dtype=torch.float64))
    assert not group.takes(torch.zeros(MESSAGE_BYTES // 8 + 1, dtype=torch.float64))


def test_nobody_waits_to_send_two_of_the_largest_whatever_the_machines_default_is(monkeypatch):
    """Two workers that both wait to send would wait forever."""
    sent = threading.Barrier(2)

    class Small(socket.socket):
        def __init__(self, *of, **how):
            super().__init__(*of, **how)
            if self.family == socket.AF_UNIX:
                self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def work(group: LocalGroup, rank):
        (peer,) = group.peers.values()
        peer.settimeout(0)
        assert [peer.send(bytes(MESSAGE_BYTES)) for _ in range(2)] == 2 * [MESSAGE_BYTES]
        sent.wait(SILENCE_S)

    monkeypatch.setattr(socket, "socket", Small)
    together(2, work)


@pytest.mark.parametrize("workers", [2, 3])
def test_gradients_become_means_whoever_is_late(workers):
    """Of two networks in turn, one of them larger and with channels last, without a meeting in between.
    Workers rest at random, so that one would overwrite what another has not read yet."""
    random = torch.Generator().manual_seed(1)
    shapes = [[(3,), (2, 5)], [(4, 3, 2, 2), (), (70, 7)]]
    drawn = [
        [[torch.randn(workers, *shape, generator=random) for shape in shapes[turn % 2]]] for turn in range(12)
    ]

    def work(group: LocalGroup, rank):
        found = []
        networks = [[nn.Parameter(torch.zeros(shape)) for shape in each] for each in shapes]
        networks[1][0].data = networks[1][0].data.to(memory_format=torch.channels_last)
        unused = nn.Parameter(torch.zeros(9))
        for turn, (gradients,) in enumerate(drawn):
            for parameter, gradient in zip(networks[turn % 2], gradients, strict=True):
                parameter.grad = gradient[rank].clone()  # contiguous, whatever the parameter is
            if (turn + rank) % 3 == 0:
                time.sleep(0.002)
            group.average_gradients([*networks[turn % 2], unused])
            assert unused.grad is None
            found.append([parameter.grad for parameter in networks[turn % 2]])
        return found

    found = together(workers, work)
    for turn, (gradients,) in enumerate(drawn):
        for place, gradient in enumerate(gradients):
            assert torch.allclose(found[0][turn][place], gradient.mean(0), atol=1e-6)
            assert all(torch.equal(found[0][turn][place], other[turn][place]) for other in found)


@pytest.mark.parametrize("gone", [False, True])
def test_a_worker_that_ended_is_an_error_of_the_others(gone):
    """gone: before the others send, so that they cannot, or while they wait."""
    ended = threading.Event()

    def work(group: LocalGroup, rank):
        group.sum(torch.ones(1))
        if rank == 0:
            for peer in group.peers.values() if gone else ():
                peer.close()
            ended.set()
            return
        ended.wait(SILENCE_S)
        with pytest.raises(ConnectionError, match="another worker of this training has ended"):
            group.sum(torch.ones(1))
        with pytest.raises(ConnectionError, match="another worker of this training has ended"):
            group._share(99)

    together(2, work)


def test_a_silent_worker_is_an_error_of_the_others():
    over = threading.Event()

    def work(group: LocalGroup, rank):
        if rank == 0:
            over.wait(SILENCE_S)
            return
        with pytest.raises(TimeoutError, match="silent"):
            group.sum(torch.ones(1))
        over.set()

    together(2, work, silence=0.1)


def test_workers_that_do_not_find_each_others_sockets_have_no_group(tmp_path, monkeypatch):
    """As on two machines: all of them are told so, and nothing is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    meeting = Gather(2)

    def enter(rank):
        gather = meeting.of(rank)
        calls = iter(range(9))

        def elsewhere(value):
            found = gather(value)
            return ["/nowhere"] if rank == 1 and next(calls) == 0 else found

        return join(rank, 2, elsewhere, SILENCE_S)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(enter, range(2))) == [None, None]
    assert not list(tmp_path.iterdir())
