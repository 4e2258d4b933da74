"""Copies to a device. No GPU is at hand: fake tensors stand for those on one."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from preimage import to_device as module
from preimage.to_device import rows_to_device, to_device


def test_a_tensor_that_is_there_is_not_copied():
    tensor = torch.arange(6)
    assert to_device(tensor, torch.device("cpu")) is tensor


@pytest.mark.parametrize("tensor", [torch.zeros(2, 3), torch.zeros(0, 3), torch.zeros(4, dtype=torch.uint8)])
def test_a_gpu_gets_it_pinned_and_without_waiting(tensor, monkeypatch):
    copies = []

    class Pinned:
        def to(self, device: torch.device, non_blocking: bool) -> str:
            copies.append((device, non_blocking))
            return "there"

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda own: Pinned())
    assert to_device(tensor, torch.device("cuda", 0)) == "there"
    assert copies == [(torch.device("cuda", 0), True)]


def test_what_a_gpu_has_is_not_pinned():
    with FakeTensorMode():
        tensor = torch.empty(2, 3, device="cuda:0")
        assert to_device(tensor, torch.device("cuda", 0)).device == torch.device("cuda", 0)


def test_rows_of_what_a_gpu_has_are_taken_there():
    with FakeTensorMode():
        tensor, rows = torch.empty(5, 2, device="cuda:0"), torch.zeros(3, dtype=torch.int64, device="cuda:0")
        found = rows_to_device(tensor, rows, tensor.device)
        assert (found.device, found.shape) == (tensor.device, (3, 2))


def test_rows_on_the_host_are_themselves():
    tensor, rows = torch.arange(10).reshape(5, 2), torch.tensor([3, 0, 3])
    assert torch.equal(rows_to_device(tensor, rows, torch.device("cpu")), tensor[rows])


def test_rows_go_from_the_host_to_a_gpu_by_one_pinned_buffer(monkeypatch):
    tensor, rows = torch.arange(10).reshape(5, 2), torch.tensor([3, 0, 3])
    buffers, copies = [], []

    def pinned_like(tensor, count):
        buffers.append(tensor.new_empty(count, *tensor.shape[1:]))
        return buffers[-1]

    def to(self, *args, **how):
        copies.append((self.data_ptr(), *args, *how.items()))
        return self

    monkeypatch.setattr(module, "_pinned_like", pinned_like)
    monkeypatch.setattr(torch.Tensor, "to", to)
    found = rows_to_device(tensor, rows, torch.device("cuda", 0))
    assert torch.equal(found, tensor[rows])
    assert copies == [(buffers[0].data_ptr(), torch.device("cuda", 0), ("non_blocking", True))]
